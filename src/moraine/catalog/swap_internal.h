#pragma once
// What is written to the store when a table or view changes, each inside a transaction of the
// caller: rows led to new metadata files, made, renamed, dropped.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/catalog/change_detail.h"
#include "moraine/catalog/rows_internal.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

/// All that is written for one row, decided before the transaction begins.
struct Swap {
  std::string_view change_kind;
  std::string metadata_location;
  std::string uuid;
  int64_t format_version = 1;
  int64_t snapshot_id = iceberg::kNoSnapshot;
  std::string operation;            ///< of the snapshot, if it is another one than before
  std::vector<std::string> claims;  ///< the place first
  bool claims_changed = false;
  std::vector<std::string> foreign_folders;  ///< of files that lie outside the claims
  iceberg::StringMap summary;                ///< counts of the snapshot that it brings
  std::string updates;                       ///< what it updates, if it brings none
  int64_t now_ms = 0;
};

/// Conflict, with *lost_race, when the row is not as it was read.
Status DoSwap(store::Transaction& t, const TabularRow& row, const Swap& swap,
              const std::string& principal, bool* lost_race);
/// The same of a row that a commit only reads.
Status CheckUnchanged(store::Transaction& t, const TabularRow& row, bool* lost_race);

/// What becomes a new row.
struct NewRow {
  TabularKind kind = TabularKind::kTable;
  std::string_view change_kind;
  std::string_view origin;
  std::string metadata_location;
  std::string uuid;
  int64_t format_version = 1;
  int64_t snapshot_id = iceberg::kNoSnapshot;
  std::string operation;  ///< of the snapshot, if there is one
  std::vector<std::string> claims;
  std::vector<std::string> foreign_folders;
  iceberg::StringMap summary;  ///< counts of its snapshot
  int64_t now_ms = 0;
};

/// The number of the row. Errors: NotFound (namespace), AlreadyExists, InvalidArgument (claims).
Result<int64_t> InsertTabular(store::Transaction& t, int64_t warehouse_id, const TableName& name,
                              const NewRow& row, const std::string& principal);

/// Errors: NotFound (the row, the namespace it goes to), AlreadyExists.
Status RenameTabular(store::Transaction& t, int64_t warehouse_id, const TableName& from,
                     const TableName& to, TabularKind kind, int64_t now_ms,
                     const std::string& principal);
/// How something is dropped.
struct Removal {
  bool purge = false;        ///< its files shall go, too, when the hold has ended
  int64_t hold_ms = 0;       ///< how long it can be brought back; 0: it is gone at once
  int64_t dropped_with = 0;  ///< the number of the namespace that goes with all in it, or 0
  int64_t now_ms = 0;
  std::string principal;
};
/// The row waits out of sight, with its claims, until the hold ends; without one both go. The feed
/// says where the metadata was. Errors: PermissionDenied for what is protected.
Status DropTabular(store::Transaction& t, const TabularRow& row, const Removal& removal);

}  // namespace moraine::catalog
