#include "moraine/catalog/rollback.h"

#include <fmt/format.h>

namespace moraine::catalog {
namespace {

namespace update = iceberg::update;
namespace requirement = iceberg::requirement;

using iceberg::CommitRequest;
using iceberg::kLastAdded;
using iceberg::kMainBranch;
using iceberg::kNoSnapshot;
using iceberg::Snapshot;
using iceberg::SnapshotRef;
using iceberg::TableMetadata;

/// The first snapshot, from the head back, that is asked for; nullptr without one.
template <typename Asked>
const Snapshot* FirstAncestor(const TableMetadata& table, int64_t head, Asked&& asked) {
  const Snapshot* snapshot = table.FindSnapshot(head);
  // Broken metadata may have a circle.
  for (size_t steps = 0; snapshot != nullptr && steps <= table.snapshots.size(); ++steps) {
    if (asked(*snapshot)) return snapshot;
    if (!snapshot->parent_snapshot_id) return nullptr;
    snapshot = table.FindSnapshot(*snapshot->parent_snapshot_id);
  }
  return nullptr;
}

Result<int64_t> SnapshotAt(const TableMetadata& now, const SnapshotRef& head,
                           const std::string& branch, const RollbackTarget& target) {
  if (target.timestamp_ms) {
    const Snapshot* found = FirstAncestor(now, head.snapshot_id, [&](const Snapshot& snapshot) {
      return snapshot.timestamp_ms <= *target.timestamp_ms;
    });
    if (found != nullptr) return found->snapshot_id;
    return NotFound(
        fmt::format("no snapshot of the branch {} is that old, and still there", branch));
  }
  const int64_t wanted = target.snapshot_id.value_or(kNoSnapshot);
  if (now.FindSnapshot(wanted) == nullptr) {
    return NotFound(fmt::format("the table has no snapshot {} (any more)", wanted));
  }
  const bool ancestor = FirstAncestor(now, head.snapshot_id, [&](const Snapshot& snapshot) {
                          return snapshot.snapshot_id == wanted;
                        }) != nullptr;
  if (ancestor || target.any_snapshot) return wanted;
  return Conflict(
      fmt::format("the head of the branch {} does not come from the snapshot {}: with force it is "
                  "set all the same",
                  branch, wanted));
}

std::optional<int64_t> IdOf(const Snapshot* snapshot) {
  return snapshot == nullptr ? std::nullopt : std::optional<int64_t>(snapshot->snapshot_id);
}

Status AddSnapshotUpdates(const TableMetadata& now, const TableMetadata& then,
                          CommitRequest* request) {
  const Snapshot* before = then.CurrentSnapshot();
  if (IdOf(before) == IdOf(now.CurrentSnapshot())) return {};
  if (before == nullptr) {
    request->updates.push_back(update::RemoveSnapshotRef{kMainBranch});
    return {};
  }
  if (now.FindSnapshot(before->snapshot_id) == nullptr) {
    return Conflict(
        fmt::format("the snapshot {} of that version has been expired: its files may be "
                    "gone",
                    before->snapshot_id));
  }
  SnapshotRef main;
  if (auto found = now.refs.find(kMainBranch); found != now.refs.end()) main = found->second;
  main.snapshot_id = before->snapshot_id;
  request->updates.push_back(update::SetSnapshotRef{kMainBranch, std::move(main)});
  return {};
}

void AddShapeUpdates(const TableMetadata& now, const TableMetadata& then, CommitRequest* request) {
  auto& updates = request->updates;
  // What is there already is found again, and gets no second id.
  if (!now.CurrentSchema().SameAs(then.CurrentSchema())) {
    updates.push_back(update::AddSchema{then.CurrentSchema(), std::nullopt});
    updates.push_back(update::SetCurrentSchema{kLastAdded});
  }
  if (!now.DefaultSpec().CompatibleWith(then.DefaultSpec())) {
    updates.push_back(update::AddPartitionSpec{then.DefaultSpec()});
    updates.push_back(update::SetDefaultSpec{kLastAdded});
  }
  if (!now.DefaultSortOrder().SameAs(then.DefaultSortOrder())) {
    updates.push_back(update::AddSortOrder{then.DefaultSortOrder()});
    updates.push_back(update::SetDefaultSortOrder{kLastAdded});
  }
}

void AddPropertyUpdates(const TableMetadata& now, const TableMetadata& then,
                        CommitRequest* request) {
  update::SetProperties set;
  update::RemoveProperties removed;
  for (const auto& [key, value] : then.properties) {
    auto found = now.properties.find(key);
    if (found == now.properties.end() || found->second != value) set.properties[key] = value;
  }
  for (const auto& [key, value] : now.properties) {
    if (!then.properties.contains(key)) removed.keys.push_back(key);
  }
  if (!set.properties.empty()) request->updates.push_back(std::move(set));
  if (!removed.keys.empty()) request->updates.push_back(std::move(removed));
}

}  // namespace

Result<CommitRequest> PlanSnapshotRollback(const TableMetadata& now, const RollbackTarget& target) {
  const std::string branch = target.branch.empty() ? kMainBranch : target.branch;
  auto head = now.refs.find(branch);
  if (head == now.refs.end()) {
    return NotFound(fmt::format("the table has no branch {}", branch));
  }
  if (head->second.type == SnapshotRef::Type::kTag) {
    return InvalidArgument(fmt::format("branch: {} is a tag", branch));
  }
  MORAINE_ASSIGN(int64_t snapshot_id, SnapshotAt(now, head->second, branch, target));
  CommitRequest request;
  request.requirements = {requirement::AssertTableUuid{now.table_uuid},
                          requirement::AssertRefSnapshotId{branch, head->second.snapshot_id}};
  if (snapshot_id == head->second.snapshot_id) return request;
  SnapshotRef ref = head->second;
  ref.snapshot_id = snapshot_id;
  request.updates.push_back(update::SetSnapshotRef{branch, std::move(ref)});
  return request;
}

Result<CommitRequest> PlanVersionRollback(const TableMetadata& now, const TableMetadata& then) {
  if (now.table_uuid != then.table_uuid) {
    return Conflict(fmt::format("that version is of another table: uuid {}, not {}",
                                then.table_uuid, now.table_uuid));
  }
  CommitRequest request;
  request.requirements = {
      requirement::AssertTableUuid{now.table_uuid},
      requirement::AssertRefSnapshotId{kMainBranch, IdOf(now.FindRef(kMainBranch))},
      requirement::AssertCurrentSchemaId{now.current_schema_id},
      requirement::AssertDefaultSpecId{now.default_spec_id},
      requirement::AssertDefaultSortOrderId{now.default_sort_order_id}};
  AddShapeUpdates(now, then, &request);
  MORAINE_TRY(AddSnapshotUpdates(now, then, &request));
  AddPropertyUpdates(now, then, &request);
  return request;
}

}  // namespace moraine::catalog
