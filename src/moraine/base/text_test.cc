#include "moraine/base/text.h"

#include <gtest/gtest.h>

namespace moraine {
namespace {

TEST(Text, Base64RoundTrips) {
  for (std::string bytes : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    EXPECT_EQ(*Base64Decode(Base64Encode(bytes)), bytes);
  }
  EXPECT_EQ(Base64Encode("foobar"), "Zm9vYmFy");
  EXPECT_FALSE(Base64Decode("abc").ok());
  EXPECT_FALSE(Base64Decode("a=bc").ok());
}

TEST(Text, PercentDecodesOnlyWholeEscapes) {
  EXPECT_EQ(*PercentDecode("a%20b%1F"), std::string("a b\x1f"));
  EXPECT_FALSE(PercentDecode("a%2").ok());
  EXPECT_FALSE(PercentDecode("a%zz").ok());
  EXPECT_EQ(PercentEncode("a b/c", "/"), "a%20b/c");
}

TEST(Text, ReadsSizesAndDurations) {
  EXPECT_EQ(*ParseByteSize("512MiB"), 512LL << 20);
  EXPECT_EQ(*ParseByteSize("1.5k"), 1536);
  EXPECT_EQ(*ParseByteSize("2GB"), 2000000000);
  EXPECT_FALSE(ParseByteSize("2 parsecs").ok());
  EXPECT_EQ(*ParseDuration("90s"), Millis(90000));
  EXPECT_EQ(*ParseDuration("250"), Millis(250));
  EXPECT_FALSE(ParseDuration("soon").ok());
}

TEST(Text, SuggestsTheNearestName) {
  EXPECT_EQ(Nearest("lisen", {"listen", "store"}), "listen");
  EXPECT_EQ(Nearest("zzzzzz", {"listen", "store"}), "");
}

TEST(Text, PrintsTime) {
  EXPECT_EQ(FormatTime(FromMillis(1700000000123)), "2023-11-14T22:13:20.123Z");
}

}  // namespace
}  // namespace moraine
