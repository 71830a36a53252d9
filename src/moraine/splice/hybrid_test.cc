#include "moraine/splice/hybrid.h"

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace moraine::splice {
namespace {

std::vector<uint32_t> RandomValues(std::mt19937* random, int bit_width) {
  const uint64_t limit = uint64_t{1} << bit_width;
  std::vector<uint32_t> values;
  while (values.size() < 500) {
    const size_t run = (*random)() % 4 == 0 ? 1 + (*random)() % 60 : 1;
    values.insert(values.end(), run, static_cast<uint32_t>((*random)() % limit));
  }
  values.resize((*random)() % values.size());
  return values;
}

TEST(Hybrid, GivesBackWhatItWasGiven) {
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    const int bit_width = round % 33;
    const std::vector<uint32_t> values = RandomValues(&random, bit_width);
    std::string bytes;
    EncodeHybrid(values, bit_width, &bytes);
    std::vector<uint32_t> read(values.size(), 99);
    const Status status = DecodeHybrid(bytes, bit_width, read);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(read, values) << "width " << bit_width;
  }
}

TEST(Hybrid, GivesTheSameInParts) {
  std::mt19937 random(11);
  for (int round = 0; round < 400; ++round) {
    const int bit_width = round % 33;
    const std::vector<uint32_t> values = RandomValues(&random, bit_width);
    std::string bytes;
    EncodeHybrid(values, bit_width, &bytes);
    HybridDecoder decoder(bytes, bit_width, values.size());
    std::vector<uint32_t> read(values.size(), 99);
    for (size_t at = 0; at < read.size();) {
      const size_t count = std::min<size_t>(random() % 50, read.size() - at);
      const Status status = decoder.Read(std::span(read).subspan(at, count));
      ASSERT_TRUE(status.ok()) << status.ToString();
      at += count;
    }
    EXPECT_EQ(read, values) << "width " << bit_width;
    if (bit_width == 0) continue;
    uint32_t behind = 0;
    EXPECT_EQ(decoder.Read(std::span(&behind, 1)).code(), Code::kCorruption);
  }
}

TEST(Hybrid, EndsWithAnErrorWhereBytesAreMissing) {
  std::mt19937 random(8);
  for (int bit_width = 1; bit_width <= 32; ++bit_width) {
    std::vector<uint32_t> values = RandomValues(&random, bit_width);
    values.resize(64, 1);
    std::string bytes;
    EncodeHybrid(values, bit_width, &bytes);
    for (size_t size = 0; size < bytes.size(); ++size) {
      std::vector<uint32_t> read(values.size());
      const Status status = DecodeHybrid(std::string_view(bytes).substr(0, size), bit_width, read);
      if (!status.ok()) {
        EXPECT_EQ(status.code(), Code::kCorruption);
      }
      if (size == 0) {
        EXPECT_FALSE(status.ok());
      }
    }
  }
}

TEST(Hybrid, TakesForeignBytesWithoutHarm) {
  std::mt19937 random(9);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes(random() % 20, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    std::vector<uint32_t> read(random() % 100);
    const Status status = DecodeHybrid(bytes, static_cast<int>(random() % 40) - 2, read);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), Code::kCorruption);
    }
  }
}

TEST(Hybrid, SeesOneRunWithoutUnpackingIt) {
  std::string bytes;
  EncodeRun(1000, 1, 1, &bytes);
  EXPECT_TRUE(IsOneRun(bytes, 1, 1000, 1));
  EXPECT_TRUE(IsOneRun(bytes, 1, 999, 1));
  EXPECT_FALSE(IsOneRun(bytes, 1, 1001, 1));
  EXPECT_FALSE(IsOneRun(bytes, 1, 1000, 0));
  EXPECT_FALSE(IsOneRun("", 1, 0, 1));
}

TEST(Hybrid, PacksInGroupsOfEight) {
  const std::vector<uint32_t> values = {0, 1, 2, 3, 4, 5, 6, 7};
  std::string bytes;
  EncodeHybrid(values, 3, &bytes);
  EXPECT_EQ(bytes, "\x03\x88\xC6\xFA");  // the example of the format's documentation
}

}  // namespace
}  // namespace moraine::splice
