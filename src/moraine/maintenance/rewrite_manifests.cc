#include "moraine/maintenance/rewrite_manifests.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/upkeep/manifest_rewrite.h"

namespace moraine::maintenance {
namespace {

constexpr std::string_view kReadsAfter = "reads-after";

class RewriteManifests final : public FindAndCommit {
 public:
  upkeep::Action action() const override { return upkeep::Action::kRewriteManifests; }

 protected:
  Result<Look> Decide(Call& call, const RunContext& context) const override {
    const auto& metadata = *context.table->metadata;
    const iceberg::Snapshot* snapshot = metadata.CurrentSnapshot();
    if (snapshot == nullptr) return Look{{}, "the table has no snapshot"};
    MORAINE_ASSIGN(const auto manifests,
                   iceberg::LoadManifests(call, *context.files, metadata, *snapshot));
    const auto last = Remembered(context, kReadsAfter);
    const double reads = last && last->is_number() ? last->number().value_or(0) : 0;
    auto decision = upkeep::DecideManifestRewrite(metadata, manifests, reads);
    if (decision.manifests.empty()) return Look{{}, std::move(decision.reason)};
    NewTask task;
    task.kind = upkeep::kWriteManifests;
    task.input_files = decision.files;
    task.input_bytes = decision.bytes;
    task.folder = iceberg::MetadataFolder(metadata);
    std::string what = fmt::format("{} manifests to be written in order: {}",
                                   decision.manifests.size(), decision.reason);
    task.body = upkeep::ToBody(upkeep::ManifestRewriteTask{
        {context.table->metadata_location, snapshot->snapshot_id}, std::move(decision.manifests)});
    return Look{std::move(task), std::move(what)};
  }

  Result<Found> Read(const RunContext&, const TaskResult& result) const override {
    MORAINE_ASSIGN(const auto rewritten, upkeep::RewrittenManifestsOf(result.output));
    Found found;
    found.snapshot_id = rewritten.snapshot_id;
    found.changes = upkeep::ReplaceManifests(rewritten);
    found.what = fmt::format(
        "{} manifests by {}: a filter on one partition reads {:.1f} now, {:.1f} before;",
        rewritten.replaced.size(), rewritten.written.size(), rewritten.reads_after,
        rewritten.reads_before);
    found.details.Set("manifests-before", static_cast<int64_t>(rewritten.replaced.size()));
    found.details.Set("manifests-after", static_cast<int64_t>(rewritten.written.size()));
    found.details.Set("files", rewritten.files);
    found.details.Set("manifests-per-partition-before", rewritten.reads_before);
    found.details.Set("manifests-per-partition-after", rewritten.reads_after);
    Json note = Json::MakeObject();
    note.Set(std::string(kReadsAfter), rewritten.reads_after);
    found.note = note.ToString();
    return found;
  }

  std::string_view property() const override { return "rewrite-manifests.enabled"; }
  std::string_view done_word() const override { return "replaced"; }
  /// Writing them is the task's work: it would leave files behind.
  std::optional<Done> DryRun(const RunContext&, const Look& look) const override {
    Done done;
    done.summary = look.reason;
    return done;
  }
};

}  // namespace

std::unique_ptr<Action> MakeRewriteManifests() { return std::make_unique<RewriteManifests>(); }

}  // namespace moraine::maintenance
