#pragma once
// Rows of what was dropped and of what is protected, inside transactions of the caller.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/catalog/lifecycle.h"
#include "moraine/catalog/rows_internal.h"
#include "moraine/catalog/swap_internal.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

ObjectKind ObjectKindOf(TabularKind kind);
TabularKind TabularKindOf(ObjectKind kind);

// protection.cc

/// PermissionDenied, saying who protects it and how that ends, for a protected table or view, or
/// one of a protected warehouse.
Status CheckUnprotected(store::Transaction& t, const TabularRow& row);
/// The same for all of a warehouse.
Status CheckUnprotected(store::Transaction& t, const Warehouse& warehouse);
/// The same for a namespace.
Status CheckUnprotected(store::Transaction& t, int64_t warehouse_id, const NamespaceRow& row);

// dropping.cc

/// Puts the row out of sight until its hold ends; it keeps its claims.
Status HideTabular(store::Transaction& t, const TabularRow& row, const Removal& removal);
/// The row goes, with its claims and reports.
Status RemoveTabular(store::Transaction& t, int64_t id);
/// The files of a table that was removed are to go (purges.h); nothing for a view.
Status RequestPurgeOf(store::Transaction& t, const TabularRow& row);
/// Drops a namespace in which nothing is in sight. Its row stays out of sight while dropped tables
/// are in it, too. Writes what became of it into the feed. Errors: PermissionDenied for what is
/// protected.
Status DropNamespaceRow(store::Transaction& t, int64_t warehouse_id, const NamespaceRow& row,
                        const Removal& removal);

/// where: of dropped d and warehouse w, with order and limit.
Result<std::vector<DroppedObject>> SelectDropped(store::Transaction& t, std::string_view where,
                                                 const std::vector<store::Value>& values);
Result<std::optional<DroppedObject>> FindDroppedRow(store::Transaction& t, ObjectKind kind,
                                                    int64_t object_id);
/// NotFound: it is back, or gone.
Status NoneWaits(const DroppedObject& dropped);
/// It does not wait any more. Errors: NotFound if it did not.
Status RemoveDroppedRow(store::Transaction& t, const DroppedObject& dropped);

}  // namespace moraine::catalog
