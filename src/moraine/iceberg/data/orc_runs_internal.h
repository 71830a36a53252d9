#pragma once
// The streams of an ORC stripe: bytes in compressed chunks, and the run lengths that are in them
// (ORC specification v1, "Compression", "Run Length Encoding"). A failure sticks, as with
// AvroCursor: zeros come then, and status() tells why.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/type_fwd.h>

#include "moraine/base/status.h"

namespace moraine::iceberg {

class OrcFile;

/// Bytes that the pool counts. Without any, it takes none.
class OrcBuffer {
 public:
  /// Errors: Exhausted.
  Status Resize(size_t size, arrow::MemoryPool* pool);
  size_t size() const { return buffer_ == nullptr ? 0 : static_cast<size_t>(buffer_->size()); }
  char* data() { return buffer_ == nullptr ? nullptr : as_chars(buffer_->mutable_data()); }
  std::string_view view() { return {data(), size()}; }

 private:
  static char* as_chars(uint8_t* bytes) { return reinterpret_cast<char*>(bytes); }
  std::unique_ptr<arrow::ResizableBuffer> buffer_;
};

/// The unpacked bytes of a stream, in order.
class OrcBytes {
 public:
  OrcBytes() = default;  ///< a stream that is not there: it has no bytes
  /// window: about how many bytes of the file it holds at once.
  OrcBytes(OrcFile* file, int64_t offset, int64_t length, int64_t window)
      : file_(file), offset_(offset), end_(offset + length), window_(window) {}
  OrcBytes(const OrcBytes&) = delete;
  OrcBytes& operator=(const OrcBytes&) = delete;
  OrcBytes(OrcBytes&&) = default;
  OrcBytes& operator=(OrcBytes&&) = default;

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  void Fail(std::string_view problem) {
    if (status_.ok()) status_ = Corruption(std::string(problem));
    chunk_ = {};
  }

  uint8_t Byte() {
    if (chunk_.empty() && !NeedChunk()) return 0;
    const auto byte = static_cast<uint8_t>(chunk_[0]);
    chunk_.remove_prefix(1);
    return byte;
  }
  /// The next bytes, at most this many; none after a failure.
  std::string_view Some(size_t most) {
    if (chunk_.empty() && !NeedChunk()) return {};
    const std::string_view some = chunk_.substr(0, most);
    chunk_.remove_prefix(some.size());
    return some;
  }
  void Read(char* out, size_t size) {
    while (size > 0) {
      const std::string_view some = Some(size);
      if (some.empty()) {
        std::fill_n(out, size, '\0');
        return;
      }
      std::copy(some.begin(), some.end(), out);
      out += some.size();
      size -= some.size();
    }
  }
  uint64_t Varint();
  /// Gives all to the stream's end, piece by piece. Errors: Exhausted for more than these; take's.
  Status ReadAll(int64_t max_bytes, const std::function<Status(std::string_view)>& take);

 private:
  bool NeedChunk();            // false: there is none, which is a failure
  Result<bool> NextChunk();    // false: there is none
  Status Load(int64_t bytes);  // of the file into raw_, at raw_at_

  OrcFile* file_ = nullptr;
  int64_t offset_ = 0;  // of what is not in raw_ yet
  int64_t end_ = 0;
  int64_t window_ = 0;
  OrcBuffer raw_;
  size_t raw_at_ = 0;
  OrcBuffer unpacked_;
  std::string_view chunk_;  // what is left of the chunk
  Status status_;
};

/// Bytes in runs.
class OrcByteRuns {
 public:
  explicit OrcByteRuns(OrcBytes bytes) : bytes_(std::move(bytes)) {}
  uint8_t Next();
  const Status& status() const { return bytes_.status(); }

 private:
  OrcBytes bytes_;
  int left_ = 0;
  bool repeats_ = false;
  uint8_t value_ = 0;
};

class OrcBits {
 public:
  explicit OrcBits(OrcBytes bytes) : bytes_(std::move(bytes)) {}
  bool Next() {
    if (left_ == 0) {
      byte_ = bytes_.Next();
      left_ = 8;
    }
    return (byte_ >> --left_ & 1) != 0;
  }
  const Status& status() const { return bytes_.status(); }

 private:
  OrcByteRuns bytes_;
  uint8_t byte_ = 0;
  int left_ = 0;
};

/// Values of runs that can be looked at before they are taken. What was looked at is kept in memory
/// that the pool counts; where there is none, status() says so.
template <typename Runs, typename T>
class OrcAhead {
 public:
  OrcAhead(Runs runs, arrow::MemoryPool* pool) : runs_(std::move(runs)), pool_(pool) {}
  T Next() {
    if (at_ == end_) return static_cast<T>(runs_.Next());
    const T value = values_[at_++];
    if (at_ == end_) at_ = end_ = looked_ = 0;
    return value;
  }
  /// Looking begins again with the value that Next gives.
  void Rewind() { looked_ = at_; }
  /// The value behind the one that was looked at last.
  T Look() {
    if (looked_ == end_ && !Add()) return T();
    return values_[looked_++];
  }
  const Status& status() const { return status_.ok() ? runs_.status() : status_; }

 private:
  bool Add() {
    if (end_ == room_ && !MakeRoom()) return false;
    values_[end_++] = static_cast<T>(runs_.Next());
    return true;
  }
  bool MakeRoom() {
    if (!status_.ok()) return false;
    if (at_ > 0 && at_ >= end_ / 2) {
      std::copy(values_ + at_, values_ + end_, values_);
      end_ -= at_;
      looked_ -= at_;
      at_ = 0;
      return true;
    }
    const size_t room = std::max<size_t>(2 * room_, 64);
    status_ = buffer_.Resize(room * sizeof(T), pool_);
    if (!status_.ok()) return false;
    room_ = room;
    values_ = reinterpret_cast<T*>(buffer_.data());
    return true;
  }

  Runs runs_;
  arrow::MemoryPool* pool_;
  OrcBuffer buffer_;
  T* values_ = nullptr;  // in the buffer: at_ .. end_ are not taken yet, looked_ is among them
  size_t room_ = 0;
  size_t at_ = 0;
  size_t looked_ = 0;
  size_t end_ = 0;
  Status status_;
};

enum class OrcSign : uint8_t { kSigned, kUnsigned };

/// Integers in runs, of either version.
class OrcInts {
 public:
  OrcInts(OrcBytes bytes, OrcSign sign, bool is_v2)
      : bytes_(std::move(bytes)), is_signed_(sign == OrcSign::kSigned), is_v2_(is_v2) {}
  int64_t Next() {
    if (at_ == count_) NextRun();
    return values_[at_++];
  }
  const Status& status() const { return bytes_.status(); }

 private:
  void NextRun();
  void ReadRunV1();
  void ReadRunV2();
  void ReadShortRepeat(uint8_t head);
  void ReadDirect(uint8_t head);
  void ReadPatched(uint8_t head);
  void ReadDelta(uint8_t head);
  size_t LongCount(uint8_t head) {
    return (static_cast<size_t>(head & 1) << 8 | bytes_.Byte()) + 1;
  }
  int64_t FromZigzag(uint64_t raw) const;
  uint64_t BigEndian(int bytes);
  // Values of width bits each, the highest bit first; ends with a byte.
  void Unpack(int width, size_t count, uint64_t* out);

  OrcBytes bytes_;
  bool is_signed_;
  bool is_v2_;
  size_t at_ = 0;
  size_t count_ = 0;
  std::array<int64_t, 512> values_;
};

}  // namespace moraine::iceberg
