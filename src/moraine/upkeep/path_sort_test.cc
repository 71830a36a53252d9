#include "moraine/upkeep/path_sort.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::upkeep {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

Records All(PathSorter& sorter) {
  Records out;
  auto cursor = sorter.Sort();
  EXPECT_TRUE(cursor.ok()) << cursor.status().ToString();
  if (!cursor.ok()) return out;
  for (;;) {
    auto more = cursor->Next();
    EXPECT_TRUE(more.ok()) << more.status().ToString();
    if (!more.ok() || !*more) return out;
    out.emplace_back(cursor->key(), cursor->payload());
  }
}

struct Case {
  const char* name;
  int64_t memory_bytes;
  size_t max_runs;
  int records = 5000;
};

class PathSortSizes : public ::testing::TestWithParam<Case> {};

TEST_P(PathSortSizes, GivesEachRecordOnceInOrder) {
  testing::SeededRandom random(7);
  PathSorter sorter({.memory_bytes = GetParam().memory_bytes, .max_runs = GetParam().max_runs});
  std::set<std::pair<std::string, std::string>> expected;
  for (int i = 0; i < GetParam().records; ++i) {
    std::string key = fmt::format("/warehouse/db/t/data/day={}/{}.parquet", random.Next() % 7,
                                  random.Next() % 2000);
    if (random.Next() % 50 == 0) key.resize(random.Next() % key.size());
    if (random.Next() % 50 == 0) key += '\xff';
    const std::string payload = random.Next() % 4 == 0 ? "p" : "";
    ASSERT_TRUE(sorter.Add(key, payload).ok());
    expected.emplace(key, payload);
  }
  EXPECT_EQ(sorter.added(), GetParam().records);
  const Records want(expected.begin(), expected.end());
  EXPECT_EQ(All(sorter), want);
  EXPECT_EQ(All(sorter), want) << "a second pass";
  EXPECT_EQ(sorter.spilled_bytes() > 0, GetParam().memory_bytes < (1 << 20));
  EXPECT_EQ(sorter.Add("late").code(), Code::kInternal);
}

INSTANTIATE_TEST_SUITE_P(PathSort, PathSortSizes,
                         ::testing::Values(Case{"InMemory", int64_t{64} << 20, 64},
                                           Case{"Spilled", 128 << 10, 64},
                                           Case{"MergedInSteps", 64 << 10, 2},
                                           Case{"OneEach", 1, 3, 100}),
                         [](const auto& info) { return info.param.name; });

TEST(PathSort, OfNothingIsNothing) {
  PathSorter sorter({});
  EXPECT_TRUE(All(sorter).empty());
}

TEST(PathSort, RefusesALongName) {
  PathSorter sorter({});
  EXPECT_EQ(sorter.Add(std::string(70'000, 'x')).code(), Code::kInvalidArgument);
}

TEST(PathSort, SaysWhereItCouldNotSpill) {
  PathSorter sorter({.memory_bytes = 1, .spill_folder = "/no/such/folder"});
  EXPECT_EQ(sorter.Add("a").code(), Code::kNotFound);
}

}  // namespace
}  // namespace moraine::upkeep
