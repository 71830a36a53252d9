#include "moraine/io/arrow_file.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "moraine/io/arrow_status.h"
#include "moraine/io/range_cache.h"

namespace moraine::io {
namespace {

class ArrowFile final : public arrow::io::RandomAccessFile {
 public:
  ArrowFile(const Call& call, std::shared_ptr<RandomReader> reader)
      : call_(call), reader_(std::move(reader)) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> GetSize() override { return reader_->size(); }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    if (position < 0) return arrow::Status::Invalid("seek to a negative offset");
    position_ = position;
    return arrow::Status::OK();
  }

  arrow::Result<int64_t> ReadAt(int64_t position, int64_t count, void* out) override {
    if (closed_) return arrow::Status::Invalid("file is closed");
    if (position < 0 || count < 0) return arrow::Status::Invalid("negative offset or length");
    int64_t some = Available(position, count);
    Call call(call_);
    ARROW_RETURN_NOT_OK(ToArrow(
        reader_->ReadAt(call, position, {static_cast<char*>(out), static_cast<size_t>(some)})));
    return some;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override {
    if (position < 0 || count < 0) return arrow::Status::Invalid("negative offset or length");
    // Never more than the file has, whatever a length field in it says.
    int64_t some = Available(position, count);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(some));
    ARROW_RETURN_NOT_OK(ReadAt(position, some, buffer->mutable_data()));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  arrow::Status WillNeed(const std::vector<arrow::io::ReadRange>& ranges) override {
    std::vector<ByteRange> wanted;
    for (const arrow::io::ReadRange& range : ranges) {
      wanted.push_back({range.offset, range.length});
    }
    Call call(call_);
    WillRead(call, *reader_, wanted);
    return arrow::Status::OK();
  }

  arrow::Result<int64_t> Read(int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position_, count, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }

 private:
  int64_t Available(int64_t position, int64_t count) const {
    return std::clamp<int64_t>(reader_->size() - position, 0, count);
  }

  const Call call_;
  std::shared_ptr<RandomReader> reader_;
  std::atomic<bool> closed_ = false;
  int64_t position_ = 0;
};

class ArrowStream final : public arrow::io::OutputStream {
 public:
  ArrowStream(const Call& call, std::unique_ptr<Writer> writer)
      : call_(call), writer_(std::move(writer)) {}

  arrow::Status Close() override {
    if (writer_ == nullptr) return arrow::Status::OK();
    Status status = writer_->Close(call_);
    position_ = writer_->bytes_written();
    writer_.reset();
    return ToArrow(status);
  }
  arrow::Status Abort() override {
    writer_.reset();
    return arrow::Status::OK();
  }
  bool closed() const override { return writer_ == nullptr; }
  arrow::Result<int64_t> Tell() const override {
    return writer_ == nullptr ? position_ : writer_->bytes_written();
  }
  arrow::Status Write(const void* data, int64_t count) override {
    if (writer_ == nullptr) return arrow::Status::Invalid("file is closed");
    return ToArrow(
        writer_->Append(call_, {static_cast<const char*>(data), static_cast<size_t>(count)}));
  }
  arrow::Status Flush() override { return arrow::Status::OK(); }

 private:
  Call call_;
  std::unique_ptr<Writer> writer_;
  int64_t position_ = 0;
};

}  // namespace

std::shared_ptr<arrow::io::RandomAccessFile> ToArrowFile(const Call& call,
                                                         std::shared_ptr<RandomReader> reader) {
  return std::make_shared<ArrowFile>(call, std::move(reader));
}

std::shared_ptr<arrow::io::OutputStream> ToArrowStream(const Call& call,
                                                       std::unique_ptr<Writer> writer) {
  return std::make_shared<ArrowStream>(call, std::move(writer));
}

}  // namespace moraine::io
