#include "moraine/base/gzip.h"

#include <gtest/gtest.h>

namespace moraine {
namespace {

std::string Squeeze(std::string_view text, int level = 1) {
  std::string_view pieces[] = {text.substr(0, text.size() / 3), "", text.substr(text.size() / 3)};
  return GzipCompress(pieces, level);
}

TEST(Gzip, RoundTripsEverySize) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{1000}, size_t{16384}, size_t{3'000'000}}) {
    std::string text;
    for (size_t i = 0; i < size; ++i) text += static_cast<char>((i * i) >> (i % 7));
    auto back = GzipDecompress(Squeeze(text), size);
    ASSERT_TRUE(back.ok()) << size << " " << back.status().ToString();
    EXPECT_EQ(*back, text) << size;
  }
}

TEST(Gzip, StopsAtTheLimit) {
  std::string bomb = Squeeze(std::string(10'000'000, 'x'), 9);
  EXPECT_EQ(GzipDecompress(bomb, 9'999'999).status().code(), Code::kExhausted);
  EXPECT_TRUE(GzipDecompress(bomb, 10'000'000).ok());
}

TEST(Gzip, ReadsSeveralMembers) {
  auto back = GzipDecompress(Squeeze("one ") + Squeeze("two"), 100);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, "one two");
}

TEST(Gzip, RefusesDamage) {
  std::string good = Squeeze("some text that is long enough to be cut in the middle of it");
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(GzipDecompress(good.substr(0, size), 1000).status().code(), Code::kCorruption)
        << size;
  }
  EXPECT_EQ(GzipDecompress(good + "junk", 1000).status().code(), Code::kCorruption);
  EXPECT_EQ(GzipDecompress("plain", 1000).status().code(), Code::kCorruption);
  std::string flipped = good;
  flipped[flipped.size() - 6] ^= 1;  // the checksum
  EXPECT_EQ(GzipDecompress(flipped, 1000).status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace moraine
