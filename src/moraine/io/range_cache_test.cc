#include "moraine/io/range_cache.h"

#include <cstring>
#include <mutex>
#include <new>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::io {
namespace {

using ::testing::ElementsAre;

constexpr RangeCacheOptions kSmall{.gap_bytes = 10,
                                   .request_bytes = 100,
                                   .tiny_file_bytes = 50,
                                   .small_file_bytes = 200,
                                   .window_bytes = 60,
                                   .at_once = 2};

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
  return bytes;
}

/// A file that notes what is read of it, and fails on demand.
class NotingReader final : public RandomReader {
 public:
  struct Notes {
    std::mutex mutex;
    std::vector<ByteRange> reads;
    int failures = 0;
    int throws = 0;
    size_t count() {
      std::lock_guard lock(mutex);
      return reads.size();
    }
  };
  NotingReader(std::string bytes, Notes& notes) : bytes_(std::move(bytes)), notes_(notes) {}

  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    MORAINE_TRY(call.Check());
    std::lock_guard lock(notes_.mutex);
    notes_.reads.push_back({offset, static_cast<int64_t>(buffer.size())});
    if (notes_.throws > 0 && notes_.throws-- > 0) throw std::bad_alloc();
    if (notes_.failures > 0 && notes_.failures-- > 0) return Unavailable("on demand");
    if (offset < 0 || offset + static_cast<int64_t>(buffer.size()) > size()) {
      return Corruption("file ends too early");
    }
    std::memcpy(buffer.data(), bytes_.data() + offset, buffer.size());
    return {};
  }

 private:
  const std::string bytes_;
  Notes& notes_;
};

class RangeCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<AheadReader> Make(size_t size, Executor& pool, int64_t budget = 1000) {
    bytes_ = Pattern(size);
    budget_ = std::make_shared<ReadAheadBudget>(budget);
    return MakeRangeCache(std::make_unique<NotingReader>(bytes_, notes_), pool, budget_, kSmall);
  }
  void ExpectRead(RandomReader& reader, int64_t offset, size_t length) {
    std::string got(length, '\0');
    Status read = reader.ReadAt(call_, offset, got);
    ASSERT_TRUE(read.ok()) << read.ToString();
    EXPECT_EQ(got, bytes_.substr(static_cast<size_t>(offset), length)) << offset;
  }

  testing::TestEnv env_{1, testing::TestClock::kSystem};
  Call call_ = env_.call();
  NotingReader::Notes notes_;
  InlineExecutor inline_;
  std::string bytes_;
  std::shared_ptr<ReadAheadBudget> budget_;
};

TEST(PlanRequests, MergesNearOnesAndCutsLargeOnes) {
  auto plan = [](std::vector<ByteRange> ranges) { return PlanRequests(ranges, 1000, kSmall); };
  EXPECT_THAT(plan({}), ElementsAre());
  EXPECT_THAT(plan({{30, 10}, {0, 10}, {19, 5}}), ElementsAre(ByteRange{0, 40}));
  EXPECT_THAT(plan({{0, 10}, {20, 10}}), ElementsAre(ByteRange{0, 10}, ByteRange{20, 10}));
  EXPECT_THAT(plan({{0, 50}, {10, 5}}), ElementsAre(ByteRange{0, 50}));
  EXPECT_THAT(plan({{0, 210}}),
              ElementsAre(ByteRange{0, 70}, ByteRange{70, 70}, ByteRange{140, 70}));
  EXPECT_THAT(plan({{990, 50}, {1000, 5}, {-5, 20}, {5, 0}, {7, -3}}),
              ElementsAre(ByteRange{990, 10}));
  EXPECT_THAT(plan({{990, INT64_MAX}}), ElementsAre(ByteRange{990, 10}));
}

TEST_F(RangeCacheTest, ReadsASmallFileOnce) {
  auto reader = Make(50, inline_);
  for (int64_t at : {40, 0, 13, 40}) ExpectRead(*reader, at, 10);
  EXPECT_THAT(notes_.reads, ElementsAre(ByteRange{0, 50}));
  EXPECT_EQ(budget_->free_bytes(), 950);
  reader.reset();
  EXPECT_EQ(budget_->free_bytes(), 1000);
}

TEST_F(RangeCacheTest, FetchesASmallFileAtTheSecondRead) {
  auto reader = Make(200, inline_);
  ExpectRead(*reader, 180, 20);
  for (int64_t at : {0, 50, 120, 190}) ExpectRead(*reader, at, 10);
  EXPECT_THAT(notes_.reads, ElementsAre(ByteRange{180, 20}, ByteRange{0, 200}));
  // What was announced stands where it is.
  reader = Make(200, inline_);
  notes_.reads.clear();
  reader->WillRead(call_, std::vector<ByteRange>{{50, 50}});
  for (int64_t at : {120, 150, 50, 90, 0, 20}) ExpectRead(*reader, at, 10);
  EXPECT_THAT(notes_.reads, ElementsAre(ByteRange{50, 50}, ByteRange{120, 10}, ByteRange{100, 100},
                                        ByteRange{0, 50}));
}

TEST_F(RangeCacheTest, SmallReadsOneBehindTheOtherShareRequests) {
  auto reader = Make(1000, inline_);
  for (int64_t at = 0; at < 1000; at += 10) ExpectRead(*reader, at, 10);
  EXPECT_LE(notes_.count(), 18u);
  EXPECT_EQ(budget_->free_bytes(), 1000);
}

TEST_F(RangeCacheTest, AWholeReadIsNotHeld) {
  auto reader = Make(50, inline_);
  ExpectRead(*reader, 0, 50);
  EXPECT_EQ(budget_->free_bytes(), 1000);
}

TEST_F(RangeCacheTest, FetchesAheadAndLetsGo) {
  auto reader = Make(1000, inline_);
  std::vector<ByteRange> wanted = {{100, 50}, {155, 45}, {500, 100}};
  reader->WillRead(call_, wanted);
  EXPECT_THAT(notes_.reads, ElementsAre(ByteRange{100, 100}, ByteRange{500, 100}));
  EXPECT_EQ(budget_->free_bytes(), 800);
  ExpectRead(*reader, 100, 50);
  ExpectRead(*reader, 155, 45);
  ExpectRead(*reader, 500, 30);
  ExpectRead(*reader, 530, 70);
  EXPECT_EQ(notes_.reads.size(), 2u);
  EXPECT_EQ(budget_->free_bytes(), 1000);
  ExpectRead(*reader, 500, 100);  // read twice: asked for again
  EXPECT_EQ(notes_.reads.size(), 3u);
}

TEST_F(RangeCacheTest, WindowsThatOverlapAreFetchedOnce) {
  auto reader = Make(1000, inline_);
  reader->WillRead(call_, std::vector<ByteRange>{{100, 20}, {115, 85}, {100, 100}});
  ExpectRead(*reader, 100, 20);  // looked at before
  for (int64_t at = 100; at < 170; at += 20) ExpectRead(*reader, at, 30);
  ExpectRead(*reader, 190, 10);
  EXPECT_THAT(notes_.reads, ElementsAre(ByteRange{100, 100}));
  EXPECT_EQ(budget_->free_bytes(), 1000);
}

TEST_F(RangeCacheTest, WhatWasNotAnnouncedIsNotWaitedFor) {
  auto reader = Make(1000, inline_);
  reader->WillRead(call_, std::vector<ByteRange>{{150, 10}, {100, 45}});  // and the gap between
  EXPECT_THAT(notes_.reads, ElementsAre(ByteRange{100, 60}));
  ExpectRead(*reader, 150, 10);
  ExpectRead(*reader, 130, 15);
  EXPECT_EQ(budget_->free_bytes(), 940);
  ExpectRead(*reader, 100, 30);
  EXPECT_EQ(budget_->free_bytes(), 1000);
}

TEST_F(RangeCacheTest, ReadsAcrossPiecesAndGaps) {
  auto reader = Make(1000, inline_);
  reader->WillRead(call_, std::vector<ByteRange>{{100, 150}, {400, 20}});
  ExpectRead(*reader, 50, 500);
  EXPECT_EQ(budget_->free_bytes(), 1000);
  ExpectRead(*reader, 0, 1000);
  std::string past(10, '\0');
  EXPECT_EQ(reader->ReadAt(call_, 995, past).code(), Code::kCorruption);
}

TEST_F(RangeCacheTest, ReadsDirectlyWhatTheBudgetDoesNotHold) {
  auto reader = Make(1000, inline_, /*budget=*/150);
  reader->WillRead(call_, std::vector<ByteRange>{{0, 100}, {200, 100}, {400, 100}});
  EXPECT_EQ(notes_.reads.size(), 1u);
  ExpectRead(*reader, 200, 100);
  ExpectRead(*reader, 0, 100);  // makes room for the third
  EXPECT_EQ(notes_.reads.size(), 3u);
  ExpectRead(*reader, 400, 100);
  EXPECT_EQ(notes_.reads.size(), 3u);
  EXPECT_EQ(budget_->free_bytes(), 150);
}

TEST_F(RangeCacheTest, AFailedFetchIsReadAgain) {
  auto reader = Make(1000, inline_);
  notes_.failures = 1;
  reader->WillRead(call_, std::vector<ByteRange>{{0, 100}});
  ExpectRead(*reader, 0, 100);
  notes_.failures = 3;
  std::string some(10, '\0');
  EXPECT_EQ(reader->ReadAt(call_, 500, some).code(), Code::kUnavailable);
  EXPECT_EQ(budget_->free_bytes(), 1000);
}

TEST_F(RangeCacheTest, ServesManyThreads) {
  ThreadPool pool({.name = "fetch", .threads = 3});
  ThreadPool readers({.name = "read", .threads = 4});
  for (int round = 0; round < 20; ++round) {
    auto reader = Make(10'000, pool, /*budget=*/round % 2 == 0 ? 10'000 : 350);
    std::vector<ByteRange> wanted;
    for (int64_t at = 0; at < 10'000; at += 130) wanted.push_back({at, 120});
    reader->WillRead(call_, wanted);
    Status all = ForEach(readers, wanted.size(), 4, [&](size_t i) -> Status {
      Call own(call_);
      std::string got(120, '\0');
      size_t length = std::min<size_t>(120, 10'000 - static_cast<size_t>(wanted[i].offset));
      got.resize(length);
      MORAINE_TRY(reader->ReadAt(own, wanted[i].offset, got));
      bool same = got == bytes_.substr(static_cast<size_t>(wanted[i].offset), length);
      return same ? Status() : Corruption("other bytes");
    });
    EXPECT_TRUE(all.ok()) << all.ToString();
  }
}

TEST_F(RangeCacheTest, MayBeDroppedWhileItFetches) {
  auto pool = std::make_unique<ThreadPool>(ThreadPool::Options{.name = "fetch", .threads = 2});
  for (int round = 0; round < 50; ++round) {
    auto reader = Make(10'000, *pool, 10'000);
    reader->WillRead(call_, std::vector<ByteRange>{{0, 10'000}});
  }
  pool.reset();
  EXPECT_EQ(budget_->free_bytes(), 10'000);
}

TEST_F(RangeCacheTest, AFetchThatThrowsKeepsNobodyWaiting) {
  ThreadPool pool({.name = "ahead", .threads = 1});
  auto reader = Make(400, pool);
  notes_.throws = 1;
  WillRead(call_, *reader, std::vector<ByteRange>{{0, 50}});
  while (notes_.count() == 0) SystemClock().SleepFor(Millis(1), {});
  ExpectRead(*reader, 0, 50);
  reader.reset();
  pool.Shutdown();
  EXPECT_EQ(budget_->free_bytes(), 1000);
}

}  // namespace
}  // namespace moraine::io
