#include "moraine/iceberg/view/view_update.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kNow = 5'000;

Schema OneColumn(std::string name) {
  return Schema(0,
                {{.id = 1, .name = std::move(name), .type = Type::Primitive(TypeKind::kString)}});
}

ViewVersion Version(std::string sql, std::string dialect = "spark") {
  ViewVersion version;
  version.timestamp_ms = 1'000;
  version.representations = {{.sql = std::move(sql), .dialect = std::move(dialect)}};
  version.default_namespace = {"ns"};
  return version;
}

ViewMetadata MakeView(StringMap properties = {}) {
  return MakeViewMetadata({.view_uuid = "u-1",
                           .location = "s3://b/v/",
                           .schema = OneColumn("a"),
                           .version = Version("select 1"),
                           .properties = std::move(properties),
                           .now_ms = kNow})
      .value();
}

std::vector<int32_t> IdsOf(const ViewMetadata& view) {
  std::vector<int32_t> ids;
  for (const auto& version : view.versions) ids.push_back(version.version_id);
  return ids;
}

/// The view with another text as its current version.
Result<ViewMetadata> Replace(const ViewMetadata& base, ViewVersion version) {
  return ApplyViewUpdates(
      base, {update::AddViewVersion{std::move(version)}, update::SetCurrentViewVersion{kLastAdded}},
      kNow);
}

TEST(ViewUpdate, NewViewsBeginAtOne) {
  ViewVersion version = Version("select 1");
  version.version_id = 77;
  version.schema_id = 12;
  auto view = MakeViewMetadata({.view_uuid = "u-1",
                                .location = "s3://b/v//",
                                .schema = OneColumn("a").WithId(12),
                                .version = version,
                                .now_ms = kNow})
                  .value();
  EXPECT_EQ(view.location, "s3://b/v");
  EXPECT_EQ(view.current_version_id, 1);
  EXPECT_EQ(view.CurrentVersion().schema_id, 0);
  EXPECT_THAT(view.version_log, ElementsAre(ViewLogEntry{1'000, 1}));
}

TEST(ViewUpdate, RefusesVersionsWithoutOneTextADialect) {
  auto make = [](std::vector<ViewRepresentation> representations) {
    ViewVersion version = Version("");
    version.representations = std::move(representations);
    auto made = MakeViewMetadata(
        {.view_uuid = "u", .location = "l", .schema = OneColumn("a"), .version = version});
    return std::string(made.status().message());
  };
  EXPECT_THAT(make({}), HasSubstr("expected at least one SQL text"));
  EXPECT_THAT(make({{.type = "plan"}}), HasSubstr("expected type sql, got plan"));
  EXPECT_EQ(make({{.sql = "a", .dialect = "trino"}, {.sql = "b", .dialect = "TRINO"}}),
            "Invalid view version: Cannot add multiple queries for dialect trino");
}

TEST(ViewUpdate, EqualSchemasAndVersionsAreReused) {
  auto view = MakeView();
  auto same = ApplyViewUpdates(view,
                               {update::AddSchema{OneColumn("a").WithId(9), {}},
                                update::AddViewVersion{Version("select 1")},
                                update::SetCurrentViewVersion{kLastAdded}},
                               kNow)
                  .value();
  EXPECT_EQ(same, view);
  ViewVersion next = Version("select 2");
  next.schema_id = kLastAdded;
  auto changed =
      ApplyViewUpdates(view,
                       {update::AddSchema{OneColumn("b"), {}}, update::AddViewVersion{next},
                        update::SetCurrentViewVersion{kLastAdded}},
                       kNow)
          .value();
  EXPECT_EQ(changed.CurrentVersion().schema_id, 1);
  EXPECT_EQ(changed.current_version_id, 2);
  EXPECT_THAT(changed.version_log, ElementsAre(ViewLogEntry{1'000, 1}, ViewLogEntry{1'000, 2}));
}

TEST(ViewUpdate, TwoReplacesOfOneBaseBothStay) {
  auto first = Replace(MakeView(), Version("select 2")).value();
  ViewVersion stale = Version("select 3");
  stale.version_id = 2;
  auto second = Replace(first, stale).value();
  EXPECT_THAT(IdsOf(second), ElementsAre(1, 2, 3));
  EXPECT_EQ(second.current_version_id, 3);
}

TEST(ViewUpdate, GoingBackIsLoggedWithTheTimeOfNow) {
  auto next = Replace(MakeView(), Version("select 2")).value();
  auto back = ApplyViewUpdates(next, {update::SetCurrentViewVersion{1}}, kNow).value();
  EXPECT_THAT(back.version_log,
              ElementsAre(ViewLogEntry{1'000, 1}, ViewLogEntry{1'000, 2}, ViewLogEntry{kNow, 1}));
}

TEST(ViewUpdate, ADialectIsNotLostUnasked) {
  auto view = MakeView();
  EXPECT_THAT(std::string(Replace(view, Version("select 2", "trino")).status().message()),
              HasSubstr("previous dialects: [spark], new dialects: [trino]"));
  EXPECT_TRUE(
      Replace(MakeView({{"replace.drop-dialect.allowed", "true"}}), Version("x", "trino")).ok());
  ViewVersion both = Version("select 2", "trino");
  both.representations.push_back({.sql = "select 2", .dialect = "Spark"});
  EXPECT_TRUE(Replace(view, both).ok());
}

TEST(ViewUpdate, OldVersionsGoAndTheLogAfterThem) {
  auto view = MakeView({{"version.history.num-entries", "2"}});
  view = Replace(view, Version("select 2")).value();
  view = Replace(view, Version("select 3")).value();
  EXPECT_THAT(IdsOf(view), ElementsAre(2, 3));
  EXPECT_THAT(view.version_log, ElementsAre(ViewLogEntry{1'000, 2}, ViewLogEntry{1'000, 3}));
  // The current one stays, however old.
  view = ApplyViewUpdates(view, {update::SetCurrentViewVersion{2}}, kNow).value();
  view = ApplyViewUpdates(view, {update::AddViewVersion{Version("select 4")}}, kNow).value();
  EXPECT_THAT(IdsOf(view), ElementsAre(2, 4));
  for (const char* size : {"0", "-1", "many"}) {
    auto bad = ApplyViewUpdates(
        view, {update::SetProperties{{{"version.history.num-entries", size}}}}, kNow);
    EXPECT_EQ(bad.status().code(), Code::kInvalidArgument) << size;
  }
}

TEST(ViewUpdate, RefusesWhatDoesNotExist) {
  auto view = MakeView();
  ViewVersion unknown_schema = Version("x");
  unknown_schema.schema_id = 5;
  ViewVersion no_schema_added = Version("x");
  no_schema_added.schema_id = kLastAdded;
  struct Case {
    ViewUpdate update;
    std::string_view message;
  };
  const Case cases[] = {
      {update::AddViewVersion{unknown_schema}, "Cannot add version with unknown schema: 5"},
      {update::AddViewVersion{no_schema_added}, "no schema has been added"},
      {update::SetCurrentViewVersion{kLastAdded}, "no current version id has been set"},
      {update::SetCurrentViewVersion{8}, "Cannot set current version to unknown version: 8"},
      {update::AssignUuid{"other"}, "Cannot reassign uuid: u-1 to other"},
      {update::UpgradeFormatVersion{2}, "unsupported format version: v2"},
      {update::SetLocation{""}, "Invalid location"},
  };
  for (const auto& c : cases) {
    auto applied = ApplyViewUpdates(view, {c.update}, kNow);
    EXPECT_EQ(applied.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(std::string(applied.status().message()), HasSubstr(std::string(c.message)));
  }
  EXPECT_TRUE(ApplyViewUpdates(view, {update::AssignUuid{"U-1"}}, kNow).ok());
}

Result<ViewCommitRequest> Read(std::string_view text) {
  auto json = Json::Parse(text).value();
  return ViewCommitRequestFromJson(JsonCursor(json));
}

TEST(ViewUpdate, ReadsCommitsOfTheProtocol) {
  auto request = Read(R"({"requirements":[{"type":"assert-view-uuid","uuid":"U-1"}],"updates":[
    {"action":"add-schema","schema":{"type":"struct","schema-id":1,"fields":[]}},
    {"action":"add-view-version","view-version":{"version-id":2,"timestamp-ms":1,"schema-id":-1,
      "summary":{},"representations":[{"type":"sql","sql":"s","dialect":"d"}],
      "default-namespace":["a"]}},
    {"action":"set-current-view-version","view-version-id":-1},
    {"action":"set-properties","updates":{"a":"b"}},
    {"action":"remove-properties","removals":["c"]},
    {"action":"set-location","location":"s3://x"}]})")
                     .value();
  EXPECT_EQ(request.updates.size(), 6u);
  EXPECT_TRUE(CheckViewRequirements(MakeView(), request).ok());
  request.asserted_uuids = {"u-2"};
  EXPECT_EQ(CheckViewRequirements(MakeView(), request).code(), Code::kConflict);
}

TEST(ViewUpdate, RefusesWhatBelongsToTables) {
  auto message = [](std::string_view text) { return std::string(Read(text).status().message()); };
  EXPECT_THAT(message(R"({"updates":[{"action":"remove-snapshots","snapshot-ids":[]}]})"),
              HasSubstr("updates[0].action: unknown update action 'remove-snapshots' of a view"));
  EXPECT_THAT(message(R"({"requirements":[{"type":"assert-create"}],"updates":[]})"),
              HasSubstr("requirements[0].type: unknown requirement type 'assert-create'"));
  EXPECT_THAT(message("{}"), HasSubstr("missing required field: updates"));
}

}  // namespace
}  // namespace moraine::iceberg
