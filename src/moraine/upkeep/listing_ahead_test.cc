#include "moraine/upkeep/listing_ahead.h"

#include <atomic>
#include <functional>
#include <new>
#include <stop_token>
#include <thread>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::upkeep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A store whose listings do what a test says before they answer.
class Lists final : public io::FileSystem {
 public:
  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    return inner.Open(call, location, known_size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return inner.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override {
    ++lists;
    if (before) MORAINE_TRY(before(call));
    return inner.List(call, prefix, after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return inner.DeleteMany(call, locations);
  }

  io::MemoryFileSystem inner;
  std::function<Status(Call&)> before;
  std::atomic<int> lists = 0;
};

class ListingAheadTest : public ::testing::Test {
 protected:
  void Put(const std::string& folder, int files) {
    for (int i = 0; i < files; ++i) files_.inner.Put(folder + std::to_string(i), "x", 0);
  }
  /// "FOLDER:FILES" of each page, and how it ended.
  std::pair<std::vector<std::string>, Status> All(const std::vector<std::string>& folders,
                                                  size_t page) {
    Call call = env_.call();
    ListingAhead listing(call, files_, folders, page);
    std::vector<std::string> pages;
    for (;;) {
      auto next = listing.Next();
      if (!next.ok()) return {pages, next.status()};
      if (!*next) return {pages, Status()};
      pages.push_back(std::to_string((*next)->folder) + ":" +
                      std::to_string((*next)->files.size()));
    }
  }

  testing::TestEnv env_;
  Lists files_;
};

TEST_F(ListingAheadTest, GivesAllPagesOfAllFoldersInOrder) {
  Put("file:///a/", 5);
  Put("file:///c/", 4);
  const auto [pages, status] = All({"file:///a/", "file:///b/", "file:///c/"}, 2);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(pages, ElementsAre("0:2", "0:2", "0:1", "1:0", "2:2", "2:2"));
  EXPECT_THAT(All({}, 2).first, IsEmpty());
  EXPECT_THAT(All({"file:///a/"}, 100).first, ElementsAre("0:5"));
}

TEST_F(ListingAheadTest, AnErrorEndsItAfterThePagesBefore) {
  Put("file:///a/", 9);
  files_.before = [&](Call&) { return files_.lists == 3 ? Unavailable("busy") : Status(); };
  auto [pages, status] = All({"file:///a/"}, 2);
  EXPECT_THAT(pages, ElementsAre("0:2", "0:2"));
  EXPECT_EQ(status.code(), Code::kUnavailable);
  files_.lists = 0;
  files_.before = [&](Call&) -> Status {
    if (files_.lists == 2) throw std::bad_alloc();
    return {};
  };
  std::tie(pages, status) = All({"file:///a/"}, 2);
  EXPECT_THAT(pages, ElementsAre("0:2"));
  EXPECT_EQ(status.code(), Code::kExhausted);
}

TEST_F(ListingAheadTest, ItIsOnePageAhead) {
  Put("file:///a/", 9);
  Call call = env_.call();
  ListingAhead listing(call, files_, {"file:///a/"}, 2);
  ASSERT_TRUE(listing.Next().ok());
  // One page waits, the next is made and has no room.
  while (files_.lists < 3) std::this_thread::yield();
  EXPECT_EQ(files_.lists, 3);
  ASSERT_TRUE(listing.Next().ok());
}

TEST_F(ListingAheadTest, EndsWithWhoeverWantsIt) {
  Put("file:///a/", 9);
  std::atomic<bool> waits = false;
  files_.before = [&](Call& call) -> Status {  // a store that never answers
    waits = true;
    while (call.Check().ok()) std::this_thread::yield();
    return call.Check();
  };
  {
    Call call = env_.call();
    const ListingAhead unwanted(call, files_, {"file:///a/"}, 2);
    while (!waits) std::this_thread::yield();
  }
  std::stop_source stop;
  Call call(env_.env(), std::chrono::hours(1), stop.get_token());
  ListingAhead listing(call, files_, {"file:///a/"}, 2);
  stop.request_stop();
  EXPECT_EQ(listing.Next().status().code(), Code::kCancelled);
}

}  // namespace
}  // namespace moraine::upkeep
