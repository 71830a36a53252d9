#include "moraine/tasks/maintenance_task.h"

#include <gtest/gtest.h>

#include "moraine/tasks/task_packing.h"

namespace moraine::tasks {
namespace {

MaintenanceTask MakeTask() {
  return {.kind = "find-orphans",
          .process_id = "0190-p",
          .task_id = 3,
          .attempt = 2,
          .table = "default.db.t",
          .table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1",
          .output_folder = "s3://b/t/metadata/",
          .body = R"({"older-than-ms":17,"x":[1.50]})"};
}

TEST(MaintenanceTaskTest, SurvivesJsonAndPacking) {
  const MaintenanceTask task = MakeTask();
  auto packed = PackText(MaintenanceTaskToJson(task));
  ASSERT_TRUE(packed.ok());
  auto text = UnpackText(*packed);
  ASSERT_TRUE(text.ok());
  auto read = MaintenanceTaskFromJson(*text);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, task);
  EXPECT_EQ(KindOfTask(*text).value(), "find-orphans");
  EXPECT_EQ(task.OutputPrefix(), "s3://b/t/metadata/0190-p-3-2-");
}

TEST(MaintenanceTaskTest, KindIsFoundWithoutParsing) {
  EXPECT_EQ(
      KindOfTask(R"({"a":[{"kind":"x"}],"b":"\"kind\":","kind" : "rewr\u0069te" ,"c":1})").value(),
      "rewrite");
  EXPECT_EQ(KindOfTask(R"({"kind":"k","rest":[)").value(), "k");  // parsed by who runs it
  for (const char* bad : {"", "[]", "{}", R"({"kind":3})", R"({"kind":})", R"({"a":{"kind":"x"}})",
                          R"({"kind":"x)", R"({"kind" "x"})", R"({"kind":"x" "y"})"}) {
    EXPECT_EQ(KindOfTask(bad).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(MaintenanceTaskTest, OutputSurvivesJson) {
  const MaintenanceOutput output{
      .result = R"({"list":"x"})", .files = 4, .bytes_read = 5, .duration_ms = 6};
  auto read = MaintenanceOutputFromJson(MaintenanceOutputToJson(output));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, output);
}

TEST(MaintenanceTaskTest, RefusesWhatItCannotRead) {
  struct {
    const char* from;
    const char* to;
    Code code;
    const char* says;
  } cases[] = {
      {R"("maintenance-format":1)", R"("maintenance-format":9)", Code::kUnsupported, "9"},
      {R"("kind":"find-orphans")", R"("kind":"rewrite")", Code::kInvalidArgument, "kind"},
      {R"("task-id":3)", R"("task-id":-3)", Code::kInvalidArgument, "task-id"},
      {R"("attempt":2)", R"("attempt":99999999999)", Code::kInvalidArgument, "range"},
      {R"("body":{)", R"("bodi":{)", Code::kInvalidArgument, "body"},
  };
  const std::string text = MaintenanceTaskToJson(MakeTask());
  for (const auto& c : cases) {
    std::string changed = text;
    const size_t at = changed.find(c.from);
    ASSERT_NE(at, std::string::npos) << c.from;
    changed.replace(at, std::string_view(c.from).size(), c.to);
    auto read = MaintenanceTaskFromJson(changed);
    EXPECT_EQ(read.status().code(), c.code) << c.to;
    EXPECT_NE(read.status().message().find(c.says), std::string::npos) << read.status().ToString();
  }
}

}  // namespace
}  // namespace moraine::tasks
