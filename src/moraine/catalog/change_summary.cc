#include "moraine/catalog/change_summary.h"

#include <algorithm>
#include <iterator>
#include <variant>

namespace moraine::catalog {
namespace {

using iceberg::Snapshot;
using iceberg::TableMetadata;

/// In the order of iceberg::TableUpdate.
constexpr std::string_view kActions[] = {"assign-uuid",
                                         "upgrade-format-version",
                                         "add-schema",
                                         "set-current-schema",
                                         "add-spec",
                                         "set-default-spec",
                                         "add-sort-order",
                                         "set-default-sort-order",
                                         "add-snapshot",
                                         "set-snapshot-ref",
                                         "remove-snapshot-ref",
                                         "remove-snapshots",
                                         "set-location",
                                         "set-properties",
                                         "remove-properties",
                                         "set-statistics",
                                         "remove-statistics",
                                         "set-partition-statistics",
                                         "remove-partition-statistics",
                                         "remove-partition-specs",
                                         "remove-schemas",
                                         "add-encryption-key",
                                         "remove-encryption-key"};
static_assert(std::size(kActions) == std::variant_size_v<iceberg::TableUpdate>);

/// Engines put much into a summary; a row of history holds what people ask for.
constexpr const char* kKeptCounts[] = {
    "added-data-files",   "deleted-data-files", "added-delete-files", "removed-delete-files",
    "added-records",      "deleted-records",    "total-records",      "total-data-files",
    "total-delete-files", "total-files-size",   "snapshot.producer"};
constexpr size_t kMaxValueBytes = 100;

/// The current snapshot, if the commit brought it.
const Snapshot* Brought(const TableMetadata& base, const TableMetadata& next) {
  const Snapshot* current = next.CurrentSnapshot();
  bool is_new = current != nullptr && base.current_snapshot_id != next.current_snapshot_id &&
                base.FindSnapshot(current->snapshot_id) == nullptr;
  return is_new ? current : nullptr;
}

}  // namespace

iceberg::StringMap CountsOf(const Snapshot& snapshot) {
  iceberg::StringMap counts;
  for (const char* key : kKeptCounts) {
    auto found = snapshot.summary.find(key);
    if (found != snapshot.summary.end() && found->second.size() <= kMaxValueBytes) {
      counts.insert(*found);
    }
  }
  return counts;
}

iceberg::StringMap CountsOfCommit(const TableMetadata& base, const TableMetadata& next) {
  const Snapshot* brought = Brought(base, next);
  return brought == nullptr ? iceberg::StringMap() : CountsOf(*brought);
}

std::string ActionsOf(const std::vector<iceberg::TableUpdate>& updates) {
  std::string text;
  std::vector<size_t> named;
  for (const auto& update : updates) {
    if (std::find(named.begin(), named.end(), update.index()) != named.end()) continue;
    named.push_back(update.index());
    text += text.empty() ? "" : ", ";
    text += kActions[update.index()];
  }
  return text;
}

std::string DescribeUpdates(const TableMetadata& base, const TableMetadata& next,
                            const std::vector<iceberg::TableUpdate>& updates) {
  if (Brought(base, next) != nullptr) return "";
  const Snapshot* before = base.CurrentSnapshot();
  const Snapshot* current = next.CurrentSnapshot();
  bool back =
      before != nullptr && current != nullptr && current->sequence_number < before->sequence_number;
  return back ? "rollback" : ActionsOf(updates);
}

}  // namespace moraine::catalog
