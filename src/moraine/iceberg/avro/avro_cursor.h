#pragma once
// Reads Avro primitives from bytes in memory (Avro spec, "Binary Encoding"). Bounds are always
// checked; a failure sticks: the cursor is then at its end, gives zeros and empty text, and ok() is
// false. So hot loops check once a record, and every loop whose count comes from the bytes checks
// the count first.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace moraine::iceberg {

class AvroCursor {
 public:
  explicit AvroCursor(std::string_view bytes)
      : begin_(reinterpret_cast<const uint8_t*>(bytes.data())),
        p_(begin_),
        end_(begin_ + bytes.size()) {}

  bool ok() const { return !failed_; }
  bool at_end() const { return p_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - p_); }
  size_t position() const { return failed_ ? failed_at_ : static_cast<size_t>(p_ - begin_); }

  /// Marks the bytes as broken at this place.
  void Fail() {
    if (!failed_) failed_at_ = static_cast<size_t>(p_ - begin_);
    failed_ = true;
    p_ = end_;
  }

  int64_t ReadLong() {
    const uint64_t raw = ReadVarint();
    return static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
  }
  int32_t ReadInt() {
    const int64_t value = ReadLong();
    if (value != static_cast<int32_t>(value)) [[unlikely]] {
      Fail();
      return 0;
    }
    return static_cast<int32_t>(value);
  }
  bool ReadBool() {
    const std::string_view byte = ReadFixed(1);
    if (byte.empty() || static_cast<uint8_t>(byte[0]) > 1) {
      Fail();
      return false;
    }
    return byte[0] == 1;
  }
  float ReadFloat() { return ReadRaw<float>(); }
  double ReadDouble() { return ReadRaw<double>(); }

  /// Bytes or a string: its length, then itself. Valid while the cursor's bytes are.
  std::string_view ReadBytes() {
    const int64_t length = ReadLong();
    if (static_cast<uint64_t>(length) > remaining()) [[unlikely]] {
      Fail();
      return {};
    }
    return Take(static_cast<size_t>(length));
  }
  std::string_view ReadFixed(size_t length) {
    if (length > remaining()) [[unlikely]] {
      Fail();
      return {};
    }
    return Take(length);
  }

  /// The next block of an array or map: its item count, 0 at the end. Each item takes at least
  /// min_item_bytes (0 counts as none: then any count is taken as it is).
  uint64_t ReadBlockCount(size_t min_item_bytes) {
    int64_t count = ReadLong();
    if (count < 0) {
      ReadLong();  // the block's size in bytes
      if (count == INT64_MIN) {
        Fail();
        return 0;
      }
      count = -count;
    }
    if (static_cast<uint64_t>(count) * min_item_bytes > remaining() ||
        static_cast<uint64_t>(count) > kMaxCount) [[unlikely]] {
      Fail();
      return 0;
    }
    return static_cast<uint64_t>(count);
  }
  /// The same to skip: blocks that state their size are jumped over whole.
  uint64_t SkipBlockCount(size_t min_item_bytes) {
    while (true) {
      const int64_t count = ReadLong();
      if (count >= 0) {
        if (static_cast<uint64_t>(count) > kMaxCount ||
            static_cast<uint64_t>(count) * min_item_bytes > remaining()) [[unlikely]] {
          Fail();
          return 0;
        }
        return static_cast<uint64_t>(count);
      }
      SkipFixed(ReadLong());
    }
  }

  void SkipFixed(int64_t length) {
    if (static_cast<uint64_t>(length) > remaining()) [[unlikely]] {
      Fail();
      return;
    }
    p_ += length;
  }
  void SkipBytes() { SkipFixed(ReadLong()); }
  /// Passes over n ints or longs (or booleans: one byte below 0x80 each).
  void SkipVarints(uint64_t n) {
    while (n > 0 && end_ - p_ >= 8) {
      uint64_t stops = StopBits();
      // Ends of varints in these 8 bytes: a sum of the bytes' lowest bits.
      const uint64_t ends = ((stops >> 7) * 0x0101010101010101) >> 56;
      if (ends >= n) {
        for (uint64_t i = 1; i < n; ++i) stops &= stops - 1;
        p_ += (std::countr_zero(stops) >> 3) + 1;
        return;
      }
      n -= ends;
      p_ += 8;
    }
    while (n > 0 && p_ < end_) n -= *p_++ < 0x80 ? 1 : 0;
    if (n > 0) Fail();
  }

 private:
  static constexpr uint64_t kHighBits = 0x8080808080808080;
  // Keeps counts times item sizes far from overflow; no block holds as many.
  static constexpr uint64_t kMaxCount = uint64_t{1} << 40;

  std::string_view Take(size_t length) {
    const char* begin = reinterpret_cast<const char*>(p_);
    p_ += length;
    return {begin, length};
  }
  template <typename T>
  T ReadRaw() {
    T value{};
    if (remaining() < sizeof(T)) [[unlikely]] {
      Fail();
      return value;
    }
    std::memcpy(&value, p_, sizeof(T));
    p_ += sizeof(T);
    return value;
  }
  uint64_t ReadVarint() {
    if (p_ < end_ && *p_ < 0x80) [[likely]]
      return *p_++;
    return ReadLongVarint();
  }
  uint64_t ReadLongVarint() {
    if (end_ - p_ >= 8) {
      uint64_t word;
      std::memcpy(&word, p_, 8);
      const uint64_t stops = ~word & kHighBits;
      if (stops != 0) [[likely]] {
        // Keep the bytes up to the first without a high bit, then close the gaps of one bit each.
        word &= stops ^ (stops - 1);
        p_ += (std::countr_zero(stops) >> 3) + 1;
        word = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
        word = (word & 0x00003fff00003fff) | (word & 0x3fff00003fff0000) >> 2;
        return (word & 0x000000000fffffff) | (word & 0x0fffffff00000000) >> 4;
      }
    }
    return ReadSlowVarint();
  }
  uint64_t ReadSlowVarint();
  /// The high bit of each of the next 8 bytes that ends a varint.
  uint64_t StopBits() const {
    uint64_t word;
    std::memcpy(&word, p_, 8);
    return ~word & kHighBits;
  }

  const uint8_t* begin_;
  const uint8_t* p_;
  const uint8_t* end_;
  size_t failed_at_ = 0;
  bool failed_ = false;
};

static_assert(std::endian::native == std::endian::little, "Avro floats are read as they lie");

}  // namespace moraine::iceberg
