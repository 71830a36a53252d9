#include "moraine/maintenance/expire_data.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/upkeep/data_expiry.h"

namespace moraine::maintenance {
namespace {

class ExpireData final : public FindAndCommit {
 public:
  upkeep::Action action() const override { return upkeep::Action::kExpireData; }

 protected:
  Result<Look> Decide(Call&, const RunContext& context) const override {
    const auto& metadata = *context.table->metadata;
    MORAINE_ASSIGN(auto decision,
                   upkeep::DecideDataExpiry(metadata, context.config, context.now_ms));
    if (!decision.is_due) return Look{{}, std::move(decision.reason)};
    // The same was asked of the same snapshot before.
    const auto seen = Remembered(context, "snapshot");
    const auto asked = Remembered(context, kAsked);
    const bool is_same = seen && seen->is_number() && seen->int64() == metadata.current_snapshot_id;
    if (is_same && !context.dry_run && asked == Json(Question(context, decision.threshold_ms)))
      return Look{{}, "nothing was committed since the last look"};
    upkeep::DataExpiryTask wanted;
    wanted.place = {context.table->metadata_location, metadata.current_snapshot_id};
    wanted.field = upkeep::ExpiryFieldOf(context.config);
    wanted.level = context.config.data_expire_level;
    wanted.threshold_ms = decision.threshold_ms;
    wanted.dry_run = context.dry_run;
    NewTask task;
    task.kind = upkeep::kFindExpiredData;
    task.body = upkeep::ToBody(wanted);
    task.folder = upkeep::RowDeletesFolder(metadata);
    return Look{std::move(task), std::move(decision.reason)};
  }

  Result<Found> Read(const RunContext& context, const TaskResult& result) const override {
    MORAINE_ASSIGN(const auto expired,
                   upkeep::ExpiredDataOf(result.output, *context.table->metadata));
    Found found;
    found.snapshot_id = expired.snapshot_id;
    found.details = DetailsOf(expired);
    Json note = Json::MakeObject();
    note.Set(std::string(kAsked), Question(context, expired.threshold_ms));
    found.note = note.ToString();
    if (expired.files_without_time > 0) {
      const bool is_one = expired.files_without_time == 1;
      found.unseen =
          fmt::format("{} data {}, as {} does not tell how old {} rows are",
                      expired.files_without_time, is_one ? "file stays" : "files stay",
                      context.config.data_expire_field.substr(0, 100), is_one ? "its" : "their");
    }
    if (expired.data.empty() && expired.rows_deleted == 0) return found;
    found.changes = upkeep::RemoveExpiredData(expired);
    found.files_removed = static_cast<int64_t>(expired.data.size() + expired.deletes.size());
    found.bytes_removed = expired.bytes;
    found.more = expired.more;
    found.what =
        fmt::format("{} rows in {} data files of {} partitions ({})", expired.rows,
                    expired.data.size(), expired.partitions_count, FormatByteSize(expired.bytes));
    if (expired.rows_deleted > 0) {
      found.what += fmt::format(", and {} rows of {} files that stay", expired.rows_deleted,
                                expired.files_with_deleted_rows);
    }
    return found;
  }

  std::string_view property() const override { return "data-expire.enabled"; }
  /// What is young grows old without a commit.
  bool remembers() const override { return false; }
  std::string Wish(const RunContext& context) const override {
    const auto& config = context.config;
    return fmt::format("{}|{}|{}|{}", Question(context, 0), config.expire_data,
                       config.data_retention.count(), static_cast<int>(config.data_expire_base));
  }

 private:
  static constexpr std::string_view kAsked = "asked";
  static std::string Question(const RunContext& context, int64_t threshold_ms) {
    const auto& config = context.config;
    return fmt::format("{}|{}|{}|{}|{}|{}", config.data_expire_field,
                       config.data_expire_string_pattern, config.data_expire_seconds,
                       config.data_expire_zone, static_cast<int>(config.data_expire_level),
                       threshold_ms);
  }
  static Json DetailsOf(const upkeep::ExpiredData& expired) {
    Json partitions = Json::MakeArray();
    for (const auto& part : expired.partitions) {
      Json one = Json::MakeObject();
      one.Set("partition", part.name).Set("files", part.files).Set("rows", part.rows);
      partitions.Push(std::move(one.Set("bytes", part.bytes)));
    }
    Json details = Json::MakeObject();
    details.Set("data-files", static_cast<int64_t>(expired.data.size()));
    details.Set("delete-files", static_cast<int64_t>(expired.deletes.size()));
    details.Set("rows-deleted", expired.rows_deleted);
    details.Set("rows", expired.rows).Set("bytes", expired.bytes);
    details.Set("partitions-count", expired.partitions_count);
    details.Set("files-without-time", expired.files_without_time);
    details.Set("partitions", std::move(partitions));
    return details;
  }
};

}  // namespace

std::unique_ptr<Action> MakeExpireData() { return std::make_unique<ExpireData>(); }

}  // namespace moraine::maintenance
