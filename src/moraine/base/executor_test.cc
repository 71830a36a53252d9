#include "moraine/base/executor.h"

#include <gtest/gtest.h>

namespace moraine {
namespace {

TEST(ForEach, RunsEveryItemOnce) {
  ThreadPool pool({.name = "t", .threads = 2});
  std::vector<std::atomic<int>> seen(1000);
  EXPECT_TRUE(ForEach(pool, seen.size(), 4, [&](size_t i) {
                seen[i]++;
                return Status();
              }).ok());
  for (auto& count : seen) EXPECT_EQ(count, 1);
}

TEST(ForEach, ReturnsAnErrorAndStops) {
  InlineExecutor pool;
  size_t ran = 0;
  Status status = ForEach(pool, 100, 0, [&](size_t i) {
    ++ran;
    return i == 3 ? Corruption("three") : Status();
  });
  EXPECT_EQ(status.code(), Code::kCorruption);
  EXPECT_EQ(ran, 4u);
}

TEST(ForEach, WorksInsideAFullPool) {
  ThreadPool pool({.name = "t", .threads = 1, .queue_limit = 1});
  std::atomic<int> count = 0;
  ThreadPool outer({.name = "o", .threads = 2});
  EXPECT_TRUE(ForEach(pool, 8, 8, [&](size_t) {
                return ForEach(pool, 8, 8, [&](size_t) {
                  count++;
                  return Status();
                });
              }).ok());
  EXPECT_EQ(count, 64);
}

TEST(ForEach, ABodyThatThrowsHasFailed) {
  ThreadPool pool({.name = "t", .threads = 2});
  for (size_t thrower : {0, 5}) {
    Status status = ForEach(pool, 8, 2, [&](size_t i) -> Status {
      if (i == thrower) throw std::bad_alloc();
      return {};
    });
    EXPECT_EQ(status.code(), Code::kExhausted);
  }
}

TEST(ThreadPool, OutlivesATaskThatThrows) {
  std::atomic<int> done = 0;
  {
    ThreadPool pool({.name = "t", .threads = 1});
    EXPECT_TRUE(pool.Submit([] { throw std::bad_alloc(); }).ok());
    EXPECT_TRUE(pool.Submit([] { throw 7; }).ok());
    EXPECT_TRUE(pool.Submit([&] { ++done; }).ok());
  }
  EXPECT_EQ(done, 1);
}

TEST(ThreadPool, RefusesWhenFull) {
  std::mutex gate;
  gate.lock();
  ThreadPool pool({.name = "t", .threads = 1, .queue_limit = 2});
  Status last;
  for (int i = 0; i < 5 && last.ok(); ++i) last = pool.Submit([&] { std::lock_guard lock(gate); });
  EXPECT_EQ(last.code(), Code::kExhausted);
  gate.unlock();
}

}  // namespace
}  // namespace moraine
