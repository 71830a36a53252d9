#pragma once
// Parquet's own structures, as far as copying pages needs them (parquet-format, parquet.thrift).
// Numbers and names are the format's.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace moraine::splice {

enum class Physical : int32_t {
  kBoolean = 0,
  kInt32 = 1,
  kInt64 = 2,
  kInt96 = 3,
  kFloat = 4,
  kDouble = 5,
  kByteArray = 6,
  kFixed = 7,
};

enum class Encoding : int32_t {
  kPlain = 0,
  kPlainDictionary = 2,
  kRle = 3,
  kBitPacked = 4,
  kDeltaBinaryPacked = 5,
  kDeltaLengthByteArray = 6,
  kDeltaByteArray = 7,
  kRleDictionary = 8,
  kByteStreamSplit = 9,
};
inline bool IsDictionary(Encoding encoding) {
  return encoding == Encoding::kPlainDictionary || encoding == Encoding::kRleDictionary;
}

enum class PageType : int32_t { kData = 0, kIndex = 1, kDictionary = 2, kDataV2 = 3 };

/// Of a page or a column chunk. min and max are plain-encoded values, strings without a length.
struct Statistics {
  std::optional<std::string> min;
  std::optional<std::string> max;
  std::optional<bool> is_min_exact;
  std::optional<bool> is_max_exact;
  std::optional<int64_t> null_count;
};

struct SizeStatistics {
  std::optional<int64_t> unencoded_bytes;
  std::vector<int64_t> repetition_histogram;
  std::vector<int64_t> definition_histogram;
};

struct EncodingStats {
  PageType page = PageType::kData;
  Encoding encoding = Encoding::kPlain;
  int32_t count = 0;
};

/// Where an index or filter lies in the file; size 0: there is none.
struct Extent {
  int64_t offset = 0;
  int64_t size = 0;
};

struct ChunkMetadata {
  Physical type = Physical::kInt32;
  std::vector<Encoding> encodings;
  int32_t codec = 0;
  int64_t num_values = 0;  ///< nulls and empty lists included
  int64_t total_uncompressed_size = 0;
  int64_t total_compressed_size = 0;
  int64_t data_page_offset = 0;
  std::optional<int64_t> dictionary_page_offset;
  Statistics statistics;
  std::vector<EncodingStats> encoding_stats;
  std::optional<SizeStatistics> size_statistics;
  Extent bloom_filter;
  Extent offset_index;
  Extent column_index;

  /// Its first page, whichever that is.
  int64_t start() const {
    const bool has_dictionary = dictionary_page_offset && *dictionary_page_offset > 0;
    return has_dictionary ? std::min(*dictionary_page_offset, data_page_offset) : data_page_offset;
  }
};

struct RowGroupMetadata {
  std::vector<ChunkMetadata> columns;  ///< in the order of the leaves
  int64_t num_rows = 0;
};

/// A physical column.
struct Leaf {
  Physical type = Physical::kInt32;
  int32_t type_length = 0;
  int16_t max_definition = 0;
  int16_t max_repetition = 0;
  std::vector<std::string> path;
  std::string repetitions;  ///< of the path: r(equired), o(ptional), l(ist: repeated)
};

struct FileMetadata {
  std::string schema;  ///< the list of schema elements, as encoded in the file
  std::vector<Leaf> leaves;
  std::vector<RowGroupMetadata> row_groups;
  int64_t num_rows = 0;
  std::string created_by;
  std::vector<std::pair<std::string, std::string>> key_values;
};

struct PageHeader {
  PageType type = PageType::kData;
  int32_t uncompressed_size = 0;  ///< without the header; levels included
  int32_t compressed_size = 0;
  Encoding encoding = Encoding::kPlain;
  int32_t num_values = 0;
  Statistics statistics;
  Encoding definition_encoding = Encoding::kRle;  ///< version 1
  Encoding repetition_encoding = Encoding::kRle;
  int32_t num_nulls = 0;  ///< version 2, to is_compressed
  int32_t num_rows = 0;
  int32_t definition_bytes = 0;
  int32_t repetition_bytes = 0;
  bool is_compressed = true;
};

struct PageLocation {
  int64_t offset = 0;
  int32_t compressed_size = 0;  ///< header included
  int64_t first_row = 0;
};

enum class BoundaryOrder : int32_t { kUnordered = 0, kAscending = 1, kDescending = 2 };

struct ColumnIndex {
  std::vector<bool> null_pages;
  std::vector<std::string> min_values;
  std::vector<std::string> max_values;
  BoundaryOrder order = BoundaryOrder::kUnordered;
  std::vector<int64_t> null_counts;  ///< empty: not known
};

}  // namespace moraine::splice
