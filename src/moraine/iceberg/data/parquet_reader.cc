#include "moraine/iceberg/data/parquet_reader.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/size_statistics.h>
#include <parquet/statistics.h>

#include "moraine/iceberg/data/file_columns_internal.h"
#include "moraine/iceberg/data/foreign_errors_internal.h"
#include "moraine/iceberg/data/parquet_schema_internal.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/io/arrow_file.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

// Bytes of one value once decoded, where only the encoded size is known.
constexpr int64_t kGuessedStringBytes = 64;

int64_t FixedWidth(const parquet::ColumnDescriptor& leaf) {
  if (leaf.logical_type() && leaf.logical_type()->is_decimal()) return 16;
  switch (leaf.physical_type()) {
    case parquet::Type::BOOLEAN:
      return 1;
    case parquet::Type::INT32:
    case parquet::Type::FLOAT:
      return 4;
    case parquet::Type::FIXED_LEN_BYTE_ARRAY:
      return leaf.type_length();
    default:
      return 8;
  }
}

// Decoded bytes of a column chunk, as far as its metadata tells.
int64_t EstimateDecodedBytes(const parquet::ColumnChunkMetaData& chunk,
                             const parquet::ColumnDescriptor& leaf) {
  const int64_t values = std::max<int64_t>(chunk.num_values(), 0);
  if (leaf.physical_type() != parquet::Type::BYTE_ARRAY)
    return MultiplyCapped(values, FixedWidth(leaf));
  if (auto sizes = chunk.size_statistics(); sizes && sizes->unencoded_byte_array_data_bytes) {
    return AddCapped(*sizes->unencoded_byte_array_data_bytes, MultiplyCapped(4, values));
  }
  const int64_t guess =
      chunk.has_dictionary_page() ? MultiplyCapped(values, kGuessedStringBytes) : 0;
  return std::max({chunk.total_uncompressed_size(), guess, MultiplyCapped(4, values)});
}

// Whether every data page of the chunk holds dictionary indices, and the dictionary is much
// smaller.
bool IsDictionaryEncoded(const parquet::ColumnChunkMetaData& chunk) {
  if (!chunk.has_dictionary_page() || chunk.encoding_stats().empty()) return false;
  for (const parquet::PageEncodingStats& stats : chunk.encoding_stats()) {
    const bool is_data = stats.page_type != parquet::PageType::DICTIONARY_PAGE;
    if (is_data && stats.encoding != parquet::Encoding::RLE_DICTIONARY &&
        stats.encoding != parquet::Encoding::PLAIN_DICTIONARY) {
      return false;
    }
  }
  if (chunk.dictionary_page_offset() < 0 || chunk.data_page_offset() < 0) return false;
  const int64_t dictionary_bytes = chunk.data_page_offset() - chunk.dictionary_page_offset();
  return dictionary_bytes >= 0 && dictionary_bytes < chunk.total_compressed_size() / 4;
}

bool MayHaveStrings(const parquet::ColumnChunkMetaData& chunk, const RowGroupFilter& filter) {
  if (!chunk.is_stats_set()) return true;
  auto stats = chunk.statistics();
  if (!stats || !stats->HasMinMax() || stats->physical_type() != parquet::Type::BYTE_ARRAY) {
    return true;
  }
  return filter.lower <= stats->EncodeMax() && stats->EncodeMin() <= filter.upper;
}

class Reader final : public ParquetReader {
 public:
  Reader(const Call& call, std::string location, ReadOptions options)
      : call_(call), location_(std::move(location)), options_(std::move(options)) {
    pool_ = options_.pool != nullptr ? options_.pool : arrow::default_memory_pool();
  }

  Status Open(io::FileSystem& files, std::optional<int64_t> known_size) {
    return GuardFile(location_, [&] { return OpenUnguarded(files, known_size); });
  }

  const std::shared_ptr<arrow::Schema>& schema() const override {
    return projection_->arrow_schema();
  }
  int64_t num_rows() const override { return metadata_->num_rows(); }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  int64_t batch_position() const override { return batch_position_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Next(Call& call) override {
    MORAINE_TRY(call.Check());
    return GuardFile(location_, [&] { return NextUnguarded(); });
  }

 private:
  Status OpenUnguarded(io::FileSystem& files, std::optional<int64_t> known_size);
  Status CheckMetadata() const;
  Status MakeFileReader(std::shared_ptr<arrow::io::RandomAccessFile> file);
  int64_t LargestRowGroupBytes() const;
  bool SkipsRowGroup(int row_group) const;
  bool SkipsNext() const;
  Status OpenRowGroup();
  void AnnounceRowGroup(int row_group);
  int64_t BatchRows(const parquet::RowGroupMetaData& row_group) const;
  Result<std::shared_ptr<arrow::RecordBatch>> NextUnguarded();
  Result<std::shared_ptr<arrow::RecordBatch>> NextOfRowGroup();

  Call call_;  // the file reads through it
  const std::string location_;
  const ReadOptions options_;
  arrow::MemoryPool* pool_;
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::vector<FileColumn> columns_;
  std::optional<ColumnProjection> projection_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;

  int row_group_ = -1;              // being read
  int announced_ = -1;              // the last whose bytes the file knows to be wanted
  int64_t row_group_position_ = 0;  // of its first row
  int64_t row_group_rows_ = 0;
  int64_t rows_done_ = 0;  // of it
  int64_t batch_position_ = 0;
  int64_t measured_row_bytes_ = 0;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
};

Status Reader::OpenUnguarded(io::FileSystem& files, std::optional<int64_t> known_size) {
  MORAINE_ASSIGN(std::unique_ptr<io::RandomReader> reader,
                 files.Open(call_, location_, known_size));
  if (reader->size() < 12) return Corruption(location_ + ": too short for a Parquet file");
  std::shared_ptr<arrow::io::RandomAccessFile> file = io::ToArrowFile(call_, std::move(reader));
  parquet::ReaderProperties properties(pool_);
  file_ = file;
  metadata_ = parquet::ParquetFileReader::Open(file, properties)->metadata();
  MORAINE_TRY(CheckMetadata());
  return MakeFileReader(std::move(file));
}

// Counts that the file claims and that we add up or allocate by.
Status Reader::CheckMetadata() const {
  int64_t rows = 0;
  for (int i = 0; i < metadata_->num_row_groups(); ++i) {
    const int64_t count = metadata_->RowGroup(i)->num_rows();
    if (count < 0 || count > INT64_MAX - rows) {
      return Corruption(location_ + ": a row group with " + std::to_string(count) + " rows");
    }
    rows += count;
  }
  if (rows != metadata_->num_rows()) {
    return Corruption(location_ + ": the row groups have " + std::to_string(rows) +
                      " rows, the file claims " + std::to_string(metadata_->num_rows()));
  }
  return {};
}

int64_t Reader::LargestRowGroupBytes() const {
  int64_t largest = 0;
  for (int i = 0; i < metadata_->num_row_groups(); ++i) {
    const auto row_group = metadata_->RowGroup(i);
    int64_t bytes = 0;
    for (int leaf : projection_->leaf_indices()) {
      bytes = AddCapped(bytes, row_group->ColumnChunk(leaf)->total_compressed_size());
    }
    largest = std::max(largest, bytes);
  }
  return largest;
}

Status Reader::MakeFileReader(std::shared_ptr<arrow::io::RandomAccessFile> file) {
  parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
  arrow_properties.set_pre_buffer(false);
  arrow_properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  parquet::arrow::SchemaManifest manifest;
  MORAINE_FILE_TRY(location_, parquet::arrow::SchemaManifest::Make(metadata_->schema(),
                                                                   metadata_->key_value_metadata(),
                                                                   arrow_properties, &manifest));
  columns_ = ToFileColumns(manifest);
  MORAINE_TRY(GiveIds(location_, options_, &columns_));
  Result<ColumnProjection> projection =
      ColumnProjection::Make(options_.fields, columns_, options_.constants);
  if (!projection.ok()) return std::move(projection).status().Annotate(location_);
  projection_ = std::move(projection).value();

  parquet::ReaderProperties properties(pool_);
  if (LargestRowGroupBytes() > options_.whole_row_group_bytes) {
    properties.enable_buffered_stream();
    properties.set_buffer_size(int64_t{256} << 10);
  }
  const std::vector<int>& leaves = projection_->leaf_indices();
  if (options_.dictionaries == Dictionaries::kKeep && metadata_->num_row_groups() > 0) {
    for (const FileColumn& column : columns_) {
      const int leaf = column.leaf_index;
      if (leaf < 0 || !std::count(leaves.begin(), leaves.end(), leaf)) continue;
      const bool is_string = arrow::is_binary_like(column.type->id());
      const bool keep =
          is_string && IsDictionaryEncoded(*metadata_->RowGroup(0)->ColumnChunk(leaf));
      arrow_properties.set_read_dictionary(leaf, keep);
    }
  }
  auto raw = parquet::ParquetFileReader::Open(std::move(file), properties, metadata_);
  MORAINE_FILE_ASSIGN(location_, reader_,
                      parquet::arrow::FileReader::Make(pool_, std::move(raw), arrow_properties));
  return {};
}

bool Reader::SkipsRowGroup(int row_group) const {
  if (!options_.filter) return false;
  const FileColumn* column = FindColumn(columns_, options_.filter->column_id);
  if (column == nullptr || column->leaf_index < 0) return false;
  const auto chunk = metadata_->RowGroup(row_group)->ColumnChunk(column->leaf_index);
  return !MayHaveStrings(*chunk, *options_.filter);
}

bool Reader::SkipsNext() const {
  return row_group_ + 1 >= metadata_->num_row_groups() || SkipsRowGroup(row_group_ + 1);
}

int64_t Reader::BatchRows(const parquet::RowGroupMetaData& row_group) const {
  int64_t bytes = 0;
  for (int leaf : projection_->leaf_indices()) {
    bytes = AddCapped(bytes, EstimateDecodedBytes(*row_group.ColumnChunk(leaf),
                                                  *metadata_->schema()->Column(leaf)));
  }
  const int64_t rows = std::max<int64_t>(row_group.num_rows(), 1);
  const int64_t row_bytes = std::max<int64_t>({bytes / rows, measured_row_bytes_, 1});
  return std::clamp<int64_t>(options_.batch_bytes / row_bytes, 1, options_.batch_rows);
}

// Files far away fetch ahead what is wanted of a row group; local ones take no notice.
void Reader::AnnounceRowGroup(int row_group) {
  if (row_group <= announced_ || row_group >= metadata_->num_row_groups()) return;
  announced_ = row_group;
  const auto group = metadata_->RowGroup(row_group);
  std::vector<arrow::io::ReadRange> ranges;
  for (int leaf : projection_->leaf_indices()) {
    const auto chunk = group->ColumnChunk(leaf);
    int64_t begin = chunk->data_page_offset();
    const int64_t dictionary = chunk->has_dictionary_page() ? chunk->dictionary_page_offset() : 0;
    if (dictionary > 0) begin = std::min(begin, dictionary);
    ranges.push_back({begin, chunk->total_compressed_size()});
  }
  (void)file_->WillNeed(ranges);
}

// Moves to the next row group that is wanted; row_group_ past the last one means the end.
Status Reader::OpenRowGroup() {
  batches_.reset();
  do {
    row_group_position_ += row_group_rows_;
    ++row_group_;
    if (row_group_ >= metadata_->num_row_groups()) return {};
    row_group_rows_ = metadata_->RowGroup(row_group_)->num_rows();
  } while (row_group_rows_ == 0 || SkipsRowGroup(row_group_));
  rows_done_ = 0;
  if (projection_->leaf_indices().empty()) return {};
  AnnounceRowGroup(row_group_);
  if (!SkipsNext()) AnnounceRowGroup(row_group_ + 1);
  reader_->set_batch_size(BatchRows(*metadata_->RowGroup(row_group_)));
  MORAINE_FILE_ASSIGN(location_, batches_,
                      reader_->GetRecordBatchReader({row_group_}, projection_->leaf_indices()));
  return {};
}

Result<std::shared_ptr<arrow::RecordBatch>> Reader::NextOfRowGroup() {
  std::shared_ptr<arrow::RecordBatch> batch;
  int64_t rows = std::min(row_group_rows_ - rows_done_, options_.batch_rows);
  if (batches_ != nullptr) {
    MORAINE_FILE_TRY(location_, batches_->ReadNext(&batch));
    rows = batch != nullptr ? batch->num_rows() : 0;
    if (rows == 0 || rows > row_group_rows_ - rows_done_) {
      return Corruption(location_ + ": row group " + std::to_string(row_group_) + " claims " +
                        std::to_string(row_group_rows_) + " rows, its columns have others");
    }
    measured_row_bytes_ =
        std::max(measured_row_bytes_, arrow::util::TotalBufferSize(*batch) / rows);
  }
  batch_position_ = row_group_position_ + rows_done_;
  rows_done_ += rows;
  const BatchOrigin origin{&location_, batch_position_,
                           options_.lineage ? &*options_.lineage : nullptr};
  auto projected = projection_->Apply(batch.get(), rows, origin, options_.dictionaries, pool_);
  if (!projected.ok()) return std::move(projected).status().Annotate(location_);
  return projected;
}

Result<std::shared_ptr<arrow::RecordBatch>> Reader::NextUnguarded() {
  if (row_group_ >= metadata_->num_row_groups()) return std::shared_ptr<arrow::RecordBatch>();
  if (row_group_ < 0 || rows_done_ == row_group_rows_) {
    MORAINE_TRY(OpenRowGroup());
    if (row_group_ >= metadata_->num_row_groups()) return std::shared_ptr<arrow::RecordBatch>();
  }
  return NextOfRowGroup();
}

}  // namespace

Result<std::unique_ptr<ParquetReader>> ParquetReader::Open(Call& call, io::FileSystem& files,
                                                           const std::string& location,
                                                           std::optional<int64_t> known_size,
                                                           ReadOptions options) {
  auto reader = std::make_unique<Reader>(call, location, std::move(options));
  MORAINE_TRY(reader->Open(files, known_size));
  return std::unique_ptr<ParquetReader>(std::move(reader));
}

}  // namespace moraine::iceberg
