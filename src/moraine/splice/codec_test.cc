#include "moraine/splice/codec.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

namespace moraine::splice {
namespace {

std::string RandomBytes(size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Numbers of a few bytes each, as they stand in plain pages.
std::string Numbers(size_t count, uint32_t below) {
  std::mt19937 random(below);
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const int64_t number = random() % below;
    bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  return bytes;
}

std::string Unpacked(PageCodecs* codecs, std::string_view packed, size_t size) {
  std::string bytes;
  const Status status = codecs->Decompress(codecs->codec(), packed, size, &bytes);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return bytes;
}

TEST(PageCodecs, GivesBackWhatWasStored) {
  for (int32_t codec : {kUncompressed, kZstd, 1}) {
    PageCodecs codecs(codec, 3);
    for (size_t size : {0, 1, 255, 256, 131071, 131072, 131073, 300000}) {
      const std::string bytes = RandomBytes(size);
      std::string packed = "before";
      ASSERT_TRUE(codecs.Store(bytes, &packed).ok());
      ASSERT_EQ(packed.substr(0, 6), "before");
      packed.erase(0, 6);
      EXPECT_EQ(Unpacked(&codecs, packed, size), bytes) << size;
      EXPECT_LE(packed.size(), size + size / 1000 + 32);
    }
  }
}

TEST(PageCodecs, PacksNumbersNoWorseThanTheTableAsksFor) {
  for (int level : {1, 3, 9}) {
    for (uint32_t below : {2U, 1000U, 200000U, 10000000U}) {
      PageCodecs codecs(kZstd, level);
      NumberTrials trials;
      const std::string bytes = Numbers(4000, below);
      std::string usual;
      ASSERT_TRUE(codecs.Compress(bytes, &usual).ok());
      for (int page = 0; page < 34; ++page) {
        std::string packed = "before";
        ASSERT_TRUE(codecs.CompressNumbers(bytes, &trials, &packed).ok());
        packed.erase(0, 6);
        ASSERT_EQ(Unpacked(&codecs, packed, bytes.size()), bytes);
        EXPECT_LE(packed.size(), usual.size() + usual.size() / 100);
      }
    }
  }
}

}  // namespace
}  // namespace moraine::splice
