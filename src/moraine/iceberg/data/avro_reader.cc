#include "moraine/iceberg/data/avro_reader.h"

#include <algorithm>
#include <utility>

#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/iceberg/avro/avro_stream.h"
#include "moraine/iceberg/data/avro_columns_internal.h"
#include "moraine/iceberg/data/file_columns_internal.h"
#include "moraine/iceberg/data/foreign_errors_internal.h"

namespace moraine::iceberg {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kLeastBlockBytes = int64_t{16} << 20;

class Reader final : public DataFileReader {
 public:
  Reader(std::string location, ReadOptions options)
      : location_(std::move(location)),
        options_(std::move(options)),
        pool_(options_.pool != nullptr ? options_.pool : arrow::default_memory_pool()) {}

  Status Open(Call& call, io::FileSystem& files, std::optional<int64_t> known_size) {
    MORAINE_ASSIGN(auto file, files.Open(call, location_, known_size));
    return Annotated(GuardFile(location_, [&] { return OpenUnguarded(call, std::move(file)); }));
  }

  const std::shared_ptr<arrow::Schema>& schema() const override {
    return projection_->arrow_schema();
  }
  std::optional<int64_t> known_rows() const override {
    return at_end_ ? std::optional<int64_t>(rows_done_) : std::nullopt;
  }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  int64_t batch_position() const override { return batch_position_; }

  Result<BatchPtr> Next(Call& call) override {
    MORAINE_TRY(call.Check());
    BatchPtr batch;
    MORAINE_TRY(Annotated(GuardFile(location_, [&] { return NextUnguarded(call, &batch); })));
    return batch;
  }

 private:
  Status Annotated(Status status) const {
    if (status.ok() || status.message().find(location_) != std::string::npos) return status;
    return std::move(status).Annotate(location_);
  }
  Status OpenUnguarded(Call& call, std::unique_ptr<io::RandomReader> file);
  Status NextUnguarded(Call& call, BatchPtr* batch);
  Status NextBlock(Call& call);
  Status ReadRows(Call& call);

  const std::string location_;
  const ReadOptions options_;
  arrow::MemoryPool* pool_;
  std::optional<AvroStream> stream_;
  std::vector<FileColumn> columns_;
  std::optional<ColumnProjection> projection_;
  std::optional<AvroRows> rows_;  // none: no column of the file is wanted

  AvroCursor cursor_{std::string_view()};
  int64_t block_rows_left_ = 0;
  int64_t rows_done_ = 0;  // of the file, the last batch included
  int64_t batch_position_ = 0;
  bool at_end_ = false;
};

Status Reader::OpenUnguarded(Call& call, std::unique_ptr<io::RandomReader> file) {
  MORAINE_ASSIGN(AvroStream stream, AvroStream::Open(call, std::move(file)));
  stream_.emplace(std::move(stream));
  MORAINE_ASSIGN(columns_, ToFileColumns(stream_->schema()));
  MORAINE_TRY(GiveIds(location_, options_, &columns_));
  MORAINE_ASSIGN(projection_,
                 ColumnProjection::Make(options_.fields, columns_, options_.constants));
  const std::vector<int>& leaves = projection_->leaf_indices();
  if (leaves.empty()) return {};
  rows_.emplace(AvroRows::Make(stream_->schema(), columns_, leaves, pool_));
  return {};
}

Status Reader::NextBlock(Call& call) {
  if (rows_ && !cursor_.at_end()) {
    return Corruption(fmt::format("Avro block at offset {}: {} bytes are left after its records",
                                  stream_->block_offset(), cursor_.remaining()));
  }
  MORAINE_ASSIGN(
      const bool more,
      stream_->NextBlock(call, std::max(kLeastBlockBytes, options_.whole_row_group_bytes)));
  at_end_ = !more;
  if (at_end_) return {};
  block_rows_left_ = stream_->record_count();
  cursor_ = AvroCursor(stream_->data());
  return {};
}

// Fills rows_, across blocks.
Status Reader::ReadRows(Call& call) {
  while (rows_->num_rows() < options_.batch_rows && rows_->memory_bytes() < options_.batch_bytes) {
    if (block_rows_left_ == 0) {
      MORAINE_TRY(NextBlock(call));
      if (at_end_) return {};
    }
    MORAINE_TRY(rows_->Append(&cursor_));
    if (!cursor_.ok()) {
      return Corruption(fmt::format(
          "Avro block at offset {}: record {} is broken at byte {} of the unpacked block",
          stream_->block_offset(), stream_->record_count() - block_rows_left_, cursor_.position()));
    }
    --block_rows_left_;
  }
  return {};
}

Status Reader::NextUnguarded(Call& call, BatchPtr* batch) {
  if (at_end_) return {};
  int64_t count = 0;
  BatchPtr input;
  if (rows_) {
    MORAINE_TRY(ReadRows(call));
    count = rows_->num_rows();
    if (count > 0) {
      MORAINE_ASSIGN(input, rows_->Finish());
    }
  } else {
    if (block_rows_left_ == 0) MORAINE_TRY(NextBlock(call));
    count = std::min(block_rows_left_, options_.batch_rows);
    block_rows_left_ -= count;
  }
  if (count == 0) return {};
  batch_position_ = rows_done_;
  rows_done_ += count;
  const BatchOrigin origin{&location_, batch_position_,
                           options_.lineage ? &*options_.lineage : nullptr};
  MORAINE_ASSIGN(*batch,
                 projection_->Apply(input.get(), count, origin, options_.dictionaries, pool_));
  return {};
}

}  // namespace

Result<std::unique_ptr<DataFileReader>> OpenAvroReader(Call& call, io::FileSystem& files,
                                                       const std::string& location,
                                                       std::optional<int64_t> known_size,
                                                       ReadOptions options) {
  auto reader = std::make_unique<Reader>(location, std::move(options));
  MORAINE_TRY(reader->Open(call, files, known_size));
  return std::unique_ptr<DataFileReader>(std::move(reader));
}

}  // namespace moraine::iceberg
