#include "moraine/maintenance/rules.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "moraine/maintenance/plain_rules.h"
#include "moraine/upkeep/data_expiry.h"

namespace moraine::maintenance {

Result<TablePolicyPtr> PolicyOf(Call& call, const Seams& seams, const catalog::LoadedTable& table,
                                Inherited& inherited) {
  if (seams.policy_of) return seams.policy_of(call, table, inherited);
  PolicyLayers layers;
  layers.table = &table.metadata->properties;
  TimeZones zones;
  return std::make_shared<const TablePolicy>(PolicyOf(layers, zones));
}

Result<std::vector<upkeep::SnapshotHold>> HoldsOf(Call& call, const Seams& seams,
                                                  const catalog::LoadedTable& table,
                                                  int64_t now_ms) {
  if (seams.holds_of) return seams.holds_of(call, table, now_ms);
  return std::vector<upkeep::SnapshotHold>();
}

Status CheckNothingHeldGoes(store::Transaction& t, const Seams& seams,
                            const catalog::LoadedTable& table,
                            const iceberg::CommitRequest& request) {
  if (!seams.holds_in) return {};
  std::vector<int64_t> going;
  std::vector<std::string> refs;
  for (const auto& update : request.updates) {
    if (const auto* removal = std::get_if<iceberg::update::RemoveSnapshots>(&update))
      going.insert(going.end(), removal->snapshot_ids.begin(), removal->snapshot_ids.end());
    if (const auto* removal = std::get_if<iceberg::update::RemoveSnapshotRef>(&update))
      refs.push_back(removal->name);
  }
  if (going.empty() && refs.empty()) return {};
  MORAINE_ASSIGN(const auto holds, seams.holds_in(t, table));
  const auto held = upkeep::HeldSnapshots(*table.metadata, holds);  // sorted
  for (int64_t id : going) {
    if (!std::binary_search(held.begin(), held.end(), id)) continue;
    return Conflict(fmt::format("snapshot {} is held since it was to be removed", id));
  }
  for (const auto& ref : refs) {
    if (!upkeep::IsHeldBranch(*table.metadata, holds, ref)) continue;
    return Conflict(fmt::format("branch {} is held since it was to be removed", ref));
  }
  return {};
}

Result<std::vector<catalog::Blocker>> BlockersOf(Call& call, const Seams& seams, int64_t table_id) {
  if (seams.blockers_of) return seams.blockers_of(call, table_id);
  return std::vector<catalog::Blocker>();
}

Obstacle BlockedBy(const std::vector<catalog::Blocker>& blockers, upkeep::Action action) {
  Obstacle obstacle;
  for (const auto& blocker : blockers) {
    if (!blocker.Blocks(upkeep::ActionName(action)) || blocker.expires_ms <= obstacle.until_ms)
      continue;
    obstacle = {catalog::Explain(blocker), blocker.expires_ms};
  }
  return obstacle;
}

std::vector<std::string> ProblemsOf(const TablePolicy& policy, const catalog::LoadedTable& table) {
  std::vector<std::string> problems = policy.problems;
  std::string why = upkeep::WhyNothingCanExpire(*table.metadata, policy.config);
  if (!why.empty()) problems.push_back(std::move(why));
  return problems;
}

std::string WhyNotByItself(const TablePolicy& policy, upkeep::Action action) {
  if (std::string why = WhySwitchedOff(policy.config, action); !why.empty()) return why;
  const ActionPolicy& one = policy.Of(action);
  return one.runs() ? "" : one.reason;
}

}  // namespace moraine::maintenance
