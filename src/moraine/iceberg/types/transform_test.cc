#include "moraine/iceberg/types/transform.h"

#include <limits>

#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/decimal.h"
#include "moraine/iceberg/types/uuid.h"

namespace moraine::iceberg {
namespace {

TypePtr T(std::string_view text) { return *Type::FromString(text); }
Transform Tr(std::string_view text) { return *Transform::FromString(text); }

constexpr int64_t kTimestamp = 1510871468000000;  // 2017-11-16T22:31:08

TEST(BucketHash, GivesTheVectorsOfTheSpec) {
  struct Case {
    const char* type;
    Value value;
    int32_t hash;
  };
  for (const Case& c : std::vector<Case>{
           {"int", int32_t{34}, 2017239379},
           {"long", int64_t{34}, 2017239379},
           {"int", int32_t{1}, 1392991556},
           {"int", int32_t{0}, 1669671676},
           {"int", int32_t{-1}, 1651860712},
           {"decimal(9, 2)", Int128{1420}, -500754589},
           {"decimal(9, 2)", Int128{-1420}, 667775751},
           {"date", int32_t{17486}, -653330422},
           {"time", int64_t{81068000000}, -662762989},
           {"timestamp", kTimestamp, -2047944441},
           {"timestamp", kTimestamp + 1, -1207196810},
           {"timestamptz", kTimestamp, -2047944441},
           {"timestamp_ns", kTimestamp * 1000, -2047944441},
           {"timestamp_ns", kTimestamp * 1000 + 1001, -1207196810},
           {"timestamptz_ns", kTimestamp * 1000 + 1001, -1207196810},
           {"string", std::string("iceberg"), 1210000089},
           {"string", std::string(), 0},
           {"uuid", *UuidFromText("f79c3e09-677c-4bbd-a479-3f349cb785e7"), 1488055340},
           {"fixed[4]", *HexDecode("00010203"), -188683207},
           {"binary", *HexDecode("00010203"), -188683207},
           {"boolean", true, 1392991556},
           {"float", 1.0f, -142385009},
           {"double", 1.0, -142385009},
           {"double", 0.0, 1669671676},
           {"double", -0.0, 1669671676},
       }) {
    EXPECT_EQ(BucketHash(*T(c.type), c.value), c.hash)
        << c.type << " " << ValueToText(*T(c.type), c.value);
  }
}

TEST(Transform, AppliesAsTheSpecSays) {
  struct Case {
    const char* transform;
    const char* type;
    Value value;
    Value expected;
    const char* text;
  };
  auto s = [](const char* text) { return Value(std::string(text)); };
  for (const Case& c : std::vector<Case>{
           {"identity", "int", int32_t{5}, int32_t{5}, "5"},
           {"identity", "date", int32_t{17486}, int32_t{17486}, "2017-11-16"},
           {"identity", "string", s("a/b"), s("a/b"), "a/b"},
           {"bucket[16]", "string", s("iceberg"), int32_t{9}, "9"},
           {"bucket[16]", "int", int32_t{34}, int32_t{3}, "3"},
           {"bucket[16]", "decimal(9, 2)", Int128{1420}, int32_t{3}, "3"},
           {"bucket[16]", "int", int32_t{-1}, int32_t{8}, "8"},
           {"truncate[10]", "int", int32_t{1}, int32_t{0}, "0"},
           {"truncate[10]", "int", int32_t{-1}, int32_t{-10}, "-10"},
           {"truncate[10]", "long", int64_t{19}, int64_t{10}, "10"},
           {"truncate[10]", "int", std::numeric_limits<int32_t>::min(), int32_t{2147483646},
            "2147483646"},
           {"truncate[2147483647]", "int", int32_t{-1}, int32_t{-2147483647}, "-2147483647"},
           {"truncate[50]", "decimal(9, 2)", Int128{1065}, Int128{1050}, "10.50"},
           {"truncate[50]", "decimal(9, 2)", Int128{-5}, Int128{-50}, "-0.50"},
           {"truncate[3]", "string", s("iceberg"), s("ice"), "ice"},
           {"truncate[10]", "string", s("iceberg"), s("iceberg"), "iceberg"},
           {"truncate[2]", "string", s("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
            s("\xc3\xa4\xe2\x82\xac"), "\xc3\xa4\xe2\x82\xac"},
           {"truncate[2]", "binary", *HexDecode("010203"), *HexDecode("0102"), "AQI="},
           {"year", "date", int32_t{17486}, int32_t{47}, "2017"},
           {"year", "date", int32_t{-1}, int32_t{-1}, "1969"},
           {"month", "date", int32_t{17486}, int32_t{574}, "2017-11"},
           {"month", "date", int32_t{-1}, int32_t{-1}, "1969-12"},
           {"month", "date", int32_t{-366}, int32_t{-13}, "1968-12"},
           {"day", "date", int32_t{-1}, int32_t{-1}, "1969-12-31"},
           {"year", "timestamp", kTimestamp, int32_t{47}, "2017"},
           {"month", "timestamptz", kTimestamp, int32_t{574}, "2017-11"},
           {"day", "timestamp", kTimestamp, int32_t{17486}, "2017-11-16"},
           {"hour", "timestamp", kTimestamp, int32_t{419686}, "2017-11-16-22"},
           {"hour", "timestamp_ns", kTimestamp * 1000, int32_t{419686}, "2017-11-16-22"},
           {"year", "timestamp", int64_t{-1}, int32_t{-1}, "1969"},
           {"month", "timestamp", int64_t{-1}, int32_t{-1}, "1969-12"},
           {"day", "timestamp", int64_t{-1}, int32_t{-1}, "1969-12-31"},
           {"hour", "timestamp", int64_t{-1}, int32_t{-1}, "1969-12-31-23"},
           {"hour", "timestamptz_ns", int64_t{-1}, int32_t{-1}, "1969-12-31-23"},
           {"void", "int", int32_t{5}, Value(), "null"},
       }) {
    SCOPED_TRACE(std::string(c.transform) + " of " + ValueToText(*T(c.type), c.value));
    Transform transform = Tr(c.transform);
    TypePtr type = T(c.type);
    EXPECT_TRUE(transform.Accepts(*type));
    Value result = transform.Apply(*type, c.value);
    EXPECT_TRUE(SameValue(result, c.expected)) << ValueToText(*transform.ResultType(type), result);
    EXPECT_EQ(transform.ToHumanText(*transform.ResultType(type), result), c.text);
    EXPECT_TRUE(IsNull(transform.Apply(*type, Value())));
  }
}

TEST(Transform, TakesTheTypesOfTheSpec) {
  const std::vector<std::string> types = {
      "boolean",  "int",  "long",      "float",       "double",       "decimal(9, 2)",
      "date",     "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns",
      "string",   "uuid", "fixed[4]",  "binary",      "variant",      "geometry",
      "geography"};
  struct Case {
    const char* transform;
    std::string takes;  // one letter per type
  };
  for (const Case& c : std::vector<Case>{{"identity", "yyyyyyyyyyyyyyyynnn"},
                                         {"bucket[4]", "nyynnyyyyyyyyyyynnn"},
                                         {"truncate[4]", "nyynnynnnnnnynnynnn"},
                                         {"year", "nnnnnnynyyyynnnnnnn"},
                                         {"month", "nnnnnnynyyyynnnnnnn"},
                                         {"day", "nnnnnnynyyyynnnnnnn"},
                                         {"hour", "nnnnnnnnyyyynnnnnnn"},
                                         {"void", "yyyyyyyyyyyyyyyyyyy"}}) {
    std::string takes;
    for (const std::string& type : types) takes += Tr(c.transform).Accepts(*T(type)) ? 'y' : 'n';
    EXPECT_EQ(takes, c.takes) << c.transform;
  }
}

TEST(Transform, ResultTypes) {
  struct Case {
    const char* transform;
    const char* source;
    const char* result;
  };
  for (const Case& c : std::vector<Case>{{"identity", "uuid", "uuid"},
                                         {"bucket[4]", "string", "int"},
                                         {"truncate[4]", "decimal(9, 2)", "decimal(9, 2)"},
                                         {"year", "date", "int"},
                                         {"month", "date", "int"},
                                         {"day", "timestamp", "date"},
                                         {"hour", "timestamp", "int"},
                                         {"void", "string", "string"},
                                         {"zorder", "int", "unknown"}}) {
    EXPECT_EQ(Tr(c.transform).ResultType(T(c.source))->ToString(), c.result) << c.transform;
  }
}

TEST(Transform, ParsesItsText) {
  struct Case {
    const char* text;
    const char* printed;
    Transform::Kind kind;
    int32_t width;
  };
  using Kind = Transform::Kind;
  for (const Case& c : std::vector<Case>{
           {"identity", "identity", Kind::kIdentity, 0},
           {"Identity", "identity", Kind::kIdentity, 0},
           {"BUCKET[16]", "bucket[16]", Kind::kBucket, 16},
           {"truncate[2147483647]", "truncate[2147483647]", Kind::kTruncate, 2147483647},
           {"bucket", "bucket", Kind::kUnknown, 0},
           {"bucket[-1]", "bucket[-1]", Kind::kUnknown, 0},
           {"bucket[]", "bucket[]", Kind::kUnknown, 0},
           {"zOrder[3]", "zOrder[3]", Kind::kUnknown, 0},
           {"", "", Kind::kUnknown, 0}}) {
    auto transform = Transform::FromString(c.text);
    ASSERT_TRUE(transform.ok()) << c.text;
    EXPECT_EQ(transform->ToString(), c.printed);
    EXPECT_EQ(transform->kind(), c.kind);
    EXPECT_EQ(transform->width(), c.width);
  }
  for (const char* text :
       {"bucket[0]", "truncate[0]", "bucket[2147483648]", "bucket[99999999999999999999]"}) {
    EXPECT_EQ(Transform::FromString(text).status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(Transform, OrderIsKeptByAllButBucketVoidAndUnknown) {
  for (const char* text : {"identity", "truncate[3]", "year", "month", "day", "hour"}) {
    EXPECT_TRUE(Tr(text).preserves_order()) << text;
  }
  for (const char* text : {"bucket[3]", "void", "zorder"})
    EXPECT_FALSE(Tr(text).preserves_order()) << text;
}

}  // namespace
}  // namespace moraine::iceberg
