#include "moraine/store/work_loop.h"

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::store {
namespace {

using testing::TestEnv;

class WorkLoopTest : public testing::Test {
 protected:
  WorkLoopTest()
      : call_(env_.call()),
        database_(MakeTestDatabase(call_)),
        shards_(*database_, {.duty = "test"}),
        loop_(shards_, "test", Millis(1), Millis(1)) {}

  TestEnv env_;
  Call call_;
  std::unique_ptr<Database> database_;
  Shards shards_;
  WorkLoop loop_;
};

TEST_F(WorkLoopTest, RoundsGoOnUntilTheStop) {
  std::stop_source stop;
  int rounds = 0;
  loop_.Run(
      env_.env(), stop.get_token(),
      [&](Call&) -> Result<bool> {
        if (++rounds == 3) stop.request_stop();
        if (rounds == 1) return true;
        loop_.Wake();  // nobody moves the clock
        return Unavailable("a round that fails is not the last one");
      },
      nullptr);
  EXPECT_EQ(rounds, 3);
}

TEST_F(WorkLoopTest, AStepThatFailsHasDoneNothing) {
  EXPECT_TRUE(loop_.Try(call_, "a", []() -> Result<bool> { return true; }));
  EXPECT_FALSE(loop_.Try(call_, "b", []() -> Result<bool> { return Unavailable("not now"); }));
  EXPECT_TRUE(loop_.TrySome(call_, "c", []() -> Result<size_t> { return 2; }));
  EXPECT_FALSE(loop_.TrySome(call_, "d", []() -> Result<size_t> { return 0; }));
}

}  // namespace
}  // namespace moraine::store
