#include "moraine/splice/packed_bits.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace moraine::splice {
namespace {

std::vector<uint32_t> RandomNumbers(std::mt19937* random, size_t count, uint64_t below) {
  std::vector<uint32_t> numbers(count);
  for (uint32_t& number : numbers) number = static_cast<uint32_t>((*random)() % below);
  return numbers;
}

std::string Packed(const std::vector<uint32_t>& numbers, int bit_width) {
  const size_t size = (numbers.size() + kGroup - 1) / kGroup * static_cast<size_t>(bit_width);
  std::string bytes(size + kSlackBytes, 'x');
  PackNumbers(numbers, bit_width, bytes.data());
  bytes.resize(size);
  return bytes;
}

std::string PackedOneByOne(const std::vector<uint32_t>& numbers, int bit_width) {
  std::string bytes((numbers.size() + kGroup - 1) / kGroup * static_cast<size_t>(bit_width), '\0');
  size_t bit = 0;
  for (uint32_t number : numbers) {
    for (int i = 0; i < bit_width; ++i, ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] | (number >> i & 1) << bit % 8);
    }
  }
  return bytes;
}

TEST(PackedBits, PacksAndUnpacksEveryWidth) {
  std::mt19937 random(1);
  for (int width = 1; width <= 32; ++width) {
    for (size_t count : {0, 1, 7, 8, 9, 64, 100, 1000}) {
      const std::vector<uint32_t> numbers = RandomNumbers(&random, count, uint64_t{1} << width);
      const std::string bytes = Packed(numbers, width);
      ASSERT_EQ(bytes, PackedOneByOne(numbers, width)) << width << " bits, " << count;
      const size_t needed = (count * static_cast<size_t>(width) + 7) / 8;
      for (size_t size = needed; size <= bytes.size(); ++size) {
        // A copy of its own: nothing behind it may be read.
        const std::vector<char> own(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
        std::vector<uint32_t> unpacked(count, 77);
        UnpackNumbers({own.data(), own.size()}, width, unpacked.data(), count);
        ASSERT_EQ(unpacked, numbers) << width << " bits, " << count;
      }
    }
  }
}

TEST(PackedBits, TranslatesWithoutUnpacking) {
  std::mt19937 random(2);
  for (int width = 1; width <= PackedTranslation::kMostTranslatedBits; ++width) {
    const uint64_t limit = uint64_t{1} << width;
    for (size_t known : {uint64_t{1}, limit / 2 + 1, limit}) {
      const std::vector<uint32_t> mapping = RandomNumbers(&random, known, limit);
      const PackedTranslation translation(mapping, width);
      for (size_t groups : {0, 1, 2, 50}) {
        std::vector<uint32_t> numbers = RandomNumbers(&random, groups * kGroup, known);
        const std::string bytes = Packed(numbers, width);
        const std::vector<char> own(bytes.begin(), bytes.end());
        std::string to(bytes.size() + kSlackBytes, 'x');
        ASSERT_TRUE(translation.Run({own.data(), own.size()}, groups, to.data()));
        to.resize(bytes.size());
        for (uint32_t& number : numbers) number = mapping[number];
        ASSERT_EQ(to, Packed(numbers, width)) << width << " bits, " << known << " known";
      }
    }
  }
}

TEST(PackedBits, SeesNumbersThatAreNotKnown) {
  for (int width = 1; width <= PackedTranslation::kMostTranslatedBits; ++width) {
    const std::vector<uint32_t> mapping = {1, 0};
    const uint32_t limit = uint32_t{1} << width;
    if (limit == mapping.size()) continue;
    const PackedTranslation translation(mapping, width);
    for (size_t at = 0; at < 3 * kGroup; ++at) {
      std::vector<uint32_t> numbers(3 * kGroup, 1);
      std::string to(3 * static_cast<size_t>(width) + kSlackBytes, '\0');
      EXPECT_TRUE(translation.Run(Packed(numbers, width), 3, to.data()));
      numbers[at] = 2 + static_cast<uint32_t>(at) % (limit - 2);
      EXPECT_FALSE(translation.Run(Packed(numbers, width), 3, to.data())) << width << ", " << at;
    }
  }
}

}  // namespace
}  // namespace moraine::splice
