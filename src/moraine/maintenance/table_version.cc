#include "moraine/maintenance/table_version.h"

namespace moraine::maintenance {

Result<std::optional<int64_t>> VersionOf(store::Transaction& t, int64_t table_id) {
  std::optional<int64_t> version;
  MORAINE_ASSIGN(auto rows, t.Query("SELECT version FROM tabular WHERE id = ?", {table_id}));
  if (rows.empty()) return version;
  MORAINE_ASSIGN(version, rows[0].Int(0));
  return version;
}

Status CheckStillVersion(store::Transaction& t, const catalog::LoadedTable& decided_from) {
  MORAINE_ASSIGN(const auto version, VersionOf(t, decided_from.table_id));
  if (!version) return Conflict("the table is gone");
  // The swap before it in this transaction has raised it by one, unless there was nothing to swap.
  if (*version == decided_from.version || *version == decided_from.version + 1) return {};
  return Conflict("the table has changed since this was decided");
}

}  // namespace moraine::maintenance
