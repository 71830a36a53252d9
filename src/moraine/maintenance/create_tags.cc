#include "moraine/maintenance/create_tags.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/time_zone.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/upkeep/auto_tags.h"

namespace moraine::maintenance {
namespace {

class CreateTags final : public Action {
 public:
  upkeep::Action action() const override { return upkeep::Action::kCreateTags; }

  Result<Step> Start(Call&, const RunContext& context) override {
    if (auto why = WhyLeftAlone(*context.table, "tag.auto-create.enabled"); !why.empty())
      return Step(Nothing{std::move(why), {}, kNever});
    const auto& metadata = *context.table->metadata;
    MORAINE_ASSIGN(const TimeZonePtr zone, zones_.Find(context.config.tag_zone));
    MORAINE_ASSIGN(const auto decision,
                   upkeep::DecideTag(metadata, context.config, *zone, context.now_ms));
    if (!decision.ref) return Step(Nothing{decision.reason, {}, decision.next_ms});
    Json details = Json::MakeObject();
    details.Set("name", decision.name).Set("snapshot-id", decision.ref->snapshot_id);
    if (context.dry_run) {
      Done done;
      done.summary = fmt::format("would make the {}", decision.reason);
      done.details = details.ToString();
      return Step(std::move(done));
    }
    details.Set("summary", decision.reason);
    TableChange change;
    change.change = upkeep::TagCommit(metadata, decision);
    change.state = details.ToString();
    change.progress = decision.reason;
    return Step(std::move(change));
  }

  Result<Step> Continue(Call&, const RunContext& context, const std::vector<TaskResult>&) override {
    MORAINE_ASSIGN(const Json state, Json::Parse(context.state));
    Done done;
    MORAINE_ASSIGN(done.summary, JsonCursor(state).String("summary"));
    done.details = context.state;
    return Step(std::move(done));
  }

 private:
  TimeZones zones_;
};

}  // namespace

std::unique_ptr<Action> MakeCreateTags() { return std::make_unique<CreateTags>(); }

}  // namespace moraine::maintenance
