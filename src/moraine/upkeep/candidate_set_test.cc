#include "moraine/upkeep/candidate_set.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::upkeep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> All(const CandidateSet& set) {
  std::vector<std::string> lines;
  const Status visited = set.Visit([&](const CandidateSet::Candidate& one) -> Status {
    lines.push_back(fmt::format("{} {} {}", one.path, one.bytes, one.kind));
    return {};
  });
  EXPECT_TRUE(visited.ok());
  return lines;
}

TEST(CandidateSet, GivesWhatIsLeftOnceByPath) {
  CandidateSet set;
  EXPECT_TRUE(set.empty());
  set.Erase(7);
  set.Add(7, "s3://b/t/data/z", 1, 0);
  set.Add(9, "s3://b/t/data/d=1/a", 2, 1);
  set.Add(7, "s3://b/t/data/z", 1, 0);
  set.Add(8, "s3://b/t/data/y", 3, 0);
  set.Add(UINT64_MAX, "name", 4, 1);
  EXPECT_EQ(set.size(), 4U);
  set.Erase(8);
  set.Erase(8);
  set.Erase(1);
  EXPECT_EQ(set.size(), 3U);
  EXPECT_THAT(All(set), ElementsAre("name 4 1", "s3://b/t/data/z 1 0", "s3://b/t/data/d=1/a 2 1"));
}

TEST(CandidateSet, GrowsAndForgetsTheUpperHalf) {
  CandidateSet set;
  // Hashes that all begin alike, and some that collide in their slots.
  const auto hash = [](uint64_t i) { return i % 2 == 0 ? i : i << 40; };
  for (uint64_t i = 0; i < 5'000; ++i) {
    set.Add(hash(i), fmt::format("file:///t/d={}/{:05}-{:0200}", i % 7, i, i), 1, 0);
  }
  const size_t held = set.held_bytes();
  EXPECT_EQ(set.size(), 5'000U);
  EXPECT_GT(held, 5'000U * 200);
  EXPECT_LT(held, 5'000U * 320);
  set.KeepUpTo(4'999);
  EXPECT_EQ(set.size(), 2'500U);
  EXPECT_LT(set.held_bytes(), held * 2 / 3);
  for (uint64_t i = 0; i < 5'000; i += 2) set.Erase(hash(i));
  EXPECT_TRUE(set.empty());
  EXPECT_THAT(All(set), IsEmpty());
}

TEST(CandidateSet, StopsWhereTheVisitorFails) {
  CandidateSet set;
  set.Add(1, "/a", 0, 0);
  set.Add(2, "/b", 0, 0);
  int seen = 0;
  const Status visited =
      set.Visit([&](const auto&) { return ++seen == 1 ? Unavailable("enough") : Status(); });
  EXPECT_EQ(visited.code(), Code::kUnavailable);
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace moraine::upkeep
