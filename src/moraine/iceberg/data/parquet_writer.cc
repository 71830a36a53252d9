#include "moraine/iceberg/data/parquet_writer.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/compression.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/column_metrics_internal.h"
#include "moraine/iceberg/data/dictionary_trial_internal.h"
#include "moraine/iceberg/data/foreign_errors_internal.h"
#include "moraine/iceberg/data/leaf_levels_internal.h"
#include "moraine/iceberg/data/open_dictionary_internal.h"
#include "moraine/iceberg/data/parquet_properties_internal.h"
#include "moraine/iceberg/data/parquet_schema_internal.h"
#include "moraine/iceberg/data/value_cast.h"
#include "moraine/io/arrow_file.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

// Rows between two looks at the size of the open row group.
constexpr int64_t kStepRows = 32 * 1024;

// Of the wanted size: no row group is cut below it for want of memory.
constexpr int64_t kLeastFraction = 32;

// A top-level column and the range of its leaves.
struct TopColumn {
  Field field;
  int index = 0;  // in batches
  size_t first_leaf = 0;
  size_t leaf_count = 0;
  bool keeps_dictionaries = false;  // of a column that comes dictionary-encoded
  OpenDictionary dictionary;
};

class Writer final : public ParquetWriter {
 public:
  Writer(const Call& call, std::string location, WriteOptions options)
      : call_(call), location_(std::move(location)), options_(std::move(options)) {
    pool_ = options_.pool != nullptr ? options_.pool : arrow::default_memory_pool();
    options_.pool = pool_;
  }
  ~Writer() override { Abandon(); }

  Status Open(io::FileSystem& files) {
    return GuardFile(location_, [&] { return OpenUnguarded(files); });
  }
  Status Write(Call& call, const arrow::RecordBatch& batch) override {
    return GuardFile(location_, [&] { return WriteUnguarded(call, batch); });
  }
  Result<DataFile> Close(Call& call) override {
    return GuardFile(location_, [&] { return CloseUnguarded(call); });
  }
  int64_t estimated_bytes() const override { return closed_bytes_ + open_bytes_; }
  int64_t rows() const override { return rows_; }

 private:
  Status OpenUnguarded(io::FileSystem& files);
  Status Begin(const arrow::RecordBatch* first);
  Result<std::vector<bool>> FindPlain(const arrow::RecordBatch& first) const;
  Result<std::shared_ptr<parquet::WriterProperties>> Properties(const std::vector<bool>& plain);
  void IndexColumns();
  Status WriteUnguarded(Call& call, const arrow::RecordBatch& batch);
  void OrderColumns(const arrow::RecordBatch& batch);
  Status WriteStep(const arrow::RecordBatch& batch);
  Status WriteColumn(TopColumn* column, std::shared_ptr<arrow::Array> values);
  Status CloseRowGroup();
  int64_t OpenRowGroupBytes() const;
  Result<DataFile> CloseUnguarded(Call& call);
  void Abandon();

  Call call_;  // the file is written through it
  const std::string location_;
  WriteOptions options_;
  arrow::MemoryPool* pool_;
  std::vector<TopColumn> columns_;
  std::vector<size_t> largest_first_;  // indices into columns_
  std::vector<LeafColumn> leaves_;
  std::vector<LeafCounts> counts_;
  int64_t row_group_bytes_ = 0;

  std::shared_ptr<parquet::ArrowWriterProperties> arrow_properties_;
  std::vector<std::unique_ptr<parquet::ArrowWriteContext>> contexts_;  // one for each leaf
  std::shared_ptr<arrow::io::OutputStream> sink_;
  std::shared_ptr<parquet::schema::GroupNode> root_;
  std::shared_ptr<parquet::WriterProperties> properties_;
  std::unique_ptr<parquet::ParquetFileWriter> writer_;  // from the first rows on
  parquet::RowGroupWriter* row_group_ = nullptr;
  int64_t rows_ = 0;
  int64_t closed_bytes_ = 0;  // of row groups that are written
  int64_t open_bytes_ = 0;    // of the one that is not
};

void Writer::IndexColumns() {
  const std::vector<Field>& fields = options_.schema->fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    TopColumn column;
    column.field = fields[i];
    column.index = static_cast<int>(i);
    column.first_leaf = leaves_.size();
    for (LeafColumn& leaf : ListLeaves({fields[i]})) leaves_.push_back(std::move(leaf));
    column.leaf_count = leaves_.size() - column.first_leaf;
    const TypeKind kind = fields[i].type->kind();
    column.keeps_dictionaries = (kind == TypeKind::kString || kind == TypeKind::kBinary) &&
                                !HasBloomFilter(options_, fields[i].name);
    if (column.leaf_count > 0) columns_.push_back(std::move(column));
  }
  counts_.resize(leaves_.size());
}

Status Writer::OpenUnguarded(io::FileSystem& files) {
  IndexColumns();
  MORAINE_ASSIGN(root_, ToParquetSchema(options_.schema->fields()));
  MORAINE_ASSIGN(properties_, Properties({}));
  row_group_bytes_ = RowGroupBytes(options_);
  arrow_properties_ = parquet::ArrowWriterProperties::Builder().build();
  for (size_t i = 0; i < leaves_.size(); ++i) {
    contexts_.push_back(
        std::make_unique<parquet::ArrowWriteContext>(pool_, arrow_properties_.get()));
  }
  MORAINE_ASSIGN(std::unique_ptr<io::Writer> file, files.Create(call_, location_));
  sink_ = io::ToArrowStream(call_, std::move(file));
  return {};
}

Result<std::shared_ptr<parquet::WriterProperties>> Writer::Properties(
    const std::vector<bool>& plain) {
  parquet::SchemaDescriptor descriptor;
  descriptor.Init(root_);
  std::vector<std::string> names;
  for (const LeafColumn& leaf : leaves_) names.push_back(leaf.name);
  MORAINE_CHECK(static_cast<size_t>(descriptor.num_columns()) == leaves_.size(),
                "leaves are listed in the order of the Parquet schema");
  return MakeWriterProperties(options_, descriptor, names, plain);
}

// Of the leaves those that are sorted by and smaller without a dictionary; empty: none.
Result<std::vector<bool>> Writer::FindPlain(const arrow::RecordBatch& first) const {
  std::vector<bool> plain;
  for (const TopColumn& column : columns_) {
    const LeafColumn& leaf = leaves_[column.first_leaf];
    const auto& sorted = options_.sorted_ids;
    if (std::find(sorted.begin(), sorted.end(), leaf.id) == sorted.end()) continue;
    const std::string name = "dict-encoding-enabled.column." + leaf.name;
    if (FindParquetProperty(options_, name) != nullptr) continue;  // somebody has decided
    const auto path = parquet::schema::ColumnPath::FromDotString(leaf.name);
    std::unique_ptr<arrow::util::Codec> codec;
    const auto kind = properties_->compression(path);
    if (kind != arrow::Compression::UNCOMPRESSED) {
      MORAINE_FILE_ASSIGN(location_, codec,
                          arrow::util::Codec::Create(kind, properties_->compression_level(path)));
    }
    MORAINE_ASSIGN(const bool is_smaller,
                   IsSmallerPlain(*first.column(column.index), codec.get(), pool_));
    if (!is_smaller) continue;
    plain.resize(leaves_.size());
    plain[column.first_leaf] = true;
  }
  return plain;
}

// first: nullptr where there are no rows.
Status Writer::Begin(const arrow::RecordBatch* first) {
  if (first != nullptr && !options_.sorted_ids.empty()) {
    MORAINE_ASSIGN(const auto plain, FindPlain(*first));
    if (!plain.empty()) {
      MORAINE_ASSIGN(properties_, Properties(plain));
    }
  }
  writer_ = parquet::ParquetFileWriter::Open(sink_, std::move(root_), std::move(properties_),
                                             FileKeyValues(options_));
  return {};
}

// Runs on any thread: touches nothing but the column's own leaves.
Status Writer::WriteColumn(TopColumn* column, std::shared_ptr<arrow::Array> values) {
  if (column->keeps_dictionaries) {
    MORAINE_ASSIGN(values, column->dictionary.Adapt(values, pool_));
  } else if (values->type_id() == arrow::Type::DICTIONARY) {
    MORAINE_ASSIGN(values, CastValues(values, ToArrowType(*column->field.type), pool_));
  }
  size_t leaf = column->first_leaf;
  return ShredColumn(column->field, values, pool_, [&](const LeafValues& shredded) -> Status {
    AddCounts(leaves_[leaf], shredded, &counts_[leaf]);
    const arrow::Status written =
        row_group_->column(static_cast<int>(leaf))
            ->WriteArrow(shredded.definition, shredded.repetition, shredded.num_levels,
                         *shredded.values, contexts_[leaf].get(), !leaves_[leaf].is_required);
    ++leaf;
    MORAINE_FILE_TRY(location_, written);
    return {};
  });
}

// The threads of a step wait for its last column: that should be a small one.
void Writer::OrderColumns(const arrow::RecordBatch& batch) {
  std::vector<int64_t> bytes;
  for (const TopColumn& column : columns_) {
    bytes.push_back(
        arrow::util::ReferencedBufferSize(*batch.column(column.index)).ValueOr(INT64_MAX));
  }
  largest_first_.resize(columns_.size());
  std::iota(largest_first_.begin(), largest_first_.end(), size_t{0});
  std::stable_sort(largest_first_.begin(), largest_first_.end(),
                   [&](size_t a, size_t b) { return bytes[a] > bytes[b]; });
}

Status Writer::WriteStep(const arrow::RecordBatch& batch) {
  if (writer_ == nullptr) MORAINE_TRY(Begin(&batch));
  if (row_group_ == nullptr) {
    row_group_ = writer_->AppendBufferedRowGroup();
    OrderColumns(batch);
  }
  const auto write = [&](size_t place) {
    TopColumn& column = columns_[largest_first_[place]];
    return GuardFile(location_, [&] { return WriteColumn(&column, batch.column(column.index)); });
  };
  if (options_.executor == nullptr || options_.helpers == 0) {
    for (size_t i = 0; i < columns_.size(); ++i) MORAINE_TRY(write(i));
  } else {
    MORAINE_TRY(ForEach(*options_.executor, columns_.size(), options_.helpers, write));
  }
  rows_ += batch.num_rows();
  open_bytes_ = OpenRowGroupBytes();
  const bool is_tight = pool_->bytes_allocated() > options_.pool_bytes &&
                        open_bytes_ > row_group_bytes_ / kLeastFraction;
  if (open_bytes_ >= row_group_bytes_ || is_tight) MORAINE_TRY(CloseRowGroup());
  return {};
}

Status Writer::WriteUnguarded(Call& call, const arrow::RecordBatch& batch) {
  if (batch.num_columns() != static_cast<int>(options_.schema->fields().size())) {
    return InvalidArgument("a batch with " + std::to_string(batch.num_columns()) +
                           " columns for a schema with " +
                           std::to_string(options_.schema->fields().size()));
  }
  for (int64_t at = 0; at < batch.num_rows(); at += kStepRows) {
    MORAINE_TRY(call.Check());
    const bool whole = batch.num_rows() <= kStepRows;
    MORAINE_TRY(whole ? WriteStep(batch) : WriteStep(*batch.Slice(at, kStepRows)));
  }
  return {};
}

int64_t Writer::OpenRowGroupBytes() const {
  const parquet::RowGroupWriter::BufferedStats buffered = row_group_->estimated_buffered_stats();
  return row_group_->total_compressed_bytes() + row_group_->total_compressed_bytes_written() +
         buffered.def_level_bytes + buffered.rep_level_bytes + buffered.value_bytes +
         buffered.dict_bytes;
}

Status Writer::CloseRowGroup() {
  if (row_group_ == nullptr) return {};
  row_group_->Close();
  row_group_ = nullptr;
  for (TopColumn& column : columns_) column.dictionary.Reset();
  open_bytes_ = 0;
  MORAINE_FILE_ASSIGN(location_, closed_bytes_, sink_->Tell());
  return {};
}

Result<DataFile> Writer::CloseUnguarded(Call& call) {
  MORAINE_TRY(call.Check());
  if (writer_ == nullptr) MORAINE_TRY(Begin(nullptr));
  MORAINE_TRY(CloseRowGroup());
  writer_->Close();
  const std::shared_ptr<parquet::FileMetaData> metadata = writer_->metadata();
  DataFile file;
  file.content = options_.content;
  file.format = FileFormat::kParquet;
  file.file_path = location_;
  file.sort_order_id = options_.sort_order_id;
  MORAINE_FILE_ASSIGN(location_, file.file_size_in_bytes, sink_->Tell());
  MORAINE_FILE_TRY(location_, sink_->Close());
  SetMetrics(*metadata, leaves_, counts_,
             options_.modes
                 ? *options_.modes
                 : MetricsModes(*options_.schema, options_.properties, options_.sorted_ids),
             &file);
  writer_.reset();
  sink_.reset();
  return file;
}

// Parquet's writer closes itself when destroyed, and may throw.
void Writer::Abandon() {
  if (writer_ == nullptr) return;
  try {
    writer_.reset();
  } catch (const std::exception& error) {
    // The file is unreferenced already.
  }
}

}  // namespace

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::Open(Call& call, io::FileSystem& files,
                                                           const std::string& location,
                                                           const WriteOptions& options) {
  auto writer = std::make_unique<Writer>(call, location, options);
  MORAINE_TRY(writer->Open(files));
  return std::unique_ptr<ParquetWriter>(std::move(writer));
}

}  // namespace moraine::iceberg
