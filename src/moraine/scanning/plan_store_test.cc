#include "moraine/scanning/plan_store.h"

#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::scanning {
namespace {

class PlanStoreTest : public testing::Test {
 protected:
  PlanStoreTest() { EXPECT_TRUE(plans_.Open(call_).ok()); }

  testing::TestEnv env_{1, testing::TestClock::kSystem};
  Call call_ = env_.call();
  std::unique_ptr<store::Database> database_ = store::MakeTestDatabase(call_);
  PlanStore plans_{*database_};
};

TEST_F(PlanStoreTest, AllReplicasHaveOneSecret) {
  constexpr size_t kReplicas = 4;
  std::vector<std::string> secrets(kReplicas);
  ThreadPool pool({"replicas", kReplicas, 16});
  ASSERT_TRUE(ForEach(pool, kReplicas, kReplicas, [&](size_t i) -> Status {
                Call own(call_);
                PlanStore other(*database_);
                MORAINE_ASSIGN(secrets[i], other.Secret(own));
                return {};
              }).ok());
  std::string mine = plans_.Secret(call_).value();
  EXPECT_EQ(mine.size(), 32u);
  for (const std::string& secret : secrets) EXPECT_EQ(secret, mine);
  EXPECT_EQ(plans_.Secret(call_).value(), mine);
}

TEST_F(PlanStoreTest, PlansAreOfOneTableAndPrincipalAndEnd) {
  ScanSpec scan{.snapshot_id = 5,
                .after_snapshot_id = {},
                .schema_id = 1,
                .filter = "true",
                .case_sensitive = true,
                .stats_columns = {2},
                .bounds = {},
                .min_rows = {}};
  Call alice(call_);
  alice.set_principal("alice");
  ASSERT_TRUE(plans_.Keep(alice, {"p1", 7, "alice", scan, 0}, Millis(60'000)).ok());
  EXPECT_EQ(plans_.Find(alice, "p1", 7)->scan, scan);
  EXPECT_EQ(plans_.Find(alice, "p1", 8).status().code(), Code::kNotFound);
  EXPECT_EQ(plans_.Find(alice, "p2", 7).status().code(), Code::kNotFound);
  EXPECT_EQ(plans_.Find(call_, "p1", 7).status().code(), Code::kNotFound);
  EXPECT_EQ(plans_.Find(alice, std::string(5'000, 'x'), 7).status().code(), Code::kNotFound);
  EXPECT_EQ(plans_.Remove(call_, "p1", 7).code(), Code::kNotFound);
  EXPECT_TRUE(plans_.Remove(alice, "p1", 7).ok());
  EXPECT_EQ(plans_.Remove(alice, "p1", 7).code(), Code::kNotFound);

  ASSERT_TRUE(plans_.Keep(alice, {"p3", 7, "alice", scan, 0}, Millis(0)).ok());
  EXPECT_EQ(plans_.Find(alice, "p3", 7).status().code(), Code::kNotFound);
  // The next one sweeps it away.
  ASSERT_TRUE(plans_.Keep(alice, {"p4", 7, "alice", scan, 0}, Millis(60'000)).ok());
  auto left = store::RunFor(call_, *database_, store::Access::kRead, [](store::Transaction& t) {
    return t.Query("SELECT plan_id FROM scan_plan", {});
  });
  ASSERT_EQ(left->size(), 1u);
  EXPECT_EQ(left->at(0).Text(0).value(), "p4");
}

}  // namespace
}  // namespace moraine::scanning
