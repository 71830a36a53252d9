// Deletion vectors: our bytes and back, Spark's bytes, and bytes that are broken in one place each.

#include "moraine/iceberg/deletes/deletion_vector.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include <gtest/gtest.h>
#include <libdeflate.h>

namespace moraine::iceberg {
namespace {

PositionSet SetOf(const std::vector<int64_t>& positions) {
  PositionSet set;
  for (int64_t position : positions) set.Add(position);
  return set;
}

std::string Little(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

std::string Big(uint32_t value) {
  const std::string little = Little(value, 4);
  return {little.rbegin(), little.rend()};
}

/// Puts a bitmap into a blob with a right checksum.
std::string BlobOf(const std::string& bitmap) {
  const std::string body = "\xD1\xD3\x39\x64" + bitmap;
  return Big(static_cast<uint32_t>(body.size())) + body +
         Big(libdeflate_crc32(0, body.data(), body.size()));
}

TEST(DeletionVector, ComesBackAsItWas) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<int64_t> positions;
    // Arrays, bitsets and runs, in several containers and beyond 32 bits.
    const int64_t range = int64_t{1} << (4 + seed);
    for (int i = 0; i < 3000; ++i) positions.push_back(static_cast<int64_t>(random() % range));
    for (int64_t i = 0; i < 9000; ++i) positions.push_back(200000 + i * (1 + seed % 3));
    std::sort(positions.begin(), positions.end());
    positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
    const auto blob = EncodeDeletionVector(SetOf(positions));
    ASSERT_TRUE(blob.ok());
    const auto back = DecodeDeletionVector(*blob);
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(back->ToVector(), positions);
    EXPECT_EQ(*EncodeDeletionVector(*back), *blob);
  }
}

TEST(DeletionVector, HoldsTheHighestPositionAndNone) {
  const std::vector<int64_t> extremes = {0, UINT32_MAX, int64_t{1} << 32, INT64_MAX};
  EXPECT_EQ(DecodeDeletionVector(*EncodeDeletionVector(SetOf(extremes)))->ToVector(), extremes);
  EXPECT_TRUE(DecodeDeletionVector(*EncodeDeletionVector(PositionSet()))->empty());
}

TEST(DeletionVector, IsWrittenAsSparkWritesIt) {
  // The second vector in a Puffin file of tests/golden/spark_v3: position 0.
  std::ifstream file(MORAINE_TEST_DATA_DIR
                     "/golden/spark_v3/lineage/data/"
                     "00000-7-0e5fc1d8-e40e-4f14-9bc0-1b71c3694848-00001-deletes.puffin",
                     std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  const std::string blob = bytes.substr(46, 42);
  const auto positions = DecodeDeletionVector(blob);
  ASSERT_TRUE(positions.ok()) << positions.status().ToString();
  EXPECT_EQ(positions->ToVector(), std::vector<int64_t>{0});
  EXPECT_EQ(*EncodeDeletionVector(SetOf({0})), blob);
}

TEST(DeletionVector, TakesEmptyBitmapsBetween) {
  const std::string none = Little(12346, 4) + Little(0, 4);
  const std::string one =
      Little(12346, 4) + Little(1, 4) + Little(0, 4) + Little(16, 4) + Little(7, 2);
  const auto dense =
      DecodeDeletionVector(BlobOf(Little(2, 8) + Little(0, 4) + none + Little(1, 4) + one));
  ASSERT_TRUE(dense.ok()) << dense.status().ToString();
  EXPECT_EQ(dense->ToVector(), std::vector<int64_t>{(int64_t{1} << 32) + 7});
}

TEST(DeletionVector, RefusesBrokenBytes) {
  const std::string array_of_two =
      Little(12346, 4) + Little(1, 4) + Little(1 << 16, 4) + Little(16, 4);
  const std::string one_run = Little(12347, 4) + Little(1, 1);
  const auto part = [](const std::string& bitmap) { return Little(1, 8) + Little(0, 4) + bitmap; };
  const std::pair<const char*, std::string> cases[] = {
      {"no count", Little(0, 4)},
      {"more parts than bytes", Little(UINT64_MAX, 8)},
      {"a part without its bitmap", Little(1, 8) + Little(0, 4)},
      {"key above 31 bits", Little(1, 8) + Little(0x80000000, 4) + Little(12346, 4) + Little(0, 4)},
      {"equal keys", Little(2, 8) + Little(0, 4) + Little(12346, 4) + Little(0, 4) + Little(0, 4) +
                         Little(12346, 4) + Little(0, 4)},
      {"cookie", part(Little(12345, 4) + Little(0, 4))},
      {"too many containers", part(Little(12346, 4) + Little(65537, 4))},
      {"values that fall", part(array_of_two + Little(5, 2) + Little(4, 2))},
      {"equal values", part(array_of_two + Little(5, 2) + Little(5, 2))},
      {"values that are not there", part(array_of_two + Little(5, 2))},
      {"bytes behind", part(array_of_two + Little(5, 2) + Little(6, 2) + "x")},
      {"a bitset of another count", part(Little(12346, 4) + Little(1, 4) + Little(5000 << 16, 4) +
                                         Little(16, 4) + std::string(8192, '\0'))},
      {"a run of another count",
       part(one_run + Little(0, 4) + Little(1, 2) + Little(0, 2) + Little(5, 2))},
      {"a run past the end",
       part(one_run + Little(5 << 16, 4) + Little(1, 2) + Little(65535, 2) + Little(5, 2))},
      {"runs that overlap", part(one_run + Little(11 << 16, 4) + Little(2, 2) + Little(0, 2) +
                                 Little(5, 2) + Little(3, 2) + Little(5, 2))},
  };
  for (const auto& [name, bitmap] : cases) {
    const auto read = DecodeDeletionVector(BlobOf(bitmap));
    EXPECT_EQ(read.status().code(), Code::kCorruption) << name;
  }
}

TEST(DeletionVector, EveryByteIsUnderTheChecksum) {
  const std::string blob = *EncodeDeletionVector(SetOf({1, 5, 70000}));
  for (size_t at = 0; at < blob.size(); ++at) {
    std::string broken = blob;
    broken[at] = static_cast<char>(broken[at] ^ 0x10);
    EXPECT_EQ(DecodeDeletionVector(broken).status().code(), Code::kCorruption) << at;
    EXPECT_EQ(DecodeDeletionVector(std::string_view(blob).substr(0, at)).status().code(),
              Code::kCorruption)
        << at;
  }
}

}  // namespace
}  // namespace moraine::iceberg
