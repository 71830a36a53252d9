// Pages that are built and taken apart again, against a naive model of rows.

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/splice/footer.h"
#include "moraine/splice/page_builder.h"

namespace moraine::splice {
namespace {

// A row of a list column: its levels, and values where the definition is the highest.
struct Row {
  std::vector<uint32_t> definition;
  std::vector<uint32_t> repetition;
  std::vector<int64_t> values;
  bool operator==(const Row&) const = default;
};

Row RandomRow(const ColumnType& type, std::mt19937* random) {
  Row row;
  const auto most = static_cast<uint32_t>(type.max_definition);
  const size_t items = type.max_repetition > 0 ? 1 + (*random)() % 3 : 1;
  for (size_t i = 0; i < items; ++i) {
    const uint32_t definition = most > 0 && (*random)() % 3 == 0 ? (*random)() % most : most;
    row.definition.push_back(definition);
    row.repetition.push_back(i == 0 ? 0 : static_cast<uint32_t>(type.max_repetition));
    if (definition == most) row.values.push_back(static_cast<int64_t>((*random)() % 50));
  }
  return row;
}

PageValues PageOf(const ColumnType& type, const std::vector<Row>& rows) {
  PageValues page;
  page.num_rows = static_cast<int64_t>(rows.size());
  for (const Row& row : rows) {
    page.definition.insert(page.definition.end(), row.definition.begin(), row.definition.end());
    page.repetition.insert(page.repetition.end(), row.repetition.begin(), row.repetition.end());
    page.plain.append(reinterpret_cast<const char*>(row.values.data()), row.values.size() * 8);
    page.num_values += row.values.size();
  }
  page.num_levels = static_cast<int64_t>(page.definition.size());
  if (page.num_values == page.definition.size()) page.definition.clear();
  if (type.max_repetition == 0) page.repetition.clear();
  return page;
}

std::vector<Row> RowsOf(const ColumnType& type, const PageValues& page) {
  std::vector<Row> rows;
  size_t value = 0;
  const auto most = static_cast<uint32_t>(type.max_definition);
  for (size_t i = 0; i < static_cast<size_t>(page.num_levels); ++i) {
    const uint32_t repetition = page.repetition.empty() ? 0 : page.repetition[i];
    const uint32_t definition = page.definition.empty() ? most : page.definition[i];
    if (repetition == 0) rows.emplace_back();
    rows.back().definition.push_back(definition);
    rows.back().repetition.push_back(repetition);
    if (definition != most) continue;
    int64_t number;
    std::memcpy(&number, page.plain.data() + value++ * 8, sizeof(number));
    rows.back().values.push_back(number);
  }
  EXPECT_EQ(value, page.num_values);
  return rows;
}

TEST(Page, KeepsTheRowsThatAreAlive) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    ColumnType type;
    type.value.physical = Physical::kInt64;
    type.max_repetition = static_cast<int16_t>(random() % 2);
    type.max_definition = static_cast<int16_t>(random() % 3 + type.max_repetition);
    PageCodecs codecs(random() % 2 == 0 ? kZstd : kUncompressed, 3);
    PageOptions options;
    options.version2 = random() % 2 == 0;
    options.page_rows = 40;
    PageBuilder builder(type, options, nullptr, &codecs);
    std::vector<Row> wanted;
    for (size_t pages = random() % 4 + 1; pages > 0; --pages) {
      std::vector<Row> rows;
      for (size_t i = random() % 30 + 1; i > 0; --i) rows.push_back(RandomRow(type, &random));
      PageBuilder::Source source;
      if (random() % 2 == 0) source.alive.emplace();
      for (int64_t row = 0; row < static_cast<int64_t>(rows.size()); ++row) {
        if (source.alive && random() % 3 == 0) continue;
        wanted.push_back(rows[static_cast<size_t>(row)]);
        if (source.alive) source.alive->push_back({row, row + 1});
      }
      ASSERT_TRUE(builder.Add(PageOf(type, rows), source).ok());
    }
    ASSERT_TRUE(builder.Finish().ok());
    std::vector<Row> read;
    for (const OutPage& page : builder.TakePages()) {
      bool needs_more = false;
      const PageHeader header = ParsePageHeader(page.header, &needs_more).value().header;
      EXPECT_EQ(header.compressed_size, static_cast<int64_t>(page.body.size()));
      const PageValues values =
          DecodePage(type, header, codecs.codec(), page.body, &codecs).value();
      EXPECT_EQ(values.num_rows, page.num_rows);
      EXPECT_EQ(CountRows(type, header, codecs.codec(), page.body, &codecs).value().count,
                page.num_rows);
      EXPECT_EQ(*page.stats.null_count,
                values.num_levels - static_cast<int64_t>(values.num_values));
      for (Row& row : RowsOf(type, values)) read.push_back(std::move(row));
    }
    EXPECT_EQ(read, wanted) << "round " << round;
  }
}

TEST(Page, RefusesWhatItsHeaderDoesNotFit) {
  ColumnType type;
  type.value.physical = Physical::kInt64;
  type.max_definition = 1;
  PageCodecs codecs(kZstd, 3);
  PageBuilder builder(type, PageOptions(), nullptr, &codecs);
  std::mt19937 random(2);
  std::vector<Row> rows;
  for (int i = 0; i < 100; ++i) rows.push_back(RandomRow(type, &random));
  ASSERT_TRUE(builder.Add(PageOf(type, rows), {}).ok());
  ASSERT_TRUE(builder.Finish().ok());
  const OutPage page = builder.TakePages().at(0);
  bool needs_more = false;
  const PageHeader header = ParsePageHeader(page.header, &needs_more).value().header;
  const auto code = [&](const PageHeader& other, std::string_view body) {
    return DecodePage(type, other, kZstd, body, &codecs).status().code();
  };
  EXPECT_EQ(code(header, page.body), Code::kOk);
  PageHeader more = header;
  more.num_values = 1000;
  EXPECT_EQ(code(more, page.body), Code::kCorruption);
  PageHeader size = header;
  size.uncompressed_size += 1;
  EXPECT_EQ(code(size, page.body), Code::kCorruption);
  PageHeader levels = header;
  levels.definition_encoding = Encoding::kBitPacked;
  EXPECT_EQ(code(levels, page.body), Code::kUnsupported);
  PageHeader encoding = header;
  encoding.encoding = static_cast<Encoding>(77);
  EXPECT_EQ(code(encoding, page.body), Code::kUnsupported);
  EXPECT_EQ(code(header, std::string_view(page.body).substr(1)), Code::kCorruption);
}

}  // namespace
}  // namespace moraine::splice
