#include "moraine/iceberg/types/type.h"

#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

TypePtr T(std::string_view text) { return *Type::FromString(text); }

TEST(Type, TextGoesBothWays) {
  for (const char* text : {"unknown",
                           "boolean",
                           "int",
                           "long",
                           "float",
                           "double",
                           "decimal(9, 2)",
                           "decimal(38, 0)",
                           "date",
                           "time",
                           "timestamp",
                           "timestamptz",
                           "timestamp_ns",
                           "timestamptz_ns",
                           "string",
                           "uuid",
                           "fixed[16]",
                           "fixed[0]",
                           "binary",
                           "variant",
                           "geometry",
                           "geometry(srid:4326)",
                           "geography",
                           "geography(EPSG:4326)",
                           "geography(OGC:CRS84, karney)"}) {
    auto type = Type::FromString(text);
    ASSERT_TRUE(type.ok()) << text;
    EXPECT_EQ((*type)->ToString(), text);
  }
}

TEST(Type, ToleratesBlanksAndSpelledOutDefaults) {
  EXPECT_EQ(T("decimal(9,2)")->ToString(), "decimal(9, 2)");
  EXPECT_EQ(T(" decimal( 9 ,  2 ) ")->ToString(), "decimal(9, 2)");
  EXPECT_EQ(T("fixed[ 16 ]")->ToString(), "fixed[16]");
  EXPECT_EQ(T("geometry(OGC:CRS84)")->ToString(), "geometry");
  EXPECT_EQ(T("geography(OGC:CRS84,spherical)")->ToString(), "geography");
}

TEST(Type, RefusesWhatIsNoType) {
  for (const char* text : {"",
                           " ",
                           "Int",
                           "integer",
                           "decimal",
                           "decimal()",
                           "decimal(9)",
                           "decimal(0, 0)",
                           "decimal(39, 0)",
                           "decimal(9, -1)",
                           "decimal(9, 39)",
                           "decimal(9, 2",
                           "decimal(9, 2, 1)",
                           "decimal(a, b)",
                           "fixed",
                           "fixed(16)",
                           "fixed[]",
                           "fixed[-1]",
                           "fixed[2147483648]",
                           "fixed[x]",
                           "geometry()",
                           "geometry( )",
                           "geography(a, b)",
                           "geography(a, karney, c)",
                           "struct",
                           "list",
                           "(",
                           ")",
                           "[]"}) {
    EXPECT_EQ(Type::FromString(text).status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(Type, PromotesAsTheSpecSays) {
  struct Case {
    const char* from;
    const char* to;
    int since;  // format version, 0 = never
  };
  for (const Case& c : std::vector<Case>{{"int", "int", 1},
                                         {"int", "long", 1},
                                         {"long", "int", 0},
                                         {"int", "float", 0},
                                         {"float", "double", 1},
                                         {"double", "float", 0},
                                         {"decimal(9, 2)", "decimal(10, 2)", 1},
                                         {"decimal(9, 2)", "decimal(9, 3)", 0},
                                         {"decimal(9, 2)", "decimal(8, 2)", 0},
                                         {"date", "timestamp", 3},
                                         {"date", "timestamp_ns", 3},
                                         {"date", "timestamptz", 0},
                                         {"unknown", "string", 3},
                                         {"string", "binary", 0},
                                         {"timestamp", "timestamp_ns", 0}}) {
    for (int version = 1; version <= 3; ++version) {
      EXPECT_EQ(CanPromote(*T(c.from), *T(c.to), version), c.since != 0 && version >= c.since)
          << c.from << " to " << c.to << " in v" << version;
    }
  }
}

TEST(Type, EqualityLooksAtEveryParameter) {
  EXPECT_TRUE(*T("decimal(9, 2)") == *T("decimal(9,2)"));
  EXPECT_FALSE(*T("decimal(9, 2)") == *T("decimal(9, 3)"));
  EXPECT_FALSE(*T("fixed[1]") == *T("fixed[2]"));
  EXPECT_FALSE(*T("geography") == *T("geography(OGC:CRS84, karney)"));
  auto list = [](bool required) { return Type::List(Field{2, "x", required, T("int")}); };
  EXPECT_TRUE(*list(true) == *list(true));
  EXPECT_FALSE(*list(true) == *list(false));
}

}  // namespace
}  // namespace moraine::iceberg
