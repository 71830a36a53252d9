// Pages of indices whose numbers change, against pages that are taken apart.

#include "moraine/splice/index_page.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/splice/footer.h"
#include "moraine/splice/hybrid.h"

namespace moraine::splice {
namespace {

std::vector<uint32_t> RandomMapping(std::mt19937* random, size_t size, uint32_t most) {
  std::vector<uint32_t> mapping(size);
  for (uint32_t& number : mapping) number = (*random)() % (most + 1);
  return mapping;
}

// Single indices and runs.
std::vector<uint32_t> RandomIndices(std::mt19937* random, size_t count, size_t size) {
  std::vector<uint32_t> indices;
  while (indices.size() < count) {
    const size_t run = (*random)() % 20 == 0 ? (*random)() % 200 : 1;
    indices.insert(indices.end(), run, static_cast<uint32_t>((*random)() % size));
  }
  indices.resize(count);
  return indices;
}

PageValues PageOf(const ColumnType& type, std::mt19937* random, std::vector<uint32_t> indices) {
  PageValues page;
  page.is_dictionary = true;
  page.num_values = indices.size();
  page.indices = std::move(indices);
  page.num_levels = static_cast<int64_t>(page.num_values);
  page.num_rows = page.num_levels;
  if (type.max_definition == 0 || (*random)() % 2 == 0) return page;
  for (size_t i = 0; i < page.num_values; ++i) {
    page.definition.insert(page.definition.end(), (*random)() % 2, 0);
    page.definition.push_back(static_cast<uint32_t>(type.max_definition));
  }
  page.num_levels = page.num_rows = static_cast<int64_t>(page.definition.size());
  return page;
}

TEST(IndexPage, GetsOtherNumbersAndKeepsItsLevels) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    ColumnType type;
    type.value.physical = Physical::kInt64;
    type.max_definition = static_cast<int16_t>(random() % 2);
    const size_t size = 1 + random() % (size_t{1} << random() % 18);
    const uint32_t most = static_cast<uint32_t>(random() % (size_t{1} << random() % 20));
    const std::vector<uint32_t> numbers = RandomMapping(&random, size, most);
    DictionaryValues dictionary =
        DictionaryValues::Make(type.value, std::string(size * 8, '\0'), size).value();
    dictionary.Rank();
    PageCodecs codecs(random() % 2 == 0 ? kZstd : kUncompressed, 3);
    PageOptions options;
    options.version2 = random() % 2 == 0;
    options.page_rows = INT64_MAX;
    PageBuilder builder(type, options, &dictionary, &codecs);
    const PageValues before =
        PageOf(type, &random, RandomIndices(&random, 1 + random() % 3000, size));
    PageBuilder::Source source;
    source.dictionary_size = size;
    ASSERT_TRUE(builder.Add(before, source).ok());
    ASSERT_TRUE(builder.Finish().ok());
    const OutPage page = std::move(builder.TakePages().at(0));
    bool needs_more = false;
    const PageHeader header = ParsePageHeader(page.header, &needs_more).value().header;

    const Result<OutPage> out =
        TranslatePage(type, header, codecs.codec(), page.body, IndexMapping(numbers), &codecs);
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    const PageHeader new_header = ParsePageHeader(out->header, &needs_more).value().header;
    EXPECT_EQ(new_header.compressed_size, static_cast<int64_t>(out->body.size()));
    EXPECT_EQ(out->stats.null_count, page.stats.null_count);
    EXPECT_EQ(out->uncompressed_size,
              new_header.uncompressed_size + static_cast<int64_t>(out->header.size()));
    const PageValues after =
        DecodePage(type, new_header, codecs.codec(), out->body, &codecs).value();
    EXPECT_EQ(after.num_levels, before.num_levels);
    EXPECT_EQ(after.num_values, before.num_values);
    std::vector<uint32_t> wanted;
    for (uint32_t index : before.indices) wanted.push_back(numbers[index]);
    ASSERT_EQ(after.indices, wanted) << "round " << round;
    if (!before.definition.empty() && before.num_levels > static_cast<int64_t>(before.num_values)) {
      EXPECT_EQ(after.definition, before.definition);
    }
  }
}

TEST(IndexPage, RefusesIndicesWithoutAValue) {
  ColumnType type;
  type.value.physical = Physical::kInt64;
  PageCodecs codecs(kUncompressed, 3);
  for (int width : {1, 3, 8, 12, 17, 32}) {
    const uint32_t known = width == 1 ? 1 : 2;
    const IndexMapping mapping(std::vector<uint32_t>(known, 0));
    for (size_t at : {0, 9, 20}) {
      std::vector<uint32_t> indices(21, 0);
      indices[at] = known;
      for (size_t run : {0, 100}) {
        std::string body(1, static_cast<char>(width));
        EncodeHybrid(indices, width, &body);
        if (run > 0) EncodeRun(static_cast<int64_t>(run), known, width, &body);
        PageHeader header;
        header.encoding = Encoding::kRleDictionary;
        header.num_values = static_cast<int32_t>(indices.size() + run);
        header.uncompressed_size = header.compressed_size = static_cast<int32_t>(body.size());
        const auto page = TranslatePage(type, header, kUncompressed, body, mapping, &codecs);
        ASSERT_FALSE(page.ok());
        EXPECT_EQ(page.status().code(), Code::kCorruption);
      }
    }
  }
}

TEST(IndexPage, TakesForeignBytesWithoutHarm) {
  std::mt19937 random(4);
  ColumnType type;
  type.value.physical = Physical::kInt32;
  PageCodecs codecs(kUncompressed, 3);
  for (int round = 0; round < 5000; ++round) {
    type.max_definition = static_cast<int16_t>(random() % 2);
    std::string body(random() % 40, '\0');
    for (char& byte : body) byte = static_cast<char>(random() % 2 == 0 ? random() : random() % 34);
    PageHeader header;
    header.encoding = Encoding::kRleDictionary;
    header.num_values = static_cast<int32_t>(random() % 100);
    header.uncompressed_size = header.compressed_size = static_cast<int32_t>(body.size());
    const IndexMapping mapping(RandomMapping(&random, random() % 3, 9));
    const auto page = TranslatePage(type, header, kUncompressed, body, mapping, &codecs);
    if (!page.ok()) {
      EXPECT_EQ(page.status().code(), Code::kCorruption);
    }
  }
}

}  // namespace
}  // namespace moraine::splice
