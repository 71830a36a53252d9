#include "moraine/io/location.h"

#include <gtest/gtest.h>

namespace moraine::io {
namespace {

TEST(Location, Normalizes) {
  struct Case {
    std::string_view in, out;
  };
  for (const Case& c : std::vector<Case>{
           {"/a/b", "file:///a/b"},
           {"file:/a/b/", "file:///a/b"},
           {"file:///a//b/./c", "file:///a/b/c"},
           {"FILE://localhost/a", "file:///a"},
           {"/", "file:///"},
           {"/a/../b", "file:///b"},
           {"/a/%2e%2E/b", "file:///b"},
           {"/a/%62%2f%c3", "file:///a/b%2F%C3"},
           {"/a/100%", "file:///a/100%25"},
           {"/a/%%36%31", "file:///a/%2561"},
           {"s3a://Bucket/x/", "s3://bucket/x"},
           {"s3n://b", "s3://b"},
           {"gs://b/x//y", "gs://b/x/y"},
           {"abfs://c@a.dfs.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/x"},
           {"wasbs://c@A.blob.core.windows.net/x/", "abfss://c@a.dfs.core.windows.net/x"},
           {"wasb://c@a.blob.blob.x/y", "abfss://c@a.dfs.dfs.x/y"},
           {"hdfs://Host:8020/x", "hdfs://host:8020/x"},
           {"s3://b/%7Ex", "s3://b/~x"},
           {"/a/ä b", "file:///a/ä b"},
       }) {
    Result<std::string> got = NormalizeLocation(c.in);
    ASSERT_TRUE(got.ok()) << c.in << ": " << got.status().ToString();
    EXPECT_EQ(*got, c.out) << c.in;
    EXPECT_EQ(*NormalizeLocation(*got), *got) << "not a fixed point";
  }
}

TEST(Location, RefusesWhatIsNoPlace) {
  for (std::string_view bad : {"", "a/b", "file:a", "/..", "/a/../..", "s3://b/..", "s3:///x",
                               "file://host/a", "/a\nb", "1x://b/c", "/a/%2e%2e/%2E%2E/x"}) {
    EXPECT_EQ(NormalizeLocation(bad).status().code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(NormalizeLocation(std::string_view("/a\0b", 4)).ok());
}

TEST(Location, KnowsInside) {
  EXPECT_TRUE(IsInside("file:///w/db/t", "/w"));
  EXPECT_TRUE(IsInside("/w", "file:/w/"));
  EXPECT_TRUE(IsInside("/anything", "/"));
  EXPECT_TRUE(IsInside("s3a://B/w/x", "s3://b/w"));
  EXPECT_TRUE(IsInside("s3://b/w", "s3://b"));
  EXPECT_FALSE(IsInside("/w2/t", "/w"));
  EXPECT_FALSE(IsInside("/w/../etc/passwd", "/w"));
  EXPECT_FALSE(IsInside("/w/%2e%2e/etc", "/w"));
  EXPECT_FALSE(IsInside("s3://b2/w", "s3://b"));
  EXPECT_FALSE(IsInside("w/x", "/w"));
  EXPECT_FALSE(IsInside("/w", "/w/x"));
}

TEST(Location, Joins) {
  EXPECT_EQ(JoinLocation("s3://b/a/", "/x/y"), "s3://b/a/x/y");
  EXPECT_EQ(JoinLocation("/a", "b"), "/a/b");
  EXPECT_EQ(JoinLocation("/", "b"), "/b");
  EXPECT_EQ(JoinLocation("file:///", "b"), "file:///b");
  EXPECT_EQ(BaseName("s3://b/a/x.parquet"), "x.parquet");
  EXPECT_EQ(BaseName("x"), "x");
}

}  // namespace
}  // namespace moraine::io
