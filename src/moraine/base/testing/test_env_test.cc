#include "moraine/base/testing/test_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/testing/faults.h"

namespace moraine {
namespace {

TEST(SimClock, WakesWaiters) {
  testing::TestEnv env;
  std::atomic<bool> woke = false;
  Thread sleeper("sleeper", [&](std::stop_token stop) {
    env.clock().SleepFor(std::chrono::hours(3), stop);
    woke = true;
  });
  while (env.clock().waiters() == 0) {
  }
  env.clock().Advance(std::chrono::hours(2));
  EXPECT_FALSE(woke);
  env.clock().Advance(std::chrono::hours(1));
  sleeper.Join();
  EXPECT_TRUE(woke);
  EXPECT_EQ(ToMillis(env.clock().Wall()), 1'767'225'600'000 + 3 * 3'600'000);
}

TEST(SimClock, EndsCalls) {
  testing::TestEnv env;
  Call call = env.call(std::chrono::seconds(5));
  EXPECT_TRUE(call.Check().ok());
  env.clock().Advance(std::chrono::seconds(5));
  EXPECT_EQ(call.Check().code(), Code::kDeadline);
}

TEST(TestEnv, RepeatsBySeed) {
  testing::TestEnv a(7), b(7), c(8);
  uint64_t first = a.random().Next();
  EXPECT_EQ(first, b.random().Next());
  EXPECT_NE(first, c.random().Next());
  a.call().log().Warn("slow", {{"table", "db.t"}, {"seconds", 3}});
  EXPECT_THAT(a.log().lines(), testing::ElementsAre("warn slow table=db.t seconds=3"));
  EXPECT_EQ(a.log().Count("db.t"), 1u);
}

TEST(Faults, FireByRule) {
  using testing::Effect;
  testing::FaultInjector faults;
  faults.Arm({.operation = "close", .pattern = "/metadata/*.json", .nth = 2, .fault = {}});
  EXPECT_FALSE(faults.Next("close", "/t/metadata/1.json", Effect::kChanges));
  EXPECT_FALSE(faults.Next("open", "/t/metadata/1.json", Effect::kReads));
  EXPECT_FALSE(faults.Next("close", "/t/data/1.json", Effect::kChanges));
  EXPECT_TRUE(faults.Next("close", "/t/metadata/2.json", Effect::kChanges));
  EXPECT_FALSE(faults.Next("close", "/t/metadata/3.json", Effect::kChanges));
  EXPECT_EQ(faults.fired(), 1u);
  faults.Stop();
  EXPECT_FALSE(faults.Next("open", "x", Effect::kReads));
  EXPECT_EQ(faults.count(), 5u);
}

void TwoChangesAndARead(testing::FaultInjector& faults) {
  (void)faults.Next("read", "a", testing::Effect::kReads);
  (void)faults.Next("write", "b", testing::Effect::kChanges);
  (void)faults.Next("write", "c", testing::Effect::kChanges);
}

TEST(Faults, EveryFaultVisitsEachCall) {
  testing::EveryFaultReport report = testing::EveryFault(&TwoChangesAndARead);
  EXPECT_EQ(report.calls, 3u);
  EXPECT_EQ(report.runs, 5u) << "before at all, after at the two changes";
  EXPECT_EQ(report.fired, 5u);
}

TEST(Faults, EveryFaultSamplesLongScenarios) {
  auto scenario = [](testing::FaultInjector& faults) {
    for (int i = 0; i < 200; ++i) (void)faults.Next("write", "x", testing::Effect::kChanges);
  };
  EXPECT_EQ(testing::EveryFault(scenario).runs, 100u);
}

}  // namespace
}  // namespace moraine
