#include "moraine/scanning/plan_task.h"

#include <gtest/gtest.h>

#include "moraine/base/text.h"

namespace moraine::scanning {
namespace {

PlanTask MakeTask() {
  PlanTask task;
  task.table_id = 7;
  task.principal = "a\"b";
  task.expires_ms = 1'767'225'600'000;
  task.scan = {.snapshot_id = 9007199254740993,
               .after_snapshot_id = -3,
               .schema_id = 2,
               .filter = R"({"type":"eq","term":"é","value":"x"})",
               .case_sensitive = false,
               .stats_columns = {1, 5},
               .bounds = BoundsForm::kBinary,
               .min_rows = 4};
  task.range = {3, 9, 17};
  return task;
}

TEST(PlanTask, ComesBackWhole) {
  PlanTask task = MakeTask();
  EXPECT_EQ(OpenPlanTask(SealPlanTask(task, "secret"), "secret").value(), task);
  PlanTask kept{.table_id = 1,
                .principal = {},
                .expires_ms = 5,
                .plan_id = "p",
                .scan = {},
                .range = {0, 1, 0}};
  EXPECT_EQ(OpenPlanTask(SealPlanTask(kept, "secret"), "secret").value(), kept);
}

TEST(PlanTask, NothingElseOpens) {
  std::string sealed = SealPlanTask(MakeTask(), "secret");
  EXPECT_EQ(OpenPlanTask(sealed, "other").status().code(), Code::kNotFound);
  for (const std::string& text : {std::string(), std::string("x"), std::string("not base 64!"),
                                  Base64Encode("{}"), sealed + "AAAA", sealed.substr(4)}) {
    EXPECT_EQ(OpenPlanTask(text, "secret").status().code(), Code::kNotFound) << text;
  }
  std::string bytes = Base64Decode(sealed).value();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(OpenPlanTask(Base64Encode(changed), "secret").status().code(), Code::kNotFound) << i;
  }
}

}  // namespace
}  // namespace moraine::scanning
