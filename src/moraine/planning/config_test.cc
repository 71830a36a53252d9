#include "moraine/planning/config.h"

#include <gtest/gtest.h>

namespace moraine::planning {
namespace {

TEST(Config, SaysWhatItCantReadAndTakesTheDefault) {
  struct Case {
    std::string key, value, problem;
  };
  for (const Case& c : std::vector<Case>{
           {"quota", "banana",
            "self-optimizing.quota is 'banana', expected a number from 0 to 100000; its default is"
            " used"},
           {"enabled", "maybe",
            "self-optimizing.enabled is 'maybe', expected true or false; its default is used"},
           {"enabeld", "false",
            "self-optimizing.enabeld is not a property of self-optimizing; did you mean"
            " self-optimizing.enabled?"},
           {"zzzzzzzz.qqqq", "1",
            "self-optimizing.zzzzzzzz.qqqq is not a property of self-optimizing"},
           {"target-size", "134217728", ""},
           {"max-file-count", "10000", ""},
           {"refresh-table.adaptive.max-interval-ms", "0", ""}}) {
    auto config = ConfigOf({{"self-optimizing." + c.key, c.value}, {"write.other", "x"}});
    EXPECT_EQ(config.problems,
              c.problem.empty() ? std::vector<std::string>() : std::vector<std::string>{c.problem});
    EXPECT_EQ(config.quota, 0.5);
    EXPECT_TRUE(config.enabled);
  }
}

TEST(Config, AMisspeltNameIsNamed) {
  struct Case {
    std::string key;
    std::string meant;  ///< empty: nobody's business
  };
  for (const Case& c :
       std::vector<Case>{{"self-optimising.enabled", "self-optimizing.enabled"},
                         {"self_optimizing.group", "self-optimizing.group"},
                         {"write.parquet.row-group-size", "write.parquet.row-group-size-bytes"},
                         {"write.parquet.compresion-codec", "write.parquet.compression-codec"},
                         {"write.parquet.compression-codec", ""},
                         {"write.parquet.bloom-filter-enabled.column.a", ""},
                         {"write.parquet.something-of-our-own", ""},
                         {"write.target-file-size-bytes", ""},
                         {"selfless", ""},
                         {"owner", ""}}) {
    const auto config = ConfigOf({{c.key, "x"}});
    if (c.meant.empty()) {
      EXPECT_TRUE(config.problems.empty()) << c.key << ": " << config.problems[0];
      continue;
    }
    ASSERT_EQ(config.problems.size(), 1U) << c.key;
    EXPECT_EQ(config.problems[0],
              c.key + " is not a property that is known; did you mean " + c.meant + "?");
  }
}

}  // namespace
}  // namespace moraine::planning
