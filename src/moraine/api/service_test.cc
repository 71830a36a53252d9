#include "moraine/api/service.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/api/testing/api_world.h"
#include "moraine/api/testing/lifecycle_walk.h"
#include "moraine/api/testing/maintenance_walk.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::api {
namespace {

using net::Method;
using testing::HasSubstr;

constexpr char kTable[] = "/api/v1/warehouses/w/namespaces/ns/tables/t";

class ApiTest : public testing::Test {
 protected:
  /// Every event and webhook that is described.
  void UseEvents() {
    Call call = api_.call();
    auto& engine = api_.world().engine();
    ASSERT_TRUE(engine.Rename(call, "w", {{"ns"}, "u"}, {{"ns"}, "v"}).ok());
    ASSERT_TRUE(engine.Drop(call, "w", {{"ns"}, "v"}, catalog::Catalog::Purge::kRequested).ok());
    api_.Post("/api/v1/webhooks",
              R"({"name":"n","url":"http://localhost/","warehouse":"w","namespace":["ns"],
                  "table":"t"})");
    api_.Get("/api/v1/webhooks");
    api_.Post("/api/v1/webhooks/n/test", "{}");
    api_.Get("/api/v1/events");
    api_.world().Advance(std::chrono::hours(1));
    Call later = api_.call();
    ASSERT_TRUE(engine.TrimChanges(later, ToMillis(later.clock().Wall()), 2).ok());
    EXPECT_EQ(api_.Send(Method::kGet, "/api/v1/events?after=0").status, 410);
  }

  /// Scans that filter on a column of which no file has bounds.
  void WalkAdvice() {
    constexpr char kReport[] =
        R"j({"report-type":"scan-report","projected-field-names":["data"],
            "filter":{"type":"eq","term":"data","value":"(hash-1)"},
            "metrics":{"result-data-files":{"unit":"count","value":3}}})j";
    Call call = api_.call();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(api_.world().engine().ReportMetrics(call, "w", {{"ns"}, "t"}, kReport).ok());
    }
    Json view = api_.Get(std::string(kTable) + "/advice?days=1");
    ASSERT_EQ(view.Find("advice")->as_array().size(), 1U) << view.ToString();
    const Json& advice = view.Find("advice")->as_array()[0];
    EXPECT_EQ(advice.Find("kind")->as_string(), "column-metrics");
    EXPECT_EQ(advice.Find("subject")->as_string(), "data");
    EXPECT_EQ(advice.Find("commands")->as_array()[0].as_string(),
              "moraine table set ns.t --warehouse w "
              "'write.metadata.metrics.column.data=truncate(16)'");
    EXPECT_EQ(view.Find("scans")->Find("projected")->Find("data")->int64(), 5);
  }

  /// Statistics of both kinds for the current snapshot of t.
  void UseStatistics() {
    const int64_t id = api_.world().Load("t")->metadata->current_snapshot_id;
    iceberg::StatisticsFile columns{id, "file:///a.stats", 100, 50};
    columns.blob_metadata = {{"apache-datasketches-theta-v1", id, 1, {1}, {{"ndv", "12"}}},
                             {"of-a-stranger", id, 1, {2, 9}, {{"ndv", "many"}}}};
    columns.statistics_path = api_.world().Load("t")->metadata->location + "/metadata/a.stats";
    iceberg::PartitionStatisticsFile partitions{id, columns.statistics_path + ".parquet", 70, {}};
    Call call = api_.call();
    const iceberg::CommitRequest request{{},
                                         {iceberg::update::SetStatistics{columns},
                                          iceberg::update::SetPartitionStatistics{partitions}}};
    ASSERT_TRUE(api_.world().engine().Commit(call, "w", {{"ns"}, "t"}, request, nullptr).ok());
    api_.Get(std::string(kTable) + "/statistics");
  }

  void MakeTable(int files) {
    api_.world().MakeTable("t");
    std::vector<std::string> names;
    for (int i = 0; i < files; ++i) names.push_back(fmt::format("f{}", i));
    if (files > 0) {
      ASSERT_TRUE(api_.world().Append("t", names).ok());
    }
  }
  void ExpectError(const net::Response& response, int status, std::string_view type,
                   const std::string& message) {
    EXPECT_EQ(response.status, status) << response.BodyText();
    Json error = Json::Parse(response.BodyText()).value();
    EXPECT_EQ(error.Find("error")->Find("type")->as_string(), type);
    EXPECT_EQ(error.Find("error")->Find("code")->int64(), status);
    EXPECT_THAT(error.Find("error")->Find("message")->as_string(), HasSubstr(message));
  }
  std::string Register(int threads = 1) {
    Json reply =
        api_.Post("/api/v1/optimizers",
                  fmt::format(R"({{"protocol":2,"group":"default","threads":{},)"
                              R"("memory-bytes":536870912,"host":"h","pid":7,"version":"v"}})",
                              threads));
    return reply.Find("token")->as_string();
  }
  static std::string PollBody(const std::string& token, int wait_ms) {
    return fmt::format(R"({{"token":"{}","thread":0,"wait-ms":{}}})", token, wait_ms);
  }
  static std::string KeyBody(const std::string& token, const Json& key,
                             const std::string& more = "") {
    return fmt::format(R"({{"token":"{}","task":{}{}}})", token, key.ToString(), more);
  }
  /// What a worker would report for this task, its output file on disk.
  std::string ReportBody(const std::string& token, const Json& handed) {
    auto task = tasks::RewriteTaskFromJson(handed.Find("input")->ToString()).value();
    iceberg::DataFile file;
    file.file_path = task.OutputPrefix() + "0.parquet";
    file.partition = task.partition;
    for (const auto& input : task.rewrite) {
      file.record_count += input.file.record_count;
      file.file_size_in_bytes += input.file.file_size_in_bytes;
    }
    api_.world().disk().Put(file.file_path,
                            std::string(static_cast<size_t>(file.file_size_in_bytes), 'm'), 0);
    tasks::RewriteOutput output;
    output.data_files = {file};
    return KeyBody(token, *handed.Find("task"),
                   ",\"output\":" + tasks::RewriteOutputToJson(output, task));
  }
  std::string OnlyProcess() {
    Json list = api_.Get("/api/v1/processes");
    EXPECT_EQ(list.Find("processes")->as_array().size(), 1u);
    return list.Find("processes")->as_array().at(0).Find("process-id")->as_string();
  }

  ApiWorld api_;
};

TEST_F(ApiTest, TellsOfTheServerAndItsWarehouses) {
  Json server = api_.Get("/api/v1/server");
  EXPECT_EQ(server.Find("version")->as_string(), MORAINE_VERSION);
  EXPECT_EQ(server.Find("started-ms")->int64(), server.Find("now-ms")->int64());
  api_.world().Advance(std::chrono::seconds(5));
  server = api_.Get("/api/v1/server");
  EXPECT_EQ(*server.Find("now-ms")->int64(), *server.Find("started-ms")->int64() + 5'000);
  EXPECT_EQ(
      api_.Get("/api/v1/warehouses").Find("warehouses")->as_array()[0].Find("name")->as_string(),
      "w");
}

TEST_F(ApiTest, ListsTablesInPages) {
  EXPECT_EQ(api_.Get("/api/v1/tables").ToString(), R"({"tables":[]})");
  for (const char* name : {"a", "b", "c"}) api_.world().MakeTable(name);
  std::vector<std::string> names;
  std::string token;
  int pages = 0;
  do {
    Json page = api_.Get("/api/v1/tables?limit=2" + (token.empty() ? "" : "&page-token=" + token));
    for (const auto& table : page.Find("tables")->as_array()) {
      names.push_back(table.Find("name")->as_string());
      EXPECT_EQ(table.Find("reason")->as_string(), "not looked at yet");
    }
    const Json* next = page.Find("next-page-token");
    token = next != nullptr ? next->as_string() : "";
    ++pages;
  } while (!token.empty() && pages < 5);
  EXPECT_THAT(names, testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(pages, 2);
}

TEST_F(ApiTest, ShowsATableBeforeAndAfterItWasLookedAt) {
  MakeTable(1);
  Json before = api_.Get(kTable);
  EXPECT_EQ(before.Find("health")->ToString(), "{}");
  EXPECT_EQ(before.Find("snapshots")->int64(), 1);
  EXPECT_EQ(before.Find("properties")->Find("self-optimizing.min-plan-interval")->as_string(), "0");
  api_.Settle();
  Json after = api_.Get(kTable);
  EXPECT_EQ(after.Find("health")->Find("data-files")->int64(), 1);
  EXPECT_EQ(after.Find("status")->as_string(), "idle") << after.ToString();
  Json listed = api_.Get("/api/v1/tables").Find("tables")->as_array().at(0);
  EXPECT_EQ(*listed.Find("health"), *after.Find("health"));
  EXPECT_EQ(listed.Find("status")->as_string(), "idle");
}

TEST_F(ApiTest, TellsOfADamagedTableFromItsRows) {
  MakeTable(2);
  api_.Settle();
  api_.world().disk().Remove(api_.world().Load("t")->metadata_location);
  for (int i = 0; i < 2; ++i) {
    Json table = api_.Get(kTable);
    EXPECT_EQ(table.Find("name")->as_string(), "t");
    EXPECT_EQ(table.Find("status")->as_string(), "failed");
    EXPECT_THAT(table.Find("reason")->as_string(), HasSubstr("the table can't be read"));
    EXPECT_THAT(table.Find("reason")->as_string(), HasSubstr(".metadata.json"));
    EXPECT_EQ(table.Find("health")->ToString(), "{}");
    api_.Settle();
  }
  Json listed = api_.Get("/api/v1/tables").Find("tables")->as_array().at(0);
  EXPECT_EQ(listed.Find("status")->as_string(), "failed");
}

TEST_F(ApiTest, ListsSnapshotsAndFiles) {
  MakeTable(0);
  EXPECT_EQ(api_.Get(std::string(kTable) + "/files").ToString(), R"({"files":[],"complete":true})");
  EXPECT_EQ(api_.Get(std::string(kTable) + "/snapshots").ToString(), R"({"snapshots":[]})");
  ASSERT_TRUE(api_.world().Append("t", {"a", "b"}).ok());
  ASSERT_TRUE(api_.world().Append("t", {"c"}, 2).ok());
  Json snapshots = api_.Get(std::string(kTable) + "/snapshots");
  ASSERT_EQ(snapshots.Find("snapshots")->as_array().size(), 2u);
  EXPECT_FALSE(snapshots.Find("snapshots")->as_array()[0].Find("current")->as_bool());
  EXPECT_TRUE(snapshots.Find("snapshots")->as_array()[1].Find("current")->as_bool());
  Json files = api_.Get(std::string(kTable) + "/files");
  EXPECT_EQ(files.Find("files")->as_array().size(), 3u);
  EXPECT_TRUE(files.Find("complete")->as_bool());
  std::set<std::string> partitions;
  for (const auto& file : files.Find("files")->as_array()) {
    EXPECT_EQ(file.Find("records")->int64(), 10);
    EXPECT_EQ(file.Find("bytes")->int64(), 1'000);
    partitions.insert(file.Find("partition")->as_string());
  }
  EXPECT_THAT(partitions, testing::ElementsAre("id=1", "id=2"));
  Json some = api_.Get(std::string(kTable) + "/files?limit=2");
  EXPECT_EQ(some.Find("files")->as_array().size(), 2u);
  EXPECT_FALSE(some.Find("complete")->as_bool());
  EXPECT_TRUE(api_.Get(std::string(kTable) + "/files?limit=3").Find("complete")->as_bool());
}

TEST_F(ApiTest, ShowsWhichStatisticsThereAre) {
  MakeTable(1);
  const std::string path = std::string(kTable) + "/statistics";
  EXPECT_EQ(api_.Get(path).ToString(), R"({"column-statistics":[],"partition-statistics":[]})");
  UseStatistics();
  const int64_t snapshot = api_.world().Load("t")->metadata->current_snapshot_id;
  Json answer = api_.Get(path);
  const Json& column = answer.Find("column-statistics")->as_array().at(0);
  EXPECT_EQ(column.Find("snapshot-id")->int64(), snapshot);
  const auto& counts = column.Find("columns")->as_array();
  EXPECT_EQ(counts.at(0).Find("column")->as_string(), "id");
  EXPECT_EQ(counts.at(0).Find("distinct-values")->int64(), 12);
  EXPECT_EQ(counts.at(1).Find("column")->as_string(), "data, column 9, which is gone");
  EXPECT_EQ(counts.at(1).Find("distinct-values"), nullptr);
  const Json& partition = answer.Find("partition-statistics")->as_array().at(0);
  EXPECT_THAT(partition.Find("file")->as_string(), HasSubstr("/metadata/a.stats.parquet"));
  EXPECT_EQ(partition.Find("bytes")->int64(), 70);
  EXPECT_TRUE(partition.Find("current")->as_bool());
  ASSERT_TRUE(api_.world().Append("t", {"later"}).ok());
  answer = api_.Get(path);
  EXPECT_FALSE(answer.Find("column-statistics")->as_array().at(0).Find("current")->as_bool());
  ExpectError(api_.Send(Method::kGet, "/api/v1/warehouses/w/namespaces/ns/tables/n/statistics"),
              404, "NotFound", "");
}

TEST_F(ApiTest, ListsFilesOfAVersion1SnapshotWithoutAManifestList) {
  api_.world().MakeTable("t", {{"format-version", "1"}});
  ASSERT_TRUE(api_.world().Append("t", {"a", "b"}).ok());
  auto& disk = api_.world().disk();
  Call call = api_.call();
  const catalog::TableName name{{"ns"}, "t"};
  auto table = api_.world().engine().Load(call, "w", name).value();
  iceberg::TableMetadata metadata = *table->metadata;
  ASSERT_EQ(metadata.snapshots.size(), 1u);
  iceberg::Snapshot snapshot = *metadata.snapshots[0];
  auto manifests = iceberg::ReadManifestList(call, disk, snapshot.manifest_list).value();
  snapshot.manifest_list.clear();
  for (const auto& manifest : manifests) snapshot.manifests.push_back(manifest.manifest_path);
  metadata.snapshots[0] = std::make_shared<const iceberg::Snapshot>(snapshot);
  std::string location = metadata.location + "/metadata/inline.metadata.json";
  ASSERT_TRUE(io::WriteFile(call, disk, location, iceberg::TableMetadataToJson(metadata)).ok());
  ASSERT_TRUE(api_.world().engine().RegisterOver(call, "w", name, location).ok());
  Json files = api_.Get(std::string(kTable) + "/files");
  EXPECT_EQ(files.Find("files")->as_array().size(), 2u);
  EXPECT_TRUE(files.Find("complete")->as_bool());
}

TEST_F(ApiTest, AnswersWhatIsNotThereWith404) {
  MakeTable(1);
  const std::string tables = "/api/v1/warehouses/w/namespaces/ns/tables/";
  for (const char* rest : {"", "/snapshots", "/files"}) {
    ExpectError(api_.Send(Method::kGet, tables + "nope" + rest), 404, "NotFound", "nope");
  }
  ExpectError(api_.Send(Method::kPost, tables + "nope/optimize", "{}"), 404, "NotFound", "nope");
  ExpectError(api_.Send(Method::kGet, "/api/v1/warehouses/w/namespaces/a%1Fb/tables/t"), 404,
              "NotFound", "a.b.t");
  ExpectError(api_.Send(Method::kGet, "/api/v1/warehouses/x/namespaces/ns/tables/t"), 404,
              "NotFound", "x");
  ExpectError(api_.Send(Method::kGet, "/api/v1/processes/nope"), 404, "NotFound", "nope");
  ExpectError(api_.Send(Method::kPost, "/api/v1/processes/nope/cancel", "{}"), 404, "NotFound",
              "nope");
}

TEST_F(ApiTest, RefusesLimitsThatAreNone) {
  MakeTable(1);
  for (const std::string& path : {std::string("/api/v1/tables"), std::string("/api/v1/processes"),
                                  std::string(kTable) + "/files"}) {
    for (const char* limit : {"0", "-1", "x", "", "1e3", "100000", "99999999999999999999"}) {
      ExpectError(api_.Send(Method::kGet, path + "?limit=" + limit), 400, "InvalidArgument",
                  "limit: expected a number from 1 to");
    }
    api_.Get(path + "?limit=1000");
  }
  ExpectError(api_.Send(Method::kGet, "/api/v1/processes?table-id=x"), 400, "InvalidArgument",
              "table-id: expected a whole number, got 'x'");
  ExpectError(api_.Send(Method::kGet, "/api/v1/tables?page-token=zz"), 400, "InvalidArgument",
              "page-token: not a token of this listing");
}

TEST_F(ApiTest, AMetadataFileThatIsGoneIsNo404) {
  MakeTable(1);
  std::string location = api_.Get(kTable).Find("metadata-location")->as_string();
  Call call = api_.call();
  EXPECT_TRUE(api_.world().disk().DeleteMany(call, {&location, 1})[0].ok());
  for (const char* rest : {"", "/snapshots", "/files"}) {
    ExpectError(api_.Send(Method::kGet, std::string(kTable) + rest), 500, "Corruption", location);
  }
  EXPECT_EQ(api_.Get("/api/v1/tables").Find("tables")->as_array().size(), 1u);
}

TEST_F(ApiTest, RefusalsOfTheHttpLayerHaveTheTypesOfTheDocument) {
  struct Case {
    int status;
    Code type;
  };
  for (const Case& c :
       {Case{400, Code::kInvalidArgument}, Case{401, Code::kUnauthenticated},
        Case{403, Code::kPermissionDenied}, Case{404, Code::kNotFound},
        Case{405, Code::kUnsupported}, Case{406, Code::kUnsupported}, Case{408, Code::kDeadline},
        Case{413, Code::kInvalidArgument}, Case{415, Code::kInvalidArgument},
        Case{421, Code::kPermissionDenied}, Case{429, Code::kExhausted},
        Case{431, Code::kInvalidArgument}, Case{500, Code::kInternal},
        Case{501, Code::kUnsupported}, Case{503, Code::kUnavailable}, Case{504, Code::kDeadline}}) {
    net::Refusal refusal{c.status, "because", {}};
    refusal.headers.Add("Allow", "GET");
    net::Response response = RefusalOf(refusal);
    ExpectError(response, c.status, CodeName(c.type), "because");
    EXPECT_EQ(response.headers.Get("Allow"), "GET");
  }
}

TEST_F(ApiTest, ARegistrationSaysWhereTheTablesLie) {
  Json reply = api_.Post("/api/v1/optimizers",
                         R"({"protocol":2,"group":"default","threads":1,"memory-bytes":1})");
  Json warehouse = api_.Get("/api/v1/warehouses").Find("warehouses")->as_array().at(0);
  std::set<std::string> expected = {warehouse.Find("root")->as_string()};
  for (const auto& more : warehouse.Find("allowed-locations")->as_array())
    expected.insert(more.as_string());
  std::vector<std::string> locations;
  for (const auto& location : reply.Find("allowed-locations")->as_array())
    locations.push_back(location.as_string());
  EXPECT_THAT(locations, testing::ElementsAreArray(expected));
  auto read = tasks::RegisterReplyFromJson(JsonCursor(reply));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->allowed_locations, locations);
}

TEST_F(ApiTest, RefusesBodiesThatAreNone) {
  for (const char* path : {"", "/poll", "/acknowledge", "/heartbeat", "/report", "/unregister"}) {
    std::string target = std::string("/api/v1/optimizers") + path;
    for (const char* body : {"", "{", "[]", "{}", "{\"token\":1}"}) {
      net::Response response = api_.Send(Method::kPost, target, body);
      ExpectError(response, 400, "InvalidArgument", "");
    }
  }
  ExpectError(api_.Send(Method::kPost, "/api/v1/optimizers",
                        R"({"protocol":99,"group":"g","threads":1,"memory-bytes":1})"),
              406, "Unsupported", "version");
}

TEST_F(ApiTest, OptimizesOnRequest) {
  MakeTable(1);
  api_.Settle();
  std::string target = std::string(kTable) + "/optimize";
  ExpectError(api_.Send(Method::kPost, target, R"({"type":"huge"})"), 400, "InvalidArgument",
              "minor, major or full");
  EXPECT_EQ(api_.Send(Method::kPost, target, R"({"type":"full"})").status, 204);
  api_.world().MakeTable("off", {{"self-optimizing.enabled", "false"}});
  ExpectError(
      api_.Send(Method::kPost, "/api/v1/warehouses/w/namespaces/ns/tables/off/optimize", "{}"), 409,
      "Conflict", "can't be optimized");
}

TEST_F(ApiTest, RunsAProcessThroughTheProtocol) {
  std::string token = Register(2);
  MakeTable(3);
  api_.Settle();
  std::string process = OnlyProcess();
  EXPECT_EQ(api_.Get("/api/v1/processes?table-id=999").ToString(), R"({"processes":[]})");

  Json handed = api_.Post("/api/v1/optimizers/poll", PollBody(token, 0));
  EXPECT_EQ(handed.Find("storage")->ToString(), "{}");
  const Json& key = *handed.Find("task");
  EXPECT_EQ(key.Find("process-id")->as_string(), process);
  EXPECT_EQ(key.Find("attempt")->int64(), 1);
  EXPECT_EQ(api_.Send(Method::kPost, "/api/v1/optimizers/acknowledge", KeyBody(token, key)).status,
            204);
  Json beat = api_.Post(
      "/api/v1/optimizers/heartbeat",
      fmt::format(
          R"({{"token":"{}","running":[{{"task":{},"bytes-read":1500,"rows-read":9,"rows-written":9}}]}})",
          token, key.ToString()));
  EXPECT_EQ(beat.ToString(), R"({"cancel":[]})");

  Json detail = api_.Get("/api/v1/processes/" + process);
  EXPECT_EQ(detail.Find("state")->as_string(), "running");
  EXPECT_EQ(detail.Find("progress")->Find("running")->int64(), 1);
  EXPECT_EQ(detail.Find("progress")->Find("bytes-read")->int64(), 1'500);
  EXPECT_EQ(detail.Find("task-list")->as_array().at(0).Find("optimizer")->as_string(), token);
  Json optimizers = api_.Get("/api/v1/optimizers");
  EXPECT_EQ(optimizers.Find("optimizers")->as_array().at(0).Find("running-tasks")->int64(), 1);
  EXPECT_FALSE(optimizers.Find("optimizers")->as_array().at(0).Find("embedded")->as_bool());

  EXPECT_EQ(api_.Send(Method::kPost, "/api/v1/optimizers/report", ReportBody(token, handed)).status,
            204);
  api_.Settle();
  detail = api_.Get("/api/v1/processes/" + process);
  EXPECT_EQ(detail.Find("state")->as_string(), "succeeded") << detail.ToString();
  EXPECT_EQ(detail.Find("output-files")->int64(), 1);
  EXPECT_EQ(api_.Get(std::string(kTable) + "/files").Find("files")->as_array().size(), 1u);
  ExpectError(api_.Send(Method::kPost, "/api/v1/processes/" + process + "/cancel", "{}"), 409,
              "Conflict", "");

  EXPECT_EQ(
      api_.Send(Method::kPost, "/api/v1/optimizers/unregister", KeyBody(token, Json())).status,
      204);
  EXPECT_EQ(api_.Get("/api/v1/optimizers").ToString(), R"({"optimizers":[]})");
  ExpectError(api_.Send(Method::kPost, "/api/v1/optimizers/poll", PollBody(token, 0)), 404,
              "NotFound", "register again");
}

TEST_F(ApiTest, AdviceSaysWhyAndHow) {
  MakeTable(3);
  const std::string path = std::string(kTable) + "/advice";
  Json quiet = api_.Get(path);
  EXPECT_TRUE(quiet.Find("advice")->as_array().empty()) << quiet.ToString();
  EXPECT_THAT(quiet.Find("notes")->ToString(), HasSubstr("nothing to advise"));
  EXPECT_EQ(quiet.Find("files")->Find("data-files")->int64(), 3);
  WalkAdvice();
  for (const char* days : {"0", "367", "x"}) {
    ExpectError(api_.Send(Method::kGet, path + "?days=" + days), 400, "InvalidArgument", "days");
  }
  ExpectError(api_.Send(Method::kGet, "/api/v1/warehouses/w/namespaces/ns/tables/nope/advice"), 404,
              "NotFound", "nope");
}

/// Each request asks again while it reads: the first two have the places.
TEST_F(ApiTest, AdviceIsGivenToTwoAtATime) {
  MakeTable(3);
  const std::string path = std::string(kTable) + "/advice";
  std::vector<int> answers;
  int deep = 0;
  api_.files().hook = [&] {
    const int mine = ++deep;
    if (mine > 2) return;
    const net::Response response = api_.Send(Method::kGet, path);
    answers.push_back(response.status);
    if (mine == 2) ExpectError(response, 429, "Exhausted", "no more than 2 tables at once");
  };
  EXPECT_EQ(api_.Send(Method::kGet, path).status, 200);
  EXPECT_EQ(answers, (std::vector<int>{429, 200})) << "the innermost first";
  EXPECT_EQ(deep, 2) << "who has no place reads nothing";
  // Every place is given back, by those who were refused too.
  api_.files().hook = [&] {
    api_.files().hook = nullptr;
    EXPECT_EQ(api_.Send(Method::kGet, path).status, 200);
  };
  EXPECT_EQ(api_.Send(Method::kGet, path).status, 200);
}

/// One life that meets every member of every answer.
TEST_F(ApiTest, EveryMemberThatIsDescribedStandsInSomeAnswer) {
  std::string token = Register(2);
  api_.world().MakeTable("t", {{"self-optimizing.full.trigger.interval", "3600000"}});
  ASSERT_TRUE(api_.world().Append("t", {"a", "b", "c"}).ok());
  api_.world().MakeTable("u");
  api_.Settle();
  api_.Get("/api/v1/server");
  api_.Get("/api/v1/warehouses");
  api_.Get("/api/v1/tables?limit=1");
  api_.Get("/api/v1/optimizers");
  api_.Get(std::string(kTable) + "/files");
  api_.Get(std::string(kTable) + "/snapshots");
  Call call = api_.call();
  ASSERT_TRUE(api_.world().engine().ReportMetrics(call, "w", {{"ns"}, "t"}, "{}").ok());
  api_.Get(std::string(kTable) + "/reports");
  WalkAdvice();
  std::string process = OnlyProcess();
  Json handed = api_.Post("/api/v1/optimizers/poll", PollBody(token, 0));
  api_.Get("/api/v1/processes/" + process);
  EXPECT_EQ(api_.Send(Method::kPost, "/api/v1/optimizers/report", ReportBody(token, handed)).status,
            204);
  api_.Settle();
  api_.Get(kTable);
  ASSERT_TRUE(api_.world().Append("t", {"d", "e", "f"}).ok());
  api_.Settle();
  Json second = api_.Post("/api/v1/optimizers/poll", PollBody(token, 0));
  const Json& key = *second.Find("task");
  std::string running = key.Find("process-id")->as_string();
  EXPECT_EQ(api_.Send(Method::kPost, "/api/v1/processes/" + running + "/cancel", "{}").status, 204);
  api_.Post(
      "/api/v1/optimizers/heartbeat",
      fmt::format(
          R"({{"token":"{}","running":[{{"task":{},"bytes-read":1,"rows-read":1,"rows-written":1}}]}})",
          token, key.ToString()));
  ExpectError(api_.Send(Method::kGet, "/api/v1/processes/nope"), 404, "NotFound", "nope");
  UseEvents();
  UseStatistics();
  WalkLifecycle(api_);
  WalkMaintenance(api_);

  std::vector<const Json*> answers;
  for (const auto& [path, item] : api_.document().Find("paths")->as_object()) {
    if (!path.starts_with("/api/v1/")) continue;
    for (const char* method : {"get", "post"}) {
      const Json* operation = item.Find(method);
      if (operation == nullptr) continue;
      for (const auto& [status, response] : operation->Find("responses")->as_object()) {
        const Json* content = api_.schema().Resolve(response).Find("content");
        const Json* json = content != nullptr ? content->Find("application/json") : nullptr;
        if (json != nullptr) answers.push_back(json->Find("schema"));
      }
    }
  }
  EXPECT_GT(answers.size(), 15u);
  EXPECT_THAT(api_.schema().NeverSeen(answers), testing::IsEmpty());
}

TEST_F(ApiTest, StopsWhatACancelledProcessRuns) {
  std::string token = Register();
  MakeTable(3);
  api_.Settle();
  std::string process = OnlyProcess();
  Json handed = api_.Post("/api/v1/optimizers/poll", PollBody(token, 0));
  const Json& key = *handed.Find("task");
  EXPECT_EQ(api_.Send(Method::kPost, "/api/v1/processes/" + process + "/cancel", "{}").status, 204);
  ExpectError(api_.Send(Method::kPost, "/api/v1/optimizers/acknowledge", KeyBody(token, key)), 409,
              "Conflict", "no longer wanted");
  Json beat = api_.Post(
      "/api/v1/optimizers/heartbeat",
      fmt::format(
          R"({{"token":"{}","running":[{{"task":{},"bytes-read":1,"rows-read":1,"rows-written":1}}]}})",
          token, key.ToString()));
  EXPECT_EQ(*beat.Find("cancel"), Json(Json::Array{key}));
  EXPECT_EQ(api_.Get("/api/v1/processes/" + process).Find("state")->as_string(), "cancelled");
}

TEST_F(ApiTest, TasksTellOptimizersOfThisProtocolHowToReachTheStore) {
  api_.service().TellOptimizers(catalog::StorageKeys::kWith);
  Call call = api_.call();
  ASSERT_TRUE(api_.world()
                  .engine()
                  .UpdateWarehouse(call, {.name = "w",
                                          .root = "file:///wh",
                                          .allowed_locations = {"s3://lake/w"},
                                          .storage = {{"s3.endpoint", "http://e"},
                                                      {"s3.access-key-id", "id"},
                                                      {"s3.secret-access-key", "hush"}}})
                  .ok());
  api_.world().Advance(std::chrono::seconds(2));
  std::string token = Register();
  MakeTable(3);
  api_.Settle();
  // A thread that polls again gives back what it was given.
  std::string old = PollBody(token, 0);
  EXPECT_EQ(api_.Post("/api/v1/optimizers/poll", old).Find("storage")->ToString(), "{}");
  std::string now = old.substr(0, old.size() - 1) + R"(,"protocol":2})";
  auto answer = api_.Send(Method::kPost, "/api/v1/optimizers/poll", now);
  EXPECT_EQ(answer.headers.Get("Cache-Control"), "no-store");
  EXPECT_THAT(answer.BodyText(), testing::HasSubstr(R"("s3.secret-access-key":"hush")"));
  EXPECT_THAT(answer.BodyText(),
              testing::HasSubstr(R"("storage-locations":["file:///wh","s3://lake/w"])"));
  // It stands nowhere else.
  for (const char* path : {"/api/v1/optimizers", "/api/v1/processes", "/api/v1/server"}) {
    EXPECT_THAT(api_.Get(path).ToString(), testing::Not(testing::HasSubstr("hush"))) << path;
  }
  EXPECT_THAT(api_.Get("/api/v1/processes/" + OnlyProcess()).ToString(),
              testing::Not(testing::HasSubstr("hush")));
}

TEST_F(ApiTest, APollWithoutWorkEndsEmpty) {
  std::string token = Register();
  EXPECT_EQ(api_.Send(Method::kPost, "/api/v1/optimizers/poll", PollBody(token, 0)).status, 204);
  EXPECT_EQ(api_.Send(Method::kPost, "/api/v1/optimizers/poll", PollBody(token, -5)).status, 204);
}

/// Counts its wakings.
class CountingWaiter final : public net::Waiter {
 public:
  void Wake() override { ++woken; }
  int woken = 0;
};

TEST_F(ApiTest, AParkedPollIsWokenByNewWork) {
  api_.optimizing().queue().OnWork([this] { api_.service().WakePolls(); });
  std::string token = Register();
  net::Answer answer =
      api_.Serve(Method::kPost, "/api/v1/optimizers/poll", PollBody(token, 20'000));
  ASSERT_TRUE(std::holds_alternative<std::shared_ptr<net::Later>>(answer));
  auto later = std::get<std::shared_ptr<net::Later>>(answer);
  EXPECT_EQ(later->until - api_.call().clock().Mono(), std::chrono::seconds(20));
  auto waiter = std::make_shared<CountingWaiter>();
  later->on_parked(waiter);
  EXPECT_EQ(waiter->woken, 0);

  MakeTable(3);
  api_.Settle();
  EXPECT_GE(waiter->woken, 1);
  Call call = api_.call();
  net::Answer resumed = later->resume(call, net::Later::Reason::kWoken);
  ASSERT_TRUE(std::holds_alternative<net::Response>(resumed));
  const auto& response = std::get<net::Response>(resumed);
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.BodyText(), HasSubstr(OnlyProcess()));
}

TEST_F(ApiTest, AParkedPollThatFindsNothingParksAgainUntilItsTime) {
  std::string token = Register();
  net::Answer answer =
      api_.Serve(Method::kPost, "/api/v1/optimizers/poll", PollBody(token, 20'000));
  auto later = std::get<std::shared_ptr<net::Later>>(answer);
  Call call = api_.call();
  net::Answer again = later->resume(call, net::Later::Reason::kWoken);
  ASSERT_TRUE(std::holds_alternative<std::shared_ptr<net::Later>>(again));
  auto second = std::get<std::shared_ptr<net::Later>>(again);
  EXPECT_EQ(second->until, later->until);
  net::Answer end = second->resume(call, net::Later::Reason::kTimedOut);
  ASSERT_TRUE(std::holds_alternative<net::Response>(end));
  EXPECT_EQ(std::get<net::Response>(end).status, 204);
}

TEST_F(ApiTest, WorkThatComesBetweenLookAndParkingIsNotLost) {
  std::string token = Register();
  net::Answer answer =
      api_.Serve(Method::kPost, "/api/v1/optimizers/poll", PollBody(token, 20'000));
  auto later = std::get<std::shared_ptr<net::Later>>(answer);
  api_.optimizing().queue().AnnounceWork();
  auto waiter = std::make_shared<CountingWaiter>();
  later->on_parked(waiter);
  EXPECT_EQ(waiter->woken, 1);
}

TEST_F(ApiTest, APollWaitsAMinuteAtMost) {
  std::string token = Register();
  net::Answer answer =
      api_.Serve(Method::kPost, "/api/v1/optimizers/poll",
                 fmt::format(R"({{"token":"{}","thread":0,"wait-ms":99999999999}})", token));
  auto later = std::get<std::shared_ptr<net::Later>>(answer);
  EXPECT_EQ(later->until - api_.call().clock().Mono(), std::chrono::minutes(1));
}

}  // namespace
}  // namespace moraine::api
