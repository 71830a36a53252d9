// Theta sketches against the bytes of Apache DataSketches: tests/golden/theta is what its C++
// library (Python package datasketches 5.2) makes of the
// same values.

#include "moraine/iceberg/sketches/theta_sketch.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/sketches/theta_hash.h"

namespace moraine::iceberg {
namespace {

std::string Golden(const std::string& name) {
  std::ifstream file(MORAINE_TEST_DATA_DIR "/golden/theta/" + name + ".sketch", std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

CompactSketch Read(const std::string& name) {
  auto sketch = SketchFromBytes(Golden(name));
  EXPECT_TRUE(sketch.ok()) << name << ": " << sketch.status().ToString();
  return sketch.ok() ? *std::move(sketch) : CompactSketch();
}

ThetaSketch Numbers(uint64_t from, uint64_t to) {
  ThetaSketch sketch;
  for (uint64_t i = from; i < to; ++i) sketch.Add(ThetaHash(i, 8));
  return sketch;
}

ThetaSketch Strings(int count) {
  ThetaSketch sketch;
  for (int i = 0; i < count; ++i) sketch.Add(ThetaHash(fmt::format("value {} of a hundred", i)));
  return sketch;
}

/// The library of C++ leaves the sampling rate of 1 out, and the mark of a single hash.
std::string AsCpp(std::string bytes) {
  const auto longs = static_cast<size_t>(bytes[0]);
  if (longs > 1) std::fill_n(bytes.begin() + 12, 4, '\0');
  if (longs == 1) bytes[5] = static_cast<char>(bytes[5] & ~0x20);
  return bytes;
}

TEST(ThetaSketch, HasTheBytesOfTheLibrary) {
  EXPECT_EQ(AsCpp(SketchToBytes(Numbers(1, 2).Compact())), Golden("one_number"));
  EXPECT_EQ(AsCpp(SketchToBytes(Numbers(0, 100).Compact())), Golden("numbers_100"));
  EXPECT_EQ(AsCpp(SketchToBytes(Strings(100).Compact())), Golden("strings_100"));
  EXPECT_EQ(AsCpp(SketchToBytes(Numbers(0, 100'000).Compact())), Golden("numbers_100000_union"));
}

TEST(ThetaSketch, HasTheFormsOfTheJavaLibrary) {
  EXPECT_EQ(SketchToBytes({}), std::string("\x01\x03\x03\x00\x00\x1e\x00\x00", 8));
  EXPECT_EQ(SketchToBytes({kAllHashes, {5}}),
            std::string("\x01\x03\x03\x00\x00\x3a\xcc\x93\x05\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(SketchToBytes({kAllHashes, {5, 6}}).substr(0, 16),
            std::string("\x02\x03\x03\x00\x00\x1a\xcc\x93\x02\0\0\0\0\0\x80\x3f", 16));
  EXPECT_EQ(SketchToBytes({7, {}}).size(), 24u);
}

TEST(ThetaSketch, ReadsAllForms) {
  EXPECT_EQ(Read("empty"), CompactSketch());
  EXPECT_EQ(Read("one_number"), Numbers(1, 2).Compact());
  EXPECT_EQ(Read("numbers_100"), Numbers(0, 100).Compact());
  EXPECT_EQ(Read("numbers_100_unordered"), Numbers(0, 100).Compact());
  EXPECT_EQ(Read("strings_100"), Strings(100).Compact());
  EXPECT_EQ(Read("numbers_100000_union"), Numbers(0, 100'000).Compact());
  const CompactSketch small = Read("numbers_100000_small");
  EXPECT_NEAR(small.Estimate(), 100'000, 5'000);
  // It has the hashes below its theta that are in the larger one.
  const CompactSketch large = Numbers(0, 100'000).Compact();
  ASSERT_LT(small.theta, large.theta);
  ASSERT_LT(small.hashes.size(), large.hashes.size());
  EXPECT_TRUE(std::equal(small.hashes.begin(), small.hashes.end(), large.hashes.begin()));
}

TEST(ThetaSketch, CountsFewValuesExactlyAndManyNearly) {
  for (const uint64_t count : {0, 1, 2, 31, 4'095, 4'096}) {
    const CompactSketch sketch = Numbers(7, 7 + count).Compact();
    EXPECT_TRUE(sketch.is_exact());
    EXPECT_EQ(sketch.distinct_values(), static_cast<int64_t>(count));
  }
  for (const uint64_t count : {4'097, 6'000, 10'000, 300'000}) {
    const CompactSketch sketch = Numbers(0, count).Compact();
    EXPECT_FALSE(sketch.is_exact());
    EXPECT_EQ(sketch.hashes.size(), ThetaSketch::kNominal);
    EXPECT_NEAR(sketch.Estimate() / static_cast<double>(count), 1.0, 0.03);
  }
}

TEST(ThetaSketch, DependsOnTheSetAlone) {
  const CompactSketch whole = Numbers(0, 50'000).Compact();
  for (const uint64_t cut : {0, 1, 100, 25'000, 49'000}) {
    ThetaSketch merged = Numbers(cut, 50'000);
    merged.Merge(Numbers(0, cut + 500).Compact());
    EXPECT_EQ(merged.Compact(), whole) << cut;
  }
  ThetaSketch backwards;
  for (uint64_t i = 50'000; i > 0; --i) backwards.Add(ThetaHash(i - 1, 8));
  EXPECT_EQ(backwards.Compact(), whole);
  ThetaSketch again;
  again.Merge(whole);
  EXPECT_EQ(again.Compact(), whole);
  again.Merge(whole);
  again.Merge(CompactSketch());
  EXPECT_EQ(again.Compact(), whole);
}

TEST(ThetaSketch, TakesTheLowerThetaOfTwo) {
  ThetaSketch sketch = Numbers(0, 1'000);
  sketch.Merge(Read("numbers_100000_small"));
  EXPECT_EQ(sketch.Compact(), Read("numbers_100000_small"));
  ThetaSketch none;
  none.Merge({5, {}});
  EXPECT_EQ(none.Compact(), (CompactSketch{5, {}}));
  none.Add(4);
  none.Add(5);
  none.Add(0);
  EXPECT_EQ(none.Compact(), (CompactSketch{5, {4}}));
}

std::string With(std::string bytes, size_t at, char value) {
  bytes[at] = value;
  return bytes;
}

TEST(ThetaSketch, RefusesOtherBytes) {
  const std::string good = SketchToBytes(Numbers(0, 3).Compact());
  std::string twice = good;
  std::memcpy(twice.data() + 24, twice.data() + 16, 8);
  const std::string estimating = SketchToBytes({100, {1, 2, 99}});
  const struct {
    std::string bytes;
    Code code;
  } cases[] = {
      {"", Code::kCorruption},
      {good.substr(0, 7), Code::kCorruption},
      {good.substr(0, 15), Code::kCorruption},
      {good.substr(0, good.size() - 1), Code::kCorruption},
      {good + "x", Code::kCorruption},
      {With(good, 1, 2), Code::kUnsupported},
      {With(good, 1, 4), Code::kUnsupported},
      {With(good, 2, 2), Code::kUnsupported},
      {With(good, 5, 0x1b), Code::kUnsupported},
      {With(good, 5, 0x12), Code::kUnsupported},
      {With(good, 6, 0), Code::kUnsupported},
      {With(good, 0, 0), Code::kCorruption},
      {With(good, 0, 3), Code::kCorruption},
      {With(good, 0, 63), Code::kCorruption},
      {With(good, 11, '\xff'), Code::kCorruption},
      {twice, Code::kCorruption},
      {With(estimating, 16, 99), Code::kCorruption},
      {With(estimating, 16, 0), Code::kCorruption},
      {With(estimating, 23, '\x80'), Code::kCorruption},
      {With(estimating, 24, 0), Code::kCorruption},
  };
  for (const auto& one : cases) {
    auto read = SketchFromBytes(one.bytes);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.status().code(), one.code) << read.status().ToString();
  }
}

}  // namespace
}  // namespace moraine::iceberg
