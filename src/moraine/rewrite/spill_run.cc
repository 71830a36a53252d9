#include "moraine/rewrite/spill_run.h"

#include <utility>

#include <arrow/io/interfaces.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/util/compression.h>

#include "moraine/io/arrow_status.h"

namespace moraine::rewrite {
namespace {

template <typename T>
Status Check(const arrow::Result<T>& result) {
  return io::ScratchStatus(result.status());
}

}  // namespace

SpillRun::SpillRun(io::ScratchFile file, arrow::MemoryPool* pool)
    : file_(std::move(file)), pool_(pool) {}
SpillRun::~SpillRun() = default;

Result<std::unique_ptr<SpillRun>> SpillRun::Make(const std::string& folder,
                                                 arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(io::ScratchFile file, io::ScratchFile::Make(folder));
  return std::unique_ptr<SpillRun>(new SpillRun(std::move(file), pool));
}

Status SpillRun::Write(const arrow::RecordBatch& batch) {
  if (writer_ == nullptr) {
    MORAINE_ASSIGN(stream_, file_.OpenWriter());
    auto options = arrow::ipc::IpcWriteOptions::Defaults();
    options.memory_pool = pool_;
    options.use_threads = false;
    if (arrow::util::Codec::IsAvailable(arrow::Compression::LZ4_FRAME)) {
      MORAINE_ASSIGN(options.codec, arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME));
    }
    auto made = arrow::ipc::MakeFileWriter(stream_, batch.schema(), options);
    MORAINE_TRY(Check(made));
    writer_ = std::move(made).ValueUnsafe();
  }
  return io::ScratchStatus(writer_->WriteRecordBatch(batch));
}

Status SpillRun::Finish() {
  if (writer_ == nullptr) return {};
  MORAINE_TRY(io::ScratchStatus(writer_->Close()));
  const auto size = stream_->Tell();
  MORAINE_TRY(Check(size));
  bytes_ = *size;
  MORAINE_TRY(io::ScratchStatus(stream_->Close()));
  writer_.reset();
  stream_.reset();
  return OpenReader();
}

Status SpillRun::OpenReader() {
  MORAINE_ASSIGN(auto file, file_.OpenReader());
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool_;
  options.use_threads = false;
  auto opened = arrow::ipc::RecordBatchFileReader::Open(std::move(file), options);
  MORAINE_TRY(Check(opened));
  reader_ = std::move(opened).ValueUnsafe();
  return {};
}

Result<std::shared_ptr<arrow::RecordBatch>> SpillRun::Next() {
  if (reader_ == nullptr || next_ >= reader_->num_record_batches()) {
    reader_.reset();
    return std::shared_ptr<arrow::RecordBatch>();
  }
  auto batch = reader_->ReadRecordBatch(next_);
  MORAINE_TRY(Check(batch));
  ++next_;
  return std::move(batch).ValueUnsafe();
}

}  // namespace moraine::rewrite
