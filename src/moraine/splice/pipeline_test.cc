#include "moraine/splice/pipeline.h"

#include <atomic>
#include <latch>
#include <vector>

#include <gtest/gtest.h>

namespace moraine::splice {
namespace {

TEST(Pipeline, FinishesInOrderWhateverRunsFirst) {
  ThreadPool pool({"pieces", 3, 16});
  for (Executor* executor : {static_cast<Executor*>(nullptr), static_cast<Executor*>(&pool)}) {
    std::vector<int> order;
    std::vector<int> results(200);
    Pipeline pipeline(executor, 10);
    for (int i = 0; i < 200; ++i) {
      const auto finish = [&order, &results, i]() -> Status {
        order.push_back(results[static_cast<size_t>(i)]);
        return {};
      };
      if (i % 5 == 0) {
        results[static_cast<size_t>(i)] = i;
        ASSERT_TRUE(pipeline.Push(1, finish).ok());
      } else {
        const auto work = [&results, i]() -> Status {
          results[static_cast<size_t>(i)] = i;
          return {};
        };
        ASSERT_TRUE(pipeline.Push(1, work, finish).ok());
      }
    }
    ASSERT_TRUE(pipeline.Drain().ok());
    ASSERT_EQ(order.size(), 200u);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  }
}

TEST(Pipeline, HasTheWorkOfAllPiecesDoneWhateverThePoolHasRoomFor) {
  ThreadPool pool({"pieces", 1, 1});
  Pipeline pipeline(&pool, 1000);
  std::latch left(200);
  for (int i = 0; i < 200; ++i) {
    const auto work = [&left]() -> Status {
      left.count_down();
      return {};
    };
    ASSERT_TRUE(pipeline.Push(1, work, [] { return Status(); }).ok());
  }
  left.wait();  // by the pool alone
  ASSERT_TRUE(pipeline.Drain().ok());
}

TEST(Pipeline, EndsWithTheFirstErrorAndWaitsForWhatRuns) {
  ThreadPool pool({"pieces", 2, 64});
  std::atomic<int> finished{0};
  {
    Pipeline pipeline(&pool, 100);
    Status status;
    for (int i = 0; i < 50 && status.ok(); ++i) {
      const auto work = [i] { return i == 3 ? Corruption("the third") : Status(); };
      status = pipeline.Push(10, work, [&finished]() -> Status {
        ++finished;
        return {};
      });
    }
    if (status.ok()) status = pipeline.Drain();
    EXPECT_EQ(status.message(), "the third");
  }
  EXPECT_EQ(finished, 3);
}

TEST(Pipeline, TakesAPieceThatIsLargerThanItsLimit) {
  Pipeline pipeline(nullptr, 10);
  int finished = 0;
  const auto finish = [&finished]() -> Status {
    ++finished;
    return {};
  };
  ASSERT_TRUE(pipeline
                  .Push(
                      1000, [] { return Status(); }, finish)
                  .ok());
  EXPECT_EQ(finished, 0);
  ASSERT_TRUE(pipeline
                  .Push(
                      1000, [] { return Status(); }, finish)
                  .ok());
  EXPECT_EQ(finished, 1);
  ASSERT_TRUE(pipeline.Drain().ok());
  EXPECT_EQ(finished, 2);
}

}  // namespace
}  // namespace moraine::splice
