#include "moraine/maintenance/statistics_state.h"

#include <utility>

#include "moraine/base/json.h"

namespace moraine::maintenance {
namespace {

using iceberg::StatisticsFile;

constexpr std::string_view kStages[] = {"reading", "merging", "committed", "deleting"};

Result<StatisticsStage> StageOf(const JsonCursor& json) {
  MORAINE_ASSIGN(const std::string name, json.String("stage"));
  for (size_t i = 0; i < std::size(kStages); ++i) {
    if (kStages[i] == name) return static_cast<StatisticsStage>(i);
  }
  return json.Error("stage: unknown");
}

void WriteFile(std::string_view key, const std::optional<StatisticsFile>& file, JsonWriter* out) {
  if (file) iceberg::WriteStatisticsFile(*file, &out->Key(key));
}

Result<std::optional<StatisticsFile>> FileOf(const JsonCursor& json, std::string_view key) {
  std::optional<StatisticsFile> file;
  MORAINE_ASSIGN(const auto found, json.Find(key));
  if (found) {
    MORAINE_ASSIGN(file, iceberg::StatisticsFileFromJson(*found));
  }
  return file;
}

}  // namespace

std::string StatisticsStateToJson(const StatisticsState& state) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("stage", kStages[static_cast<size_t>(state.stage)]);
  out.Field("snapshot-id", state.snapshot_id).Key("columns").BeginArray();
  for (const int32_t column : state.columns) out.Int(column);
  out.EndArray().Field("files", state.files).Field("rows", state.rows);
  out.Key("types").BeginArray();
  for (const std::string& type : state.types) out.String(type);
  out.EndArray().Field("kept", state.kept).Field("note", state.note);
  WriteFile("base", state.base, &out);
  WriteFile("written", state.written, &out);
  WriteFile("replaced", state.replaced, &out);
  if (state.deletion) out.Key("deletion").Raw(DeletionRoundsToJson(*state.deletion));
  out.EndObject();
  return text;
}

Result<StatisticsState> StatisticsStateFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  StatisticsState state;
  MORAINE_ASSIGN(state.stage, StageOf(json));
  MORAINE_ASSIGN(state.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(const JsonCursor columns, json.Get("columns"));
  MORAINE_TRY(columns.ExpectArray());
  for (size_t i = 0; i < columns.size(); ++i) {
    MORAINE_ASSIGN(const int32_t column, columns.At(i).Int32());
    state.columns.push_back(column);
  }
  MORAINE_ASSIGN(const JsonCursor types, json.Get("types"));
  MORAINE_TRY(types.ExpectArray());
  if (types.size() != columns.size()) return types.Expected("one for each column");
  for (size_t i = 0; i < types.size(); ++i) {
    MORAINE_ASSIGN(std::string type, types.At(i).String());
    state.types.push_back(std::move(type));
  }
  MORAINE_ASSIGN(state.note, json.String("note"));
  MORAINE_ASSIGN(state.files, json.Int64("files"));
  MORAINE_ASSIGN(state.rows, json.Int64("rows"));
  MORAINE_ASSIGN(state.kept, json.String("kept"));
  MORAINE_ASSIGN(state.base, FileOf(json, "base"));
  MORAINE_ASSIGN(state.written, FileOf(json, "written"));
  MORAINE_ASSIGN(state.replaced, FileOf(json, "replaced"));
  MORAINE_ASSIGN(const auto deletion, json.Find("deletion"));
  if (deletion) {
    MORAINE_ASSIGN(state.deletion, DeletionRoundsFromJson(*deletion));
  }
  return state;
}

}  // namespace moraine::maintenance
