#include "moraine/maintenance/clean_dangling_deletes.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/find_and_commit.h"
#include "moraine/upkeep/dangling_deletes.h"

namespace moraine::maintenance {
namespace {

class CleanDanglingDeletes final : public FindAndCommit {
 public:
  upkeep::Action action() const override { return upkeep::Action::kCleanDanglingDeletes; }

 protected:
  Result<Look> Decide(Call& call, const RunContext& context) const override {
    const auto& metadata = *context.table->metadata;
    if (!context.config.gc_enabled) return Look{{}, "gc.enabled is false"};
    MORAINE_ASSIGN(std::string why, upkeep::NoDeletesReason(call, *context.files, metadata));
    if (!why.empty()) return Look{{}, std::move(why)};
    NewTask task;
    task.kind = upkeep::kFindDanglingDeletes;
    task.body = upkeep::ToBody(upkeep::DanglingDeletesTask{
        .place = {context.table->metadata_location, metadata.current_snapshot_id}});
    return Look{std::move(task), "looking for deletes that apply to nothing"};
  }

  Result<Found> Read(const RunContext& context, const TaskResult& result) const override {
    MORAINE_ASSIGN(const auto dangling,
                   upkeep::DanglingDeletesOf(result.output, *context.table->metadata));
    Found found;
    found.snapshot_id = dangling.snapshot_id;
    found.details.Set("delete-files", dangling.delete_files);
    found.details.Set("dangling", static_cast<int64_t>(dangling.files.size()));
    found.details.Set("data-files-read", dangling.data_files);
    if (dangling.files.empty()) return found;
    found.changes = upkeep::RemoveDanglingDeletes(dangling);
    found.files_removed = static_cast<int64_t>(dangling.files.size());
    found.bytes_removed = dangling.bytes;
    found.more = dangling.more;
    found.what = fmt::format("{} of {} delete files, which applied to nothing,",
                             dangling.files.size(), dangling.delete_files);
    return found;
  }

  std::string_view property() const override { return "clean-dangling-delete-files.enabled"; }
};

}  // namespace

std::unique_ptr<Action> MakeCleanDanglingDeletes() {
  return std::make_unique<CleanDanglingDeletes>();
}

}  // namespace moraine::maintenance
