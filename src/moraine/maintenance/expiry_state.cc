#include "moraine/maintenance/expiry_state.h"

#include <utility>

#include "moraine/base/json.h"

namespace moraine::maintenance {
namespace {

constexpr std::string_view kStages[] = {"tried-out", "removed", "looking", "deleting"};

struct Number {
  std::string_view name;
  int64_t ExpiryState::*value;
};
constexpr Number kNumbers[] = {{"listed-ms", &ExpiryState::listed_ms},
                               {"snapshots", &ExpiryState::snapshots},
                               {"refs", &ExpiryState::refs},
                               {"deleted-files", &ExpiryState::deleted_files},
                               {"deleted-bytes", &ExpiryState::deleted_bytes},
                               {"failed", &ExpiryState::failed},
                               {"kept", &ExpiryState::kept},
                               {"elsewhere", &ExpiryState::elsewhere}};

Result<ExpiryStage> StageOf(const JsonCursor& json) {
  MORAINE_ASSIGN(const std::string name, json.String("stage"));
  for (size_t i = 0; i < std::size(kStages); ++i) {
    if (kStages[i] == name) return static_cast<ExpiryStage>(i);
  }
  return json.Error("stage: unknown");
}

}  // namespace

std::string ExpiryStateToJson(const ExpiryState& state) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("stage", kStages[static_cast<size_t>(state.stage)]);
  upkeep::WriteExpiredSnapshots(state.expired, &out.Key("expired"));
  out.Field("more", state.more).Field("base", state.base_location);
  if (state.deletion) out.Key("deletion").Raw(DeletionRoundsToJson(*state.deletion));
  for (const Number& number : kNumbers) out.Field(number.name, state.*number.value);
  out.Key("failures").Raw(FileFailuresToJson(state.failures));
  out.Key("decisions").Raw(state.decisions);
  out.EndObject();
  return text;
}

Result<ExpiryState> ExpiryStateFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  ExpiryState state;
  MORAINE_ASSIGN(state.stage, StageOf(json));
  MORAINE_ASSIGN(const JsonCursor expired, json.Get("expired"));
  MORAINE_ASSIGN(state.expired, upkeep::ExpiredSnapshotsFromJson(expired));
  MORAINE_ASSIGN(state.more, json.Bool("more"));
  MORAINE_ASSIGN(state.base_location, json.String("base"));
  MORAINE_ASSIGN(const auto deletion, json.Find("deletion"));
  if (deletion) {
    MORAINE_ASSIGN(state.deletion, DeletionRoundsFromJson(*deletion));
  }
  for (const Number& number : kNumbers) {
    MORAINE_ASSIGN(state.*number.value, json.Int64(number.name));
  }
  MORAINE_ASSIGN(state.failures, FileFailuresFromJson(json, "failures"));
  MORAINE_ASSIGN(const JsonCursor decisions, json.Get("decisions"));
  state.decisions = decisions.json().ToString();
  return state;
}

}  // namespace moraine::maintenance
