#include "moraine/splice/footer.h"

#include <random>

#include <gtest/gtest.h>

#include "moraine/splice/thrift.h"

namespace moraine::splice {
namespace {

// A group with an optional string, and a required list of optional longs.
std::string SchemaBytes() {
  std::string bytes;
  ThriftWriter out(&bytes);
  out.BeginStruct();
  out.BeginList(1, ThriftType::kStruct, 5);
  const std::string header = bytes;
  const auto element = [&](const char* name, int type, int repetition, int children) {
    out.BeginStruct();
    if (type >= 0) out.I32(1, type);
    out.I32(3, repetition);
    out.Binary(4, name);
    if (children > 0) out.I32(5, children);
    out.EndStruct();
  };
  element("table", -1, 0, 2);
  element("name", 6, 1, 0);
  element("list", -1, 0, 1);
  element("list", -1, 2, 1);
  element("element", 2, 1, 0);
  return bytes.substr(header.size() - 1);  // from the list's header on
}

FileMetadata Sample() {
  FileMetadata metadata;
  metadata.schema = SchemaBytes();
  metadata.created_by = "somebody";
  metadata.key_values = {{"iceberg.schema", "{}"}};
  metadata.num_rows = 30;
  metadata.row_groups.resize(1);
  metadata.row_groups[0].num_rows = 30;
  metadata.leaves = {{Physical::kByteArray, 0, 1, 0, {"name"}, "o"},
                     {Physical::kInt64, 0, 2, 1, {"list", "list", "element"}, "rlo"}};
  for (const Leaf& leaf : metadata.leaves) {
    ChunkMetadata chunk;
    chunk.type = leaf.type;
    chunk.encodings = {Encoding::kRle, Encoding::kRleDictionary};
    chunk.codec = 6;
    chunk.num_values = 31;
    chunk.total_uncompressed_size = 400;
    chunk.total_compressed_size = 300;
    chunk.dictionary_page_offset = 4;
    chunk.data_page_offset = 100;
    chunk.statistics.min = "a";
    chunk.statistics.max = "zz";
    chunk.statistics.null_count = 2;
    chunk.statistics.is_max_exact = false;
    chunk.encoding_stats = {{PageType::kData, Encoding::kRleDictionary, 3}};
    chunk.size_statistics = SizeStatistics{17, {1, 2}, {3, 4, 5}};
    chunk.bloom_filter = {400, 32};
    chunk.offset_index = {500, 20};
    chunk.column_index = {520, 30};
    metadata.row_groups[0].columns.push_back(chunk);
  }
  return metadata;
}

std::string Metadata(const FileMetadata& metadata) {
  std::string bytes = FooterBytes(metadata);
  EXPECT_EQ(bytes.substr(bytes.size() - 4), "PAR1");
  bytes.resize(bytes.size() - 8);
  return bytes;
}

TEST(Footer, IsReadAsItWasWritten) {
  const std::string bytes = Metadata(Sample());
  const FileMetadata read = ParseFileMetadata(bytes, 1000).value();
  ASSERT_EQ(read.leaves.size(), 2u);
  EXPECT_EQ(read.leaves[1].path, (std::vector<std::string>{"list", "list", "element"}));
  EXPECT_EQ(read.leaves[1].repetitions, "rlo");
  EXPECT_EQ(read.leaves[1].max_definition, 2);
  EXPECT_EQ(read.leaves[1].max_repetition, 1);
  EXPECT_EQ(read.leaves[0].max_definition, 1);
  EXPECT_EQ(read.created_by, "somebody");
  EXPECT_EQ(read.key_values, Sample().key_values);
  const ChunkMetadata& chunk = read.row_groups.at(0).columns.at(0);
  EXPECT_EQ(chunk.statistics.min, "a");
  EXPECT_EQ(chunk.statistics.is_max_exact, false);
  EXPECT_FALSE(chunk.statistics.is_min_exact.has_value());
  EXPECT_EQ(chunk.statistics.null_count, 2);
  EXPECT_EQ(chunk.size_statistics->definition_histogram, (std::vector<int64_t>{3, 4, 5}));
  EXPECT_EQ(chunk.bloom_filter.size, 32);
  EXPECT_EQ(chunk.column_index.offset, 520);
  EXPECT_EQ(chunk.start(), 4);
  EXPECT_EQ(Metadata(read), bytes);
}

TEST(Footer, NamesWhatDoesNotFit) {
  const auto error = [](const FileMetadata& metadata, int64_t file_size) {
    return ParseFileMetadata(Metadata(metadata), file_size).status();
  };
  EXPECT_EQ(error(Sample(), 200).message(), "a column chunk does not lie in the file");
  FileMetadata rows = Sample();
  rows.num_rows = 31;
  EXPECT_EQ(error(rows, 1000).message(), "the row groups have 30 rows, the file claims 31");
  FileMetadata columns = Sample();
  columns.row_groups[0].columns.pop_back();
  EXPECT_EQ(error(columns, 1000).code(), Code::kCorruption);
  FileMetadata type = Sample();
  type.row_groups[0].columns[0].type = Physical::kInt32;
  EXPECT_EQ(error(type, 1000).message(), "a column chunk is of another type");
}

TEST(Footer, DoesWithoutIndexesThatCantBe) {
  FileMetadata metadata = Sample();
  metadata.row_groups[0].columns[0].column_index = {990, 20};
  const FileMetadata read = ParseFileMetadata(Metadata(metadata), 1000).value();
  EXPECT_EQ(read.row_groups[0].columns[0].column_index.size, 0);
  EXPECT_EQ(read.row_groups[0].columns[1].column_index.size, 30);
}

TEST(Footer, TakesForeignBytesWithoutHarm) {
  const std::string bytes = Metadata(Sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseFileMetadata(std::string_view(bytes).substr(0, size), 1000).ok()) << size;
  }
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string broken = bytes;
    for (int i = 0; i < 3; ++i) broken[random() % broken.size()] = static_cast<char>(random());
    const auto read = ParseFileMetadata(broken, 1000);
    if (!read.ok()) {
      EXPECT_FALSE(read.status().message().empty());
    }
  }
}

TEST(PageHeader, IsReadAsItWasWritten) {
  PageHeader header;
  header.type = PageType::kDataV2;
  header.uncompressed_size = 90;
  header.compressed_size = 70;
  header.encoding = Encoding::kPlain;
  header.num_values = 12;
  header.num_nulls = 3;
  header.num_rows = 11;
  header.definition_bytes = 5;
  header.repetition_bytes = 4;
  header.is_compressed = false;
  const std::string bytes = PageHeaderBytes(header);
  bool needs_more = false;
  const ParsedHeader read = ParsePageHeader(bytes + "body", &needs_more).value();
  EXPECT_EQ(read.size, bytes.size());
  EXPECT_EQ(PageHeaderBytes(read.header), bytes);
  EXPECT_FALSE(ParsePageHeader(std::string_view(bytes).substr(0, 9), &needs_more).ok());
  EXPECT_TRUE(needs_more);
  header.definition_bytes = 100;
  EXPECT_EQ(ParsePageHeader(PageHeaderBytes(header), &needs_more).status().message(),
            "a page header has sizes that cannot be");
}

TEST(PageIndex, IsReadAsItWasWritten) {
  ColumnIndex index;
  index.null_pages = {false, true};
  index.min_values = {"a", ""};
  index.max_values = {"b", ""};
  index.order = BoundaryOrder::kAscending;
  index.null_counts = {0, 9};
  EXPECT_EQ(ColumnIndexBytes(ParseColumnIndex(ColumnIndexBytes(index)).value()),
            ColumnIndexBytes(index));
  index.null_counts = {1};
  EXPECT_EQ(ParseColumnIndex(ColumnIndexBytes(index)).status().message(),
            "a column index has lists of different lengths");
  const std::vector<PageLocation> pages = {{4, 100, 0}, {104, 50, 20}};
  EXPECT_EQ(OffsetIndexBytes(ParseOffsetIndex(OffsetIndexBytes(pages)).value()),
            OffsetIndexBytes(pages));
}

}  // namespace
}  // namespace moraine::splice
