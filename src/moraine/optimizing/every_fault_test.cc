// The whole way of a table through optimizing, with a fault at each call to the store and the
// files: wherever it died, some clean ticks later the table holds each row once and nothing is
// stuck.

#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using testing::EveryFault;
using testing::FaultInjector;

enum class After { kGoesOn, kRestarts };

void OptimizeWithFaults(FaultInjector& faults, After after) {
  OptimizingWorld world(&faults);
  int64_t id = world.MakeTable("t");
  ASSERT_TRUE(world.Append("t", {"a", "b"}, 1).ok());
  ASSERT_TRUE(world.Append("t", {"c", "d"}, 2).ok());
  world.token();
  for (int i = 0; i < 2; ++i) {
    (void)world.Tick();
    while (auto report = world.RunOneTask()) {
      Call call = world.call();
      // As a worker does, until it is told something final.
      for (int tries = 0; tries < 3; ++tries) {
        Status status = world.parts().queue.Report(call, *report);
        if (status.code() != Code::kUnavailable && status.code() != Code::kCommitUnknown) break;
      }
    }
  }
  (void)world.Tick();
  faults.Stop();
  EXPECT_EQ(world.Names("t"), (std::vector<std::string>{"a", "b", "c", "d"}));

  if (after == After::kRestarts) world.Restart();
  for (int i = 0; i < 4; ++i) {
    // Back-off after a failure, and a look again after files that could not be read.
    world.Advance(world.options().backoff_first + Millis(1));
    Call call = world.call();
    (void)world.parts().queue.Heartbeat(call, {world.token(), {}});
    ASSERT_TRUE(world.Tick().ok());
    world.RunTasks();
  }
  ASSERT_TRUE(world.Tick().ok());

  EXPECT_EQ(world.Names("t"), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(world.LiveFiles("t").size(), 2u);
  ASSERT_TRUE(world.LastProcess());
  EXPECT_EQ(world.LastProcess()->state, ProcessState::kSucceeded) << world.LastProcess()->error;
  ASSERT_TRUE(world.State(id));
  EXPECT_EQ(world.State(id)->status, TableStatus::kIdle) << world.State(id)->reason;

  // When no worker can still be writing, nothing is left but the inputs of older snapshots.
  world.Advance(world.options().task_timeout * 2);
  ASSERT_TRUE(world.Tick().ok());
  EXPECT_EQ(world.Leftovers("t").size(), 4u);
}

TEST(OptimizingEveryFault, GoesOnInTheSameProcess) {
  auto report =
      EveryFault([](FaultInjector& faults) { OptimizeWithFaults(faults, After::kGoesOn); },
                 {.exhaustive_calls = 0, .samples = 120});
  EXPECT_GT(report.fired, 80u);
}

TEST(OptimizingEveryFault, GoesOnAfterARestart) {
  auto report =
      EveryFault([](FaultInjector& faults) { OptimizeWithFaults(faults, After::kRestarts); },
                 {.exhaustive_calls = 0, .samples = 40, .seed = 7});
  EXPECT_GT(report.fired, 25u);
}

}  // namespace
}  // namespace moraine::optimizing
