#include "moraine/upkeep/snapshot_expiry.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace moraine::upkeep {
namespace {

using iceberg::Snapshot;
using iceberg::SnapshotRef;
using iceberg::TableMetadata;
namespace update = iceberg::update;
namespace requirement = iceberg::requirement;

constexpr std::string_view kProducerKey = "snapshot.producer";
constexpr std::string_view kFlinkCheckpointKey = "flink.max-committed-checkpoint-id";
constexpr std::string_view kFlinkJobKey = "flink.job-id";
constexpr std::string_view kFlinkOperatorKey = "flink.operator-id";

std::string_view SummaryOf(const Snapshot& snapshot, std::string_view key) {
  auto found = snapshot.summary.find(std::string(key));
  return found == snapshot.summary.end() ? std::string_view() : std::string_view(found->second);
}

int64_t AgeMs(int64_t now_ms, int64_t then_ms) {
  return then_ms >= now_ms ? 0 : now_ms - std::max<int64_t>(then_ms, 0);
}

bool IsBranch(const SnapshotRef& ref) { return ref.type == SnapshotRef::Type::kBranch; }

/// Snapshots by id, and the way from each to its parents.
class History {
 public:
  explicit History(const TableMetadata& metadata) {
    for (const auto& snapshot : metadata.snapshots) by_id_[snapshot->snapshot_id] = snapshot.get();
  }

  const Snapshot* Find(int64_t id) const {
    auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }
  /// The ref's snapshot, then its parents as far as they are known. A circle, which only broken
  /// metadata has, ends where it began.
  std::vector<const Snapshot*> Ancestors(const SnapshotRef& ref) const {
    std::vector<const Snapshot*> chain;
    const Snapshot* at = Find(ref.snapshot_id);
    while (at != nullptr && chain.size() <= by_id_.size()) {
      chain.push_back(at);
      at = at->parent_snapshot_id ? Find(*at->parent_snapshot_id) : nullptr;
    }
    return chain;
  }
  /// How many of a chain are newer than the snapshot, with it if it is there; 0: it is in another.
  static size_t LengthTo(const std::vector<const Snapshot*>& chain, int64_t snapshot_id) {
    for (size_t i = 0; i < chain.size(); ++i) {
      if (chain[i]->snapshot_id == snapshot_id || chain[i]->parent_snapshot_id == snapshot_id) {
        const bool is_next = i + 1 < chain.size() && chain[i + 1]->snapshot_id == snapshot_id;
        return is_next ? i + 2 : i + 1;
      }
    }
    return 0;
  }

  /// The first hold whose reader may stand in this chain.
  static const SnapshotHold* HoldOf(const std::vector<const Snapshot*>& chain,
                                    const std::vector<SnapshotHold>& holds) {
    for (const auto& hold : holds) {
      if (hold.from_snapshot && LengthTo(chain, *hold.from_snapshot) > 0) return &hold;
    }
    return nullptr;
  }
  /// What a hold keeps; some more than once.
  template <typename Visit>
  void VisitHeld(const TableMetadata& metadata, const SnapshotHold& hold, Visit visit) const {
    for (int64_t id : hold.snapshot_ids) {
      if (const Snapshot* snapshot = Find(id)) visit(*snapshot);
    }
    if (!hold.from_snapshot) return;
    if (const Snapshot* first = Find(*hold.from_snapshot)) visit(*first);
    for (const auto& [name, ref] : metadata.refs) {
      if (!IsBranch(ref)) continue;
      const auto chain = Ancestors(ref);
      const size_t length = LengthTo(chain, *hold.from_snapshot);
      for (size_t i = 0; i < length; ++i) visit(*chain[i]);
    }
  }

 private:
  std::unordered_map<int64_t, const Snapshot*> by_id_;
};

/// As properties have it: "7d", "12h", "90min", "1500ms".
std::string AgeText(Millis age) {
  constexpr std::pair<int64_t, std::string_view> kUnits[] = {
      {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "min"}, {1'000, "s"}};
  for (const auto& [length, unit] : kUnits) {
    if (age.count() > 0 && age.count() % length == 0)
      return fmt::format("{}{}", age.count() / length, unit);
  }
  return fmt::format("{}ms", age.count());
}

class Decider {
 public:
  Decider(const TableMetadata& metadata, const MaintenanceConfig& config,
          const ExpiryContext& context)
      : metadata_(metadata), config_(config), context_(context), history_(metadata) {}

  ExpiryPlan Decide() {
    DecideRefs();
    for (const auto& [name, ref] : metadata_.refs) {
      if (gone_refs_.contains(name)) continue;
      KeepNamed(name, ref);
      if (IsBranch(ref)) KeepBranch(name, ref);
    }
    KeepHolds();
    KeepNewestUserCommit();
    for (const auto& [name, ref] : metadata_.refs) {
      if (IsBranch(ref) && !gone_refs_.contains(name)) KeepFlinkCheckpoints(name, ref);
    }
    KeepStaged();
    DecideSnapshots();
    return std::move(plan_);
  }

 private:
  /// The first reason is the one that people see.
  void Keep(const Snapshot& snapshot, std::string reason) {
    kept_.try_emplace(snapshot.snapshot_id, std::move(reason));
  }

  void DecideRefs() {
    for (const auto& [name, ref] : metadata_.refs) {
      RefDecision decision = DecideRef(name, ref);
      if (decision.expires) gone_refs_.insert(name);
      plan_.refs.push_back(std::move(decision));
    }
  }

  RefDecision DecideRef(const std::string& name, const SnapshotRef& ref) const {
    if (name == iceberg::kMainBranch) return {name, false, "the main branch stays"};
    const Snapshot* snapshot = history_.Find(ref.snapshot_id);
    if (snapshot == nullptr) return {name, true, "its snapshot is gone"};
    const int64_t max_age = ref.max_ref_age_ms.value_or(config_.ref_max_age.count());
    if (max_age < 0) return {name, false, "it has no age limit"};
    const std::string limit = AgeText(Millis(max_age));
    if (AgeMs(context_.now_ms, snapshot->timestamp_ms) <= max_age)
      return {name, false, fmt::format("not older than {}", limit)};
    if (IsBranch(ref)) {
      const auto chain = history_.Ancestors(ref);
      if (const auto* hold = History::HoldOf(chain, context_.holds))
        return {name, false, hold->reason};
    }
    return {name, true, fmt::format("older than {}", limit)};
  }

  void KeepNamed(const std::string& name, const SnapshotRef& ref) {
    const Snapshot* snapshot = history_.Find(ref.snapshot_id);
    if (snapshot == nullptr) return;
    Keep(*snapshot, IsBranch(ref) ? "head of branch " + name : "tag " + name);
  }

  void KeepBranch(const std::string& name, const SnapshotRef& ref) {
    const int64_t least =
        std::max<int64_t>(1, ref.min_snapshots_to_keep.value_or(config_.snapshot_keep_min_count));
    const Millis max_age(ref.max_snapshot_age_ms.value_or(config_.snapshot_keep.count()));
    bool is_kept = true;
    int64_t kept = 0;
    for (const Snapshot* snapshot : history_.Ancestors(ref)) {
      const bool is_young = AgeMs(context_.now_ms, snapshot->timestamp_ms) <= max_age.count();
      is_kept = is_kept && (kept < least || is_young);
      if (is_kept) {
        ++kept;
        Keep(*snapshot, is_young
                            ? fmt::format("not older than {}, on branch {}", AgeText(max_age), name)
                            : fmt::format("among the newest {} of branch {}", least, name));
      } else {
        out_of_date_.try_emplace(snapshot->snapshot_id, fmt::format("older than {}, on branch {}",
                                                                    AgeText(max_age), name));
      }
    }
  }

  void KeepHolds() {
    for (const auto& hold : context_.holds) {
      history_.VisitHeld(metadata_, hold,
                         [&](const Snapshot& snapshot) { Keep(snapshot, hold.reason); });
    }
  }

  void KeepNewestUserCommit() {
    auto main = metadata_.refs.find(iceberg::kMainBranch);
    if (main == metadata_.refs.end()) return;
    const auto chain = history_.Ancestors(main->second);
    const auto newest = std::find_if(chain.begin(), chain.end(), [](const Snapshot* snapshot) {
      return !MadeByTableService(*snapshot);
    });
    if (newest == chain.end()) return;
    // All from there on: it would not be found again through a gap.
    for (auto at = chain.begin(); at <= newest; ++at)
      Keep(**at, "since the newest commit of main that no table service made");
  }

  void KeepFlinkCheckpoints(const std::string& name, const SnapshotRef& ref) {
    const auto chain = history_.Ancestors(ref);
    std::set<std::pair<std::string_view, std::string_view>> jobs;
    size_t length = 0;
    std::string_view last_job;
    for (size_t i = 0; i < chain.size(); ++i) {
      if (SummaryOf(*chain[i], kFlinkCheckpointKey).empty()) continue;
      const auto job = SummaryOf(*chain[i], kFlinkJobKey);
      if (!jobs.emplace(job, SummaryOf(*chain[i], kFlinkOperatorKey)).second) continue;
      const int64_t age = AgeMs(context_.now_ms, chain[i]->timestamp_ms);
      if (age > config_.flink_checkpoint_retention.count()) continue;
      length = i + 1;
      last_job = job;
    }
    for (size_t i = 0; i < length; ++i) {
      Keep(*chain[i], fmt::format("since the last checkpoint of Flink job {} on branch {}",
                                  last_job.substr(0, 60), name));
    }
  }

  void KeepStaged() {
    for (const auto& snapshot : metadata_.snapshots) {
      if (out_of_date_.contains(snapshot->snapshot_id)) continue;
      if (AgeMs(context_.now_ms, snapshot->timestamp_ms) > config_.snapshot_keep.count()) continue;
      Keep(*snapshot,
           fmt::format("on no branch, not older than {}", AgeText(config_.snapshot_keep)));
    }
  }

  void DecideSnapshots() {
    for (const auto& snapshot : metadata_.snapshots) {
      auto kept = kept_.find(snapshot->snapshot_id);
      if (kept != kept_.end()) {
        plan_.snapshots.push_back({snapshot->snapshot_id, false, kept->second});
        continue;
      }
      auto reason = out_of_date_.find(snapshot->snapshot_id);
      plan_.snapshots.push_back(
          {snapshot->snapshot_id, true,
           reason != out_of_date_.end()
               ? reason->second
               : fmt::format("older than {}, on no branch", AgeText(config_.snapshot_keep))});
    }
  }

  const TableMetadata& metadata_;
  const MaintenanceConfig& config_;
  const ExpiryContext& context_;
  const History history_;
  ExpiryPlan plan_;
  std::set<std::string> gone_refs_;
  std::unordered_map<int64_t, std::string> kept_;
  std::unordered_map<int64_t, std::string> out_of_date_;  // on a branch; may be kept all the same
};

/// The oldest first, so that what one commit leaves to the next is whole.
std::set<int64_t> RemovedIds(const TableMetadata& metadata, const ExpiryContext& context,
                             ExpiryPlan* plan) {
  std::vector<const Snapshot*> expiring;
  for (size_t i = 0; i < plan->snapshots.size(); ++i) {
    if (plan->snapshots[i].expires) expiring.push_back(metadata.snapshots[i].get());
  }
  std::stable_sort(expiring.begin(), expiring.end(), [](const Snapshot* a, const Snapshot* b) {
    return std::pair(a->sequence_number, a->timestamp_ms) <
           std::pair(b->sequence_number, b->timestamp_ms);
  });
  plan->more = expiring.size() > context.max_snapshots;
  if (plan->more) expiring.resize(context.max_snapshots);
  std::set<int64_t> ids;
  for (const Snapshot* snapshot : expiring) {
    ids.insert(snapshot->snapshot_id);
    plan->expired.snapshots.push_back(
        {snapshot->snapshot_id, snapshot->manifest_list, snapshot->manifests});
  }
  return ids;
}

/// Statistics of snapshots that go, or went long ago. A file that another one still has stays.
template <typename File, typename Update>
void RemoveStatistics(const std::vector<File>& statistics, const std::set<int64_t>& staying,
                      const std::set<std::string>& named, ExpiryPlan* plan) {
  for (const File& file : statistics) {
    if (staying.contains(file.snapshot_id)) continue;
    plan->request.updates.emplace_back(Update{file.snapshot_id});
    if (!named.contains(file.statistics_path))
      plan->expired.statistics.push_back({file.statistics_path, file.file_size_in_bytes});
  }
}

void RemoveAllStatistics(const TableMetadata& metadata, const std::set<int64_t>& staying,
                         ExpiryPlan* plan) {
  std::set<std::string> named;
  for (const auto& file : metadata.statistics) {
    if (staying.contains(file.snapshot_id)) named.insert(file.statistics_path);
  }
  for (const auto& file : metadata.partition_statistics) {
    if (staying.contains(file.snapshot_id)) named.insert(file.statistics_path);
  }
  RemoveStatistics<iceberg::StatisticsFile, update::RemoveStatistics>(metadata.statistics, staying,
                                                                      named, plan);
  RemoveStatistics<iceberg::PartitionStatisticsFile, update::RemovePartitionStatistics>(
      metadata.partition_statistics, staying, named, plan);
}

bool HasColumn(const TableMetadata& metadata, const std::set<int32_t>& schemas, int32_t column) {
  return std::any_of(metadata.schemas.begin(), metadata.schemas.end(), [&](const auto& schema) {
    return schemas.contains(schema->schema_id()) && schema->FindField(column) != nullptr;
  });
}

/// A spec or sort order over a column that only an old schema has keeps that schema.
void KeepSchemasOfSpecs(const TableMetadata& metadata, std::set<int32_t>* used) {
  for (const auto& spec : metadata.partition_specs) {
    for (const auto& field : spec->fields) {
      for (int32_t column : field.source_ids) {
        if (HasColumn(metadata, *used, column)) continue;
        for (const auto& schema : metadata.schemas) {
          if (schema->FindField(column) != nullptr) used->insert(schema->schema_id());
        }
      }
    }
  }
}

void RemoveSchemas(const TableMetadata& metadata, const std::set<int64_t>& staying,
                   ExpiryPlan* plan) {
  std::set<int32_t> used = {metadata.current_schema_id};
  for (const auto& snapshot : metadata.snapshots) {
    if (!staying.contains(snapshot->snapshot_id)) continue;
    if (!snapshot->schema_id) return;  // it may be any
    used.insert(*snapshot->schema_id);
  }
  KeepSchemasOfSpecs(metadata, &used);
  for (const auto& schema : metadata.schemas) {
    if (!used.contains(schema->schema_id())) plan->schemas.push_back(schema->schema_id());
  }
  if (!plan->schemas.empty())
    plan->request.updates.emplace_back(update::RemoveSchemas{plan->schemas});
}

void AddRequirements(const TableMetadata& metadata, ExpiryPlan* plan) {
  plan->request.requirements.emplace_back(requirement::AssertTableUuid{metadata.table_uuid});
  for (const auto& [name, ref] : metadata.refs) {
    plan->request.requirements.emplace_back(
        requirement::AssertRefSnapshotId{name, ref.snapshot_id});
  }
}

std::string WhyNot(const TableMetadata& metadata, const MaintenanceConfig& config) {
  if (!config.gc_enabled) return "gc.enabled is false";
  if (metadata.snapshots.empty()) return "the table has no snapshots";
  return "";
}

}  // namespace

bool MadeByTableService(const Snapshot& snapshot) {
  const std::string_view producer = SummaryOf(snapshot, kProducerKey);
  return !producer.empty() && producer != "INGESTION";
}

ExpiryPlan PlanSnapshotExpiry(const TableMetadata& metadata, const MaintenanceConfig& config,
                              const ExpiryContext& context) {
  ExpiryPlan plan;
  plan.nothing = WhyNot(metadata, config);
  if (!plan.nothing.empty()) return plan;
  plan = Decider(metadata, config, context).Decide();
  for (const RefDecision& ref : plan.refs) {
    if (ref.expires) plan.request.updates.emplace_back(update::RemoveSnapshotRef{ref.name});
  }
  const std::set<int64_t> removed = RemovedIds(metadata, context, &plan);
  std::set<int64_t> staying;
  for (const auto& snapshot : metadata.snapshots) {
    if (!removed.contains(snapshot->snapshot_id)) staying.insert(snapshot->snapshot_id);
  }
  RemoveAllStatistics(metadata, staying, &plan);
  if (!removed.empty()) {
    plan.request.updates.emplace_back(
        update::RemoveSnapshots{std::vector<int64_t>(removed.begin(), removed.end())});
  }
  if (config.clean_schemas) RemoveSchemas(metadata, staying, &plan);
  if (plan.request.updates.empty()) plan.nothing = "every snapshot is to stay";
  AddRequirements(metadata, &plan);
  return plan;
}

std::vector<int64_t> HeldSnapshots(const TableMetadata& metadata,
                                   const std::vector<SnapshotHold>& holds) {
  const History history(metadata);
  std::set<int64_t> ids;
  for (const auto& hold : holds) {
    ids.insert(hold.snapshot_ids.begin(), hold.snapshot_ids.end());
    history.VisitHeld(metadata, hold,
                      [&](const Snapshot& snapshot) { ids.insert(snapshot.snapshot_id); });
  }
  return {ids.begin(), ids.end()};
}

bool IsHeldBranch(const TableMetadata& metadata, const std::vector<SnapshotHold>& holds,
                  const std::string& name) {
  const auto ref = metadata.refs.find(name);
  if (ref == metadata.refs.end() || !IsBranch(ref->second)) return false;
  return History::HoldOf(History(metadata).Ancestors(ref->second), holds) != nullptr;
}

void WriteExpiredSnapshots(const ExpiredSnapshots& expired, JsonWriter* out) {
  out->BeginObject().Key("snapshots").BeginArray();
  for (const auto& snapshot : expired.snapshots) {
    out->BeginObject().Field("id", snapshot.snapshot_id);
    if (!snapshot.manifest_list.empty()) out->Field("manifest-list", snapshot.manifest_list);
    if (!snapshot.manifests.empty()) {
      out->Key("manifests").BeginArray();
      for (const auto& path : snapshot.manifests) out->String(path);
      out->EndArray();
    }
    out->EndObject();
  }
  out->EndArray().Key("statistics").BeginArray();
  for (const auto& file : expired.statistics)
    out->BeginObject().Field("path", file.path).Field("bytes", file.bytes).EndObject();
  out->EndArray().EndObject();
}

Result<ExpiredSnapshots> ExpiredSnapshotsFromJson(const JsonCursor& json) {
  ExpiredSnapshots expired;
  MORAINE_ASSIGN(const JsonCursor snapshots, json.Get("snapshots"));
  MORAINE_TRY(snapshots.ExpectArray());
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const JsonCursor item = snapshots.At(i);
    ExpiredSnapshots::Removed removed;
    MORAINE_ASSIGN(removed.snapshot_id, item.Int64("id"));
    MORAINE_ASSIGN(auto list, item.OptString("manifest-list"));
    removed.manifest_list = std::move(list).value_or("");
    MORAINE_ASSIGN(auto manifests, item.Find("manifests"));
    for (size_t k = 0; manifests && k < manifests->size(); ++k) {
      MORAINE_ASSIGN(std::string path, manifests->At(k).String());
      removed.manifests.push_back(std::move(path));
    }
    expired.snapshots.push_back(std::move(removed));
  }
  MORAINE_ASSIGN(const JsonCursor statistics, json.Get("statistics"));
  MORAINE_TRY(statistics.ExpectArray());
  for (size_t i = 0; i < statistics.size(); ++i) {
    const JsonCursor item = statistics.At(i);
    ExpiredSnapshots::Statistics file;
    MORAINE_ASSIGN(file.path, item.String("path"));
    MORAINE_ASSIGN(file.bytes, item.Int64("bytes"));
    expired.statistics.push_back(std::move(file));
  }
  return expired;
}

}  // namespace moraine::upkeep
