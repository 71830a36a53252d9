#include "moraine/planning/branch.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

namespace moraine::planning {

Result<iceberg::TablePtr> AtBranch(const iceberg::TablePtr& table, const std::string& branch) {
  if (branch == iceberg::kMainBranch) return table;
  const auto ref = table->refs.find(branch);
  if (ref == table->refs.end())
    return NotFound(fmt::format("the table has no branch {}", branch.substr(0, 200)));
  if (ref->second.type != iceberg::SnapshotRef::Type::kBranch)
    return InvalidArgument(
        fmt::format("{} is a tag: tags are not rewritten, branches are", branch));
  if (table->FindSnapshot(ref->second.snapshot_id) == nullptr)
    return Corruption(fmt::format("the branch {} names no snapshot of the table", branch));
  auto view = std::make_shared<iceberg::TableMetadata>(*table);
  view->current_snapshot_id = ref->second.snapshot_id;
  return iceberg::TablePtr(std::move(view));
}

}  // namespace moraine::planning
