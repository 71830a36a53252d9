#pragma once
// A Parquet file that is put together from pages: row groups, page indexes and the footer
// (parquet-format, "File format"). Pages come column by column.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_builder.h"

namespace moraine::splice {

/// Used by one thread at a time.
class FileOutput {
 public:
  /// Of shape, the schema, its leaves, the key values and created_by are the new file's.
  FileOutput(std::unique_ptr<io::Writer> file, FileMetadata shape);

  /// Bytes written so far.
  int64_t bytes() const { return offset_; }
  int64_t rows() const { return metadata_.num_rows; }

  Status BeginRowGroup(Call& call, int64_t num_rows);
  /// Columns come in the order of the leaves.
  void BeginColumn(int32_t codec);
  Status AddDictionary(Call& call, std::string_view header, std::string_view body,
                       int64_t uncompressed_size);
  /// Header and body may be part of one buffer.
  Status AddPage(Call& call, const OutPage& page, std::string_view header, std::string_view body);
  /// What all pages of the column hold together; page statistics of the type are indexed.
  Status EndColumn(const ValueType& type, Statistics statistics,
                   std::optional<SizeStatistics> sizes);
  /// Bytes of a bloom filter of the column that ended last, as stored.
  void SetBloomFilter(std::string bytes);

  /// Writes the footer and makes the file durable. Call once.
  Result<FileMetadata> Close(Call& call);

 private:
  struct Indexes {
    std::vector<PageLocation> pages;
    ColumnIndex column;
    bool has_column = true;
    std::string bloom_filter;
  };

  Status Append(Call& call, std::string_view bytes);
  void Count(PageType page, Encoding encoding);
  void AddToIndex(const PageStats& stats, int64_t num_values);
  Status WriteIndexes(Call& call);
  ChunkMetadata& chunk() { return metadata_.row_groups.back().columns.back(); }

  std::unique_ptr<io::Writer> file_;
  FileMetadata metadata_;
  int64_t offset_ = 0;
  int64_t column_rows_ = 0;
  std::vector<std::vector<Indexes>> indexes_;  // by row group and column
};

}  // namespace moraine::splice
