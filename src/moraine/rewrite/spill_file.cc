#include "moraine/rewrite/spill_file.h"

#include <numeric>
#include <utility>

#include <arrow/io/interfaces.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/message.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/io/arrow_status.h"

namespace moraine::rewrite {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

template <typename T>
Status Check(const arrow::Result<T>& result) {
  return io::ScratchStatus(result.status());
}

Result<BatchPtr> Columns(const arrow::RecordBatch& batch, int first, int count) {
  std::vector<int> columns(static_cast<size_t>(count));
  std::iota(columns.begin(), columns.end(), first);
  MORAINE_ASSIGN(BatchPtr selected, batch.SelectColumns(columns));
  return selected;
}

}  // namespace

SpillFile::SpillFile(io::ScratchFile file, arrow::MemoryPool* pool)
    : file_(std::move(file)), pool_(pool) {}
SpillFile::~SpillFile() = default;

Result<std::unique_ptr<SpillFile>> SpillFile::Make(const std::string& folder,
                                                   arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(io::ScratchFile file, io::ScratchFile::Make(folder));
  std::unique_ptr<SpillFile> made(new SpillFile(std::move(file), pool));
  MORAINE_ASSIGN(made->stream_, made->file_.OpenWriter());
  MORAINE_ASSIGN(made->reader_, made->file_.OpenReader(pool));
  return made;
}

Result<SpilledColumns> SpillFile::WriteColumns(const arrow::RecordBatch& batch) {
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.memory_pool = pool_;
  options.use_threads = false;
  SpilledColumns columns;
  columns.offset = bytes_;
  int64_t body_bytes = 0;
  MORAINE_TRY(io::ScratchStatus(arrow::ipc::WriteRecordBatch(
      batch, 0, stream_.get(), &columns.metadata_bytes, &body_bytes, options)));
  columns.bytes = columns.metadata_bytes + body_bytes;
  bytes_ += columns.bytes;
  return columns;
}

Status SpillFile::Write(const arrow::RecordBatch& batch, int key_columns, SpillRun* run) {
  const int value_columns = batch.num_columns() - key_columns;
  MORAINE_ASSIGN(const BatchPtr values, Columns(batch, 0, value_columns));
  MORAINE_ASSIGN(const BatchPtr keys, Columns(batch, value_columns, key_columns));
  if (run->values == nullptr) {
    run->values = values->schema();
    run->keys = keys->schema();
  }
  SpillBlock block;
  block.rows = batch.num_rows();
  MORAINE_ASSIGN(block.values, WriteColumns(*values));
  MORAINE_ASSIGN(block.keys, WriteColumns(*keys));
  run->blocks.push_back(block);
  return {};
}

Result<BatchPtr> SpillFile::Read(const SpilledColumns& columns,
                                 const std::shared_ptr<arrow::Schema>& schema) const {
  auto message = arrow::ipc::ReadMessage(columns.offset, columns.metadata_bytes, reader_.get());
  MORAINE_TRY(Check(message));
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool_;
  options.use_threads = false;
  const arrow::ipc::DictionaryMemo no_dictionaries;
  auto batch = arrow::ipc::ReadRecordBatch(**message, schema, &no_dictionaries, options);
  MORAINE_TRY(Check(batch));
  return std::move(batch).ValueUnsafe();
}

void SpillFile::Discard(const SpillBlock& block) {
  file_.Discard(block.values.offset, block.values.bytes);
  file_.Discard(block.keys.offset, block.keys.bytes);
}

}  // namespace moraine::rewrite
