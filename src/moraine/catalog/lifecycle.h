#pragma once
// The life of tables, views and namespaces beside their commits: what was dropped waits for its
// hold to end and can be brought back until then; what is protected can't be dropped; where a table
// pointed before, and the way back. Called by api, and by the server's upkeep.
//
// A hold keeps the row, its number and its claims on places. Nothing of the Iceberg protocol sees
// it: the name is free at once, and so are the places: a table that wants them gets them, and the
// dropped one can't be brought back any more (claims.h). Files stay in any case; deleting them is
// for maintenance, which asks for the feed's "purge" with "purge-requested".

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "moraine/catalog/catalog.h"

namespace moraine::catalog {

enum class ObjectKind { kTable, kView, kNamespace, kWarehouse };
std::string_view ObjectKindName(ObjectKind kind);  ///< "table", "view", "namespace", "warehouse"

/// What people name. name: of tables and views; ns: of all but warehouses.
struct ObjectRef {
  ObjectKind kind = ObjectKind::kTable;
  std::string warehouse;
  NamespaceName ns;
  std::string name;
};
std::string ToText(const ObjectRef& object);  ///< "table db.t", "namespace a.b", "warehouse w"

/// What waits for the end of its hold.
struct DroppedObject {
  int64_t drop_id = 0;  ///< of the drop: later ones are larger
  int64_t object_id =
      0;             ///< of the table, view or namespace: as before the drop and after an undrop
  ObjectRef object;  ///< as it was when it was dropped
  int64_t dropped_ms = 0;
  std::string dropped_by;
  int64_t purge_after_ms = 0;  ///< the hold ends
  bool purge_requested = false;
  int64_t dropped_with = 0;  ///< number of the namespace that was dropped with all in it, or 0
  std::string yielded_to;    ///< the place of its files that another has now; it can't come back
};

struct Protection {
  int64_t set_ms = 0;
  std::string set_by;
  std::string reason;
};

/// A step of a table's or view's history.
struct HistoryEntry {
  int64_t version = 0;
  std::string kind;  ///< as TableChange
  int64_t changed_ms = 0;
  std::string changed_by;
  int64_t snapshot_id = iceberg::kNoSnapshot;
  std::string metadata_location;  ///< empty where the change moved no pointer
  std::string operation;          ///< of the snapshot that it brought, or its updates
  iceberg::StringMap summary;     ///< counts of that snapshot
  std::string name, old_name;     ///< of a rename, drop or undrop
};

/// Where a table goes back to: one of the three.
struct RollbackTarget {
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> timestamp_ms;  ///< the newest snapshot of the branch that is not younger
  std::optional<int64_t> version;       ///< of the table's row, as the history has it
  std::string branch;                   ///< empty: main; a version is of main alone
  bool any_snapshot = false;            ///< also one that the branch's head does not come from
};
struct Rollback {
  std::string branch;
  int64_t from_snapshot_id = iceberg::kNoSnapshot;
  int64_t to_snapshot_id = iceberg::kNoSnapshot;
  std::string operation;  ///< what the commit does: "add-schema, set-current-schema, ..."; or ""
  int64_t version = 0;    ///< of the row, afterwards
};

/// kYes: says what would be done, and does nothing.
enum class DryRun { kNo, kYes };

/// Thread-safe. Borrows the catalog. Errors of all calls as the catalog's.
class Lifecycle {
 public:
  explicit Lifecycle(Catalog& catalog) : state_(*catalog.state_), catalog_(catalog) {}

  /// Last dropped first. warehouse: empty for all.
  Result<Page<DroppedObject>> Dropped(Call& call, const std::string& warehouse,
                                      const PageRequest& page);
  /// The one with the number; NotFound.
  Result<DroppedObject> FindDropped(Call& call, ObjectKind kind, int64_t object_id);
  /// The one that was dropped last under this name; NotFound.
  Result<DroppedObject> LastDropped(Call& call, const ObjectRef& object);
  /// Brings it back, under another name if one is given (not for namespaces), with all that was
  /// dropped with it. What gave its place away meanwhile is left out, and named in *left. Returns
  /// what it is called now. Errors: AlreadyExists (name), NotFound (its namespace; it is gone),
  /// Conflict (its place is another's now, its metadata file is gone).
  Result<std::vector<ObjectRef>> Undrop(Call& call, const DroppedObject& dropped,
                                        const std::optional<TableName>& to, DryRun dry_run,
                                        std::vector<ObjectRef>* left);
  /// Ends the hold now. Errors: NotFound, Conflict for a namespace in which something still waits.
  Status Purge(Call& call, const DroppedObject& dropped);
  /// Removes the rows of what has waited long enough; at most some hundred. Any number of servers
  /// may do this at once. Returns how many went.
  Result<size_t> PurgeTick(Call& call);

  /// Drops a namespace and all that is in it, or nothing: it comes back as a whole, too. Returns
  /// what was dropped. Errors: PermissionDenied if some of it is protected, Exhausted for more than
  /// 10,000 things, Conflict if it changes meanwhile.
  Result<std::vector<ObjectRef>> DropTree(Call& call, const std::string& warehouse,
                                          const NamespaceName& name, DryRun dry_run);

  /// A protected object can't be dropped, unregistered, overwritten by a register or purged, until
  /// Unprotect. Of a warehouse: nothing in it. Protecting again replaces the reason.
  Status Protect(Call& call, const ObjectRef& object, const std::string& reason);
  Status Unprotect(Call& call, const ObjectRef& object);
  Result<std::optional<Protection>> ProtectionOf(Call& call, const ObjectRef& object);

  /// Newest first, as far as the rows are kept.
  Result<Page<HistoryEntry>> History(Call& call, const ObjectRef& object, const PageRequest& page);
  /// Leads the table back by a new commit: nothing that later writers rely on goes backwards
  /// (sequence numbers, ids of columns and rows). To a version: main's snapshot, schema, partition
  /// spec, sort order and properties become what they were; other branches and tags stay.
  /// Errors: NotFound (snapshot, version), Conflict where going back is not safe (expired snapshot,
  /// other uuid, no ancestor), and those of a commit.
  Result<Rollback> RollBack(Call& call, const std::string& warehouse, const TableName& name,
                            const RollbackTarget& target, DryRun dry_run);

 private:
  Result<std::vector<ObjectRef>> UndropNamespace(Call& call, const DroppedObject& dropped,
                                                 DryRun dry_run, std::vector<ObjectRef>* left);
  Result<iceberg::CommitRequest> PlanRollback(Call& call, const LoadedTable& table,
                                              const RollbackTarget& target);

  Catalog::State& state_;
  Catalog& catalog_;
};

}  // namespace moraine::catalog
