#include "moraine/iceberg/data/metrics_mode.h"

#include <gtest/gtest.h>

#include "moraine/iceberg/testing/rows.h"

namespace moraine::iceberg {
namespace {

using Kind = MetricsMode::Kind;

TEST(MetricsMode, ParsesItsForms) {
  EXPECT_EQ(MetricsModeFromString("none"), MetricsMode::None());
  EXPECT_EQ(MetricsModeFromString("Counts"), (MetricsMode{Kind::kCounts, 0}));
  EXPECT_EQ(MetricsModeFromString(" FULL "), MetricsMode::Full());
  EXPECT_EQ(MetricsModeFromString("truncate(7)"), (MetricsMode{Kind::kTruncate, 7}));
  for (const char* bad : {"", "truncate", "truncate()", "truncate(0)", "truncate(-1)",
                          "truncate(x)", "truncate(99999999999)", "some"}) {
    EXPECT_FALSE(MetricsModeFromString(bad).has_value()) << bad;
  }
}

TEST(MetricsMode, ColumnsOverrideTheDefault) {
  const auto string = Type::Primitive(TypeKind::kString);
  const SchemaPtr schema = MakeSchema(
      {Optional(1, "a", string), Optional(2, "s", Type::Struct({Optional(3, "b", string)})),
       Optional(4, "l", Type::List(Optional(5, "element", string)))});
  auto modes = MetricsModes(*schema,
                            {{"write.metadata.metrics.default", "counts"},
                             {"write.metadata.metrics.column.s.b", "full"},
                             {"write.metadata.metrics.column.l.element", "nonsense"}},
                            {});
  EXPECT_EQ(modes.size(), 3u);
  EXPECT_EQ(modes[1].kind, Kind::kCounts);
  EXPECT_EQ(modes[3].kind, Kind::kFull);
  EXPECT_EQ(modes[5].kind, Kind::kCounts);
  modes = MetricsModes(*schema, {{"write.metadata.metrics.default", "none"}}, {3});
  EXPECT_EQ(modes[1], MetricsMode::None());
  EXPECT_EQ(modes[3], MetricsMode());
  EXPECT_EQ(MetricsModes(*schema, {}, {})[1], (MetricsMode{Kind::kTruncate, 16}));
}

TEST(MetricsMode, OnlyTheFirstLeavesAreInferred) {
  const auto type = Type::Primitive(TypeKind::kInt);
  const SchemaPtr schema = MakeSchema({Optional(1, "s", Type::Struct({Optional(2, "x", type)})),
                                       Optional(3, "a", type), Optional(4, "b", type)});
  const std::map<std::string, std::string> limit = {
      {"write.metadata.metrics.max-inferred-column-defaults", "2"}};
  auto modes = MetricsModes(*schema, limit, {});
  EXPECT_EQ(modes[3], MetricsMode());
  EXPECT_EQ(modes[4], MetricsMode());
  EXPECT_EQ(modes[2], MetricsMode::None());  // deeper, so later
  modes = MetricsModes(*schema, limit, {2});
  EXPECT_EQ(modes[2], MetricsMode());
}

TEST(MetricsMode, CutsBounds) {
  const TypePtr string = Type::Primitive(TypeKind::kString);
  const TypePtr binary = Type::Primitive(TypeKind::kBinary);
  const MetricsMode two{Kind::kTruncate, 2};
  struct {
    TypePtr type;
    std::string value;
    std::string lower;
    std::optional<std::string> upper;
  } cases[] = {
      {string, "ab", "ab", "ab"},
      {string, "abc", "ab", "ac"},
      {string, "a\xC3\xBC\xC3\xBC", "a\xC3\xBC", "a\xC3\xBD"},       // two-byte letters
      {string, "a\xED\x9F\xBFz", "a\xED\x9F\xBF", "a\xEE\x80\x80"},  // U+D7FF to U+E000
      {string, "a\xF4\x8F\xBF\xBFz", "a\xF4\x8F\xBF\xBF", "b"},      // U+10FFFF carries
      {string, "\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBFz", "\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF",
       std::nullopt},
      {string, "a\x7Fz", "a\x7F", "a\xC2\x80"},   // grows by a byte
      {string, "a\xFFz", "a\xFF", std::nullopt},  // not UTF-8
      {binary, std::string("\x01\xFF\x00", 3), "\x01\xFF", "\x02"},
      {binary, "\xFF\xFF\x01", "\xFF\xFF", std::nullopt},
      {Type::Primitive(TypeKind::kLong), "12345678", "12345678", "12345678"},
      {Type::Fixed(3), "abc", "abc", "abc"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(TruncateLowerBound(*c.type, c.value, two), c.lower);
    EXPECT_EQ(TruncateUpperBound(*c.type, c.value, two), c.upper);
    EXPECT_EQ(TruncateUpperBound(*c.type, c.value, MetricsMode::Full()), c.value);
  }
}

}  // namespace
}  // namespace moraine::iceberg
