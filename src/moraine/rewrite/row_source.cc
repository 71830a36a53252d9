#include "moraine/rewrite/row_source.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/written_fields.h"

namespace moraine::rewrite {

using iceberg::Field;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

RowSource::RowSource(io::FileSystem& files, const tasks::RewriteTask& task,
                     const iceberg::DeleteFilter& filter, Options options,
                     RewriteProgress* progress)
    : files_(files),
      task_(task),
      filter_(filter),
      options_(std::move(options)),
      progress_(progress),
      read_fields_(options_.fields),
      constants_(iceberg::PartitionConstants(*task.spec, task.partition)),
      end_(task.rewrite.size()) {
  for (const Field& key : filter.key_fields()) {
    const bool is_there = std::any_of(read_fields_.begin(), read_fields_.end(),
                                      [&](const Field& field) { return field.id == key.id; });
    if (!is_there) read_fields_.push_back(key);
  }
}

void RowSource::Restrict(size_t input) {
  file_ = input;
  end_ = input + 1;
}

Status RowSource::OpenFile(Call& call, const tasks::InputFile& input,
                           const std::vector<Field>& fields) {
  if (input.file.key_metadata) {
    return Unsupported("rewriting an encrypted file: " + input.file.file_path);
  }
  MORAINE_ASSIGN(deletes_, iceberg::FileDeletes::Make(filter_, input.file.file_path,
                                                      input.sequence_number, fields));
  iceberg::ReadOptions read;
  // Keys that the schema has no more are read only where a delete compares them.
  read.fields = deletes_->has_equality_deletes() ? fields : options_.fields;
  read.constants = constants_;
  read.lineage = LineageOf(task_, input);
  read.mapping = options_.mapping;
  read.dictionaries = options_.dictionaries;
  read.batch_bytes = std::clamp<int64_t>(options_.memory_bytes / 16, 64 << 10, 8 << 20);
  read.whole_row_group_bytes = options_.memory_bytes / 4;
  read.pool = options_.pool;
  MORAINE_ASSIGN(
      reader_, iceberg::DataFileReader::Open(call, files_, input.file.file_path, input.file.format,
                                             input.file.file_size_in_bytes, std::move(read)));
  return CheckRowCount(input);
}

Status RowSource::CheckRowCount(const tasks::InputFile& input) const {
  const std::optional<int64_t> rows = reader_->known_rows();
  if (!rows || *rows == input.file.record_count) return {};
  return Corruption(fmt::format("{}: the table's metadata says {} rows, the file has {}",
                                input.file.file_path, input.file.record_count, *rows));
}

Status RowSource::CloseFile(const tasks::InputFile& input) {
  MORAINE_TRY(CheckRowCount(input));
  reader_.reset();
  deletes_.reset();
  bytes_read_ += input.file.file_size_in_bytes;
  progress_->bytes_read += input.file.file_size_in_bytes;
  return {};
}

Result<BatchPtr> RowSource::NextRaw(Call& call, const tasks::InputFile& input) {
  MORAINE_ASSIGN(BatchPtr batch, reader_->Next(call));
  if (batch == nullptr) {
    MORAINE_TRY(CloseFile(input));
    return batch;
  }
  rows_read_ += batch->num_rows();
  progress_->rows_read += batch->num_rows();
  return batch;
}

Result<RowBatch> RowSource::WithoutDeleted(BatchPtr batch) {
  RowBatch alive;
  alive.origin = {file_, reader_->batch_position(), batch->num_rows(), {}};
  std::vector<uint8_t>& keep = alive.origin.keep;
  int64_t deleted = 0;
  int64_t superseded = 0;
  if (!deletes_->empty() || options_.superseded != nullptr) {
    keep.assign(static_cast<size_t>((batch->num_rows() + 7) / 8), 0xFF);
    MORAINE_ASSIGN(deleted,
                   deletes_->Apply(*batch, reader_->batch_position(), keep.data(), options_.pool));
  }
  if (options_.superseded != nullptr) {
    superseded = (*options_.superseded)[file_].ClearKept(reader_->batch_position(),
                                                         batch->num_rows(), keep.data());
  }
  if (static_cast<size_t>(batch->num_columns()) > options_.fields.size()) {
    std::vector<int> own(options_.fields.size());
    std::iota(own.begin(), own.end(), 0);
    MORAINE_ASSIGN(batch, batch->SelectColumns(own));
  }
  if (task_.range && !task_.range->CountsDeletesOf(file_)) {
    rows_elsewhere_ += deleted + superseded;
  } else {
    rows_deleted_ += deleted;
    rows_superseded_ += superseded;
  }
  if (deleted + superseded == batch->num_rows()) return alive;
  if (deleted + superseded == 0) {
    keep.clear();
    alive.rows = std::move(batch);
    return alive;
  }
  MORAINE_ASSIGN(alive.rows, iceberg::KeepRows(batch, keep, options_.pool));
  return alive;
}

Result<RowBatch> RowSource::Next(Call& call) {
  while (file_ < end_) {
    const tasks::InputFile& input = task_.rewrite[file_];
    if (reader_ == nullptr) MORAINE_TRY(OpenFile(call, input, read_fields_));
    MORAINE_ASSIGN(BatchPtr batch, NextRaw(call, input));
    if (batch == nullptr) {
      ++file_;
      continue;
    }
    MORAINE_ASSIGN(RowBatch alive, WithoutDeleted(std::move(batch)));
    if (alive.rows != nullptr) return alive;
  }
  return RowBatch();
}

Result<iceberg::PositionSet> RowSource::DeletedPositions(Call& call,
                                                         const tasks::InputFile& input) {
  iceberg::PositionSet dead;
  if (const iceberg::PositionSet* known = filter_.Positions(input.file.file_path)) {
    dead.Merge(*known);
  }
  MORAINE_ASSIGN(const iceberg::FileDeletes deletes,
                 iceberg::FileDeletes::Make(filter_, input.file.file_path, input.sequence_number,
                                            filter_.key_fields()));
  if (!deletes.has_equality_deletes()) return dead;
  MORAINE_TRY(OpenFile(call, input, filter_.key_fields()));
  while (true) {
    MORAINE_ASSIGN(BatchPtr batch, NextRaw(call, input));
    if (batch == nullptr) return dead;
    std::vector<uint8_t> keep(static_cast<size_t>((batch->num_rows() + 7) / 8), 0xFF);
    const int64_t first = reader_->batch_position();
    MORAINE_TRY(deletes_->Apply(*batch, first, keep.data(), options_.pool));
    std::vector<int64_t> positions;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if ((keep[row / 8] >> (row % 8) & 1) == 0) positions.push_back(first + row);
    }
    dead.AddMany(positions);
  }
}

}  // namespace moraine::rewrite
