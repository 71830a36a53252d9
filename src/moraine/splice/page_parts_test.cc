// Large pages taken apart in parts, against the whole.

#include "moraine/splice/page_parts.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/splice/footer.h"
#include "moraine/splice/hybrid.h"
#include "moraine/splice/page_builder.h"

namespace moraine::splice {
namespace {

struct Stored {
  PageHeader header;
  std::string body;
};

Stored Store(PageHeader header, const std::string& raw, PageCodecs* codecs) {
  Stored page = {header, ""};
  EXPECT_TRUE(codecs->Compress(raw, &page.body).ok());
  page.header.uncompressed_size = static_cast<int32_t>(raw.size());
  page.header.compressed_size = static_cast<int32_t>(page.body.size());
  return page;
}

std::string WithLength(const std::string& levels) {
  const auto size = static_cast<uint32_t>(levels.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + levels;
}

// Definition levels of which every n-th is 0; n of 0: none.
std::vector<uint32_t> Levels(size_t count, size_t every) {
  std::vector<uint32_t> levels(count, 1);
  for (size_t i = 0; every > 0 && i < count; i += every) levels[i] = 0;
  return levels;
}

PageHeader V1(size_t values, Encoding encoding) {
  PageHeader header;
  header.encoding = encoding;
  header.definition_encoding = Encoding::kRle;
  header.repetition_encoding = Encoding::kRle;
  header.num_values = static_cast<int32_t>(values);
  return header;
}

ColumnType TypeOf(Physical physical) {
  ColumnType type;
  type.value.physical = physical;
  type.max_definition = 1;
  return type;
}

constexpr size_t kRows = 300'001;

struct Case {
  std::string name;
  Physical physical = Physical::kInt64;
  Encoding encoding = Encoding::kPlain;
  size_t null_every = 0;
};

std::string ValuesOf(const Case& at, size_t count) {
  std::mt19937 random(3);
  std::string values;
  std::vector<uint32_t> indices;
  for (size_t i = 0; i < count; ++i) {
    const auto number = static_cast<uint64_t>(random());
    if (IsDictionary(at.encoding)) {
      indices.push_back(static_cast<uint32_t>(i / 100 % 3 == 0 ? 7 : number % 100));
    } else if (at.physical == Physical::kInt64) {
      values.append(reinterpret_cast<const char*>(&number), sizeof(number));
    } else {
      values += WithLength(std::string(number % 20, static_cast<char>('a' + number % 26)));
    }
  }
  if (!IsDictionary(at.encoding)) return values;
  values = static_cast<char>(BitsFor(99));
  EncodeHybrid(indices, BitsFor(99), &values);
  return values;
}

class PagePartsOf : public testing::TestWithParam<Case> {};

TEST_P(PagePartsOf, AreTheWholePage) {
  const Case& at = GetParam();
  const ColumnType type = TypeOf(at.physical);
  PageCodecs codecs(kZstd, 1);
  const std::vector<uint32_t> levels = Levels(kRows, at.null_every);
  std::string definition;
  EncodeHybrid(levels, 1, &definition);
  const auto count = static_cast<size_t>(std::count(levels.begin(), levels.end(), 1U));
  const Stored page =
      Store(V1(kRows, at.encoding), WithLength(definition) + ValuesOf(at, count), &codecs);
  const PageValues whole = DecodePage(type, page.header, kZstd, page.body, &codecs).value();
  PageValues sum;
  size_t parts = 0;
  const auto add = [&](const PageValues& part) -> Status {
    EXPECT_LE(part.num_rows, 1000);
    ++parts;
    sum.num_rows += part.num_rows;
    sum.num_values += part.num_values;
    const std::vector<uint32_t> own =
        part.definition.empty() ? Levels(static_cast<size_t>(part.num_rows), 0) : part.definition;
    sum.definition.insert(sum.definition.end(), own.begin(), own.end());
    sum.indices.insert(sum.indices.end(), part.indices.begin(), part.indices.end());
    sum.plain += part.plain;
    return {};
  };
  const PartLimits limits = {1 << 20, 1000};
  const Status status = VisitPage(type, page.header, kZstd, page.body, &codecs, limits, add);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(parts, kRows / 1000 + 1);
  EXPECT_EQ(sum.num_rows, whole.num_rows);
  EXPECT_EQ(sum.num_values, whole.num_values);
  EXPECT_EQ(sum.definition, levels);
  EXPECT_EQ(sum.indices, whole.indices);
  EXPECT_EQ(sum.plain, whole.plain);
  // What is missing is found, wherever it is missing.
  for (const size_t size : {size_t{3}, page.body.size() / 2}) {
    const std::string_view cut = std::string_view(page.body).substr(0, size);
    EXPECT_EQ(VisitPage(type, page.header, kZstd, cut, &codecs, limits, add).code(),
              Code::kCorruption);
  }
  Stored more = page;
  more.header.num_values += 5000;
  EXPECT_EQ(VisitPage(type, more.header, kZstd, more.body, &codecs, limits, add).code(),
            Code::kCorruption);
}

INSTANTIATE_TEST_SUITE_P(
    All, PagePartsOf,
    testing::Values(Case{"Numbers"}, Case{"NumbersAndNulls", Physical::kInt64, Encoding::kPlain, 7},
                    Case{"Texts", Physical::kByteArray},
                    Case{"TextsAndNulls", Physical::kByteArray, Encoding::kPlain, 3},
                    Case{"Indices", Physical::kByteArray, Encoding::kRleDictionary},
                    Case{"IndicesAndNulls", Physical::kInt64, Encoding::kPlainDictionary, 5}),
    [](const auto& info) { return info.param.name; });

// 20 million values in a few bytes: no vector of them is ever made.
TEST(PageParts, TakeManyValuesInLittleMemory) {
  constexpr size_t kMany = 20'000'000;
  const ColumnType type = TypeOf(Physical::kByteArray);
  PageCodecs codecs(kUncompressed, -1);
  std::string definition;
  EncodeRun(kMany, 1, 1, &definition);
  std::string values(1, '\x01');
  EncodeRun(kMany, 1, 1, &values);
  const Stored page =
      Store(V1(kMany, Encoding::kRleDictionary), WithLength(definition) + values, &codecs);
  int64_t rows = 0;
  const Status status = VisitPage(type, page.header, kUncompressed, page.body, &codecs,
                                  PartLimits(), [&](const PageValues& part) -> Status {
                                    EXPECT_LE(part.indices.capacity(), 20000U);
                                    rows += part.num_rows;
                                    return {};
                                  });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(rows, static_cast<int64_t>(kMany));
}

}  // namespace
}  // namespace moraine::splice
