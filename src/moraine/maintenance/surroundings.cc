#include "moraine/maintenance/surroundings.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/catalog/locations.h"
#include "moraine/catalog/purges.h"

namespace moraine::maintenance {
namespace {

using store::Transaction;
using store::Value;

constexpr size_t kMaxTaken = 1000;

Status AddTaken(Transaction& t, int64_t table_id, const std::string& place,
                std::vector<std::string>* out) {
  std::vector<Value> values = {table_id, place + "/", place + "0"};
  std::string marks;
  for (auto& location : catalog::SelfAndAncestors(place)) {
    values.emplace_back(std::move(location));
    marks += marks.empty() ? "?" : ", ?";
  }
  // All that begins with "place/": '0' follows '/' in the order of bytes.
  MORAINE_ASSIGN(auto rows,
                 t.Query(fmt::format("SELECT location FROM tabular_claim WHERE table_id <> ? AND "
                                     "((location > ? AND location < ?) OR location IN ({})) "
                                     "ORDER BY location LIMIT {}",
                                     marks, kMaxTaken),
                         values));
  for (const auto& row : rows) {
    MORAINE_ASSIGN(std::string location, row.Text(0));
    out->push_back(std::move(location));
  }
  return {};
}

Status AddProcesses(Transaction& t, std::string_view sql, int64_t table_id,
                    std::vector<std::string>* out) {
  MORAINE_ASSIGN(auto rows, t.Query(sql, {table_id}));
  for (const auto& row : rows) {
    MORAINE_ASSIGN(std::string id, row.Text(0));
    out->push_back(std::move(id));
  }
  return {};
}

}  // namespace

Result<Surroundings> LookAround(Call& call, store::Database* database, int64_t table_id,
                                const std::vector<std::string>& places) {
  if (database == nullptr) return Internal("a run has no database");
  return store::RunFor(
      call, *database, store::Access::kRead, [&](Transaction& t) -> Result<Surroundings> {
        Surroundings out;
        for (const std::string& place : places) {
          MORAINE_TRY(AddTaken(t, table_id, place, &out.taken));
        }
        MORAINE_TRY(AddProcesses(t, "SELECT process_id FROM active_process WHERE table_id = ?",
                                 table_id, &out.processes));
        MORAINE_TRY(AddProcesses(t, "SELECT run_id FROM maintenance_active WHERE table_id = ?",
                                 table_id, &out.processes));
        return out;
      });
}

Result<std::vector<std::string>> TakeForPurge(Call& call, store::Database* database,
                                              int64_t table_id,
                                              const std::vector<std::string>& places,
                                              Millis length) {
  if (database == nullptr) return Internal("a run has no database");
  return store::RunFor(
      call, *database, store::Access::kWrite,
      [&](Transaction& t) -> Result<std::vector<std::string>> {
        std::vector<std::string> taken;
        for (const std::string& place : places) MORAINE_TRY(AddTaken(t, table_id, place, &taken));
        if (!taken.empty()) return taken;
        MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
        MORAINE_TRY(catalog::BeginPurge(t, table_id, places, now_ms + length.count()));
        return taken;
      });
}

}  // namespace moraine::maintenance
