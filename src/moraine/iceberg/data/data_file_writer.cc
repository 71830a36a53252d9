#include "moraine/iceberg/data/data_file_writer.h"

#include <utility>

#include <arrow/record_batch.h>

namespace moraine::iceberg {

Status DataFileWriter::Write(Call& call, const arrow::RecordBatch& batch) {
  if (batch.num_rows() == 0) return {};
  if (writer_ == nullptr) {
    const std::string location = options_.location(static_cast<int>(closed_.size()));
    MORAINE_ASSIGN(writer_, ParquetWriter::Open(call, files_, location, options_.write));
  }
  MORAINE_TRY(writer_->Write(call, batch));
  const bool is_full =
      options_.target_size_bytes > 0 && writer_->estimated_bytes() >= options_.target_size_bytes;
  return is_full ? CloseFile(call) : Status();
}

Status DataFileWriter::CloseFile(Call& call) {
  MORAINE_ASSIGN(DataFile file, writer_->Close(call));
  writer_.reset();
  file.spec_id = options_.spec_id;
  file.partition = options_.partition;
  closed_.push_back(std::move(file));
  return {};
}

Result<std::vector<DataFile>> DataFileWriter::Close(Call& call) {
  if (writer_ != nullptr) MORAINE_TRY(CloseFile(call));
  return std::move(closed_);
}

}  // namespace moraine::iceberg
