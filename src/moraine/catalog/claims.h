#pragma once
// The places that tables hold, as rows: no two tables' places overlap, and no table names files in
// another's. Asked and written in the transaction that makes or changes a table. A table that was
// dropped, and waits for the end of its hold, gives way: it loses its places to a table that wants
// them, and can't be brought back then, for its files may be another's now.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/store/database.h"

namespace moraine::catalog {

/// InvalidArgument when a place lies in one of another table's, or holds one. Dropped tables there
/// give way. Conflict while files of one that is gone are deleted there (purges.h).
Status CheckUnclaimed(store::Transaction& t, const std::vector<std::string>& claims,
                      int64_t table_id);
/// InvalidArgument when a folder of named files lies in another table's place. A dropped table
/// there gives way. Conflict likewise.
Status CheckFoldersFree(store::Transaction& t, const std::vector<std::string>& folders,
                        int64_t table_id);
/// A condition that holds only if nobody, be it a table that was dropped, has a place that
/// CheckUnclaimed or CheckFoldersFree would look at: " AND NOT EXISTS (...)".
struct UnclaimedCondition {
  std::string sql;
  std::vector<store::Value> values;
};
UnclaimedCondition WhereUnclaimed(const std::vector<std::string>& claims,
                                  const std::vector<std::string>& folders);
/// Replaces the table's places.
Status PutClaims(store::Transaction& t, const std::vector<std::string>& claims, int64_t table_id);
/// Those of a table that has none yet.
Status AddClaims(store::Transaction& t, const std::vector<std::string>& claims, int64_t table_id);
Status RemoveClaims(store::Transaction& t, int64_t table_id);
/// The table's places.
Result<std::vector<std::string>> ClaimsOfTable(store::Transaction& t, int64_t table_id);

}  // namespace moraine::catalog
