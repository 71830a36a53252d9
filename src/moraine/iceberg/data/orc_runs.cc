#include <cstring>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/data/orc_file_internal.h"
#include "moraine/iceberg/data/orc_runs_internal.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kChunkHeadBytes = 3;

int WidthOf(int code) {
  constexpr int kWide[] = {26, 28, 30, 32, 40, 48, 56, 64};
  return code < 24 ? code + 1 : kWide[code - 24];
}

// The next width that has a code.
int FixedWidth(int bits) {
  for (int code = 0; code < 32; ++code) {
    if (WidthOf(code) >= bits) return WidthOf(code);
  }
  return 64;
}

// What overflows wraps, as writers count on.
int64_t Add(int64_t a, uint64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + b); }

}  // namespace

Status OrcBuffer::Resize(size_t size, arrow::MemoryPool* pool) {
  const auto wanted = static_cast<int64_t>(size);
  if (buffer_ == nullptr) {
    MORAINE_ASSIGN(buffer_, arrow::AllocateResizableBuffer(wanted, pool));
    return {};
  }
  MORAINE_TRY(buffer_->Resize(wanted, /*shrink_to_fit=*/false));
  return {};
}

Status OrcBytes::Load(int64_t bytes) {
  const auto loaded = static_cast<int64_t>(raw_.size() - raw_at_);
  if (loaded >= bytes) return {};
  if (loaded > 0) std::memmove(raw_.data(), raw_.data() + raw_at_, static_cast<size_t>(loaded));
  raw_at_ = 0;
  const int64_t more = std::min(std::max(bytes, window_) - loaded, end_ - offset_);
  if (more < bytes - loaded) return Corruption("a stream ends within a chunk");
  MORAINE_TRY(raw_.Resize(static_cast<size_t>(loaded + more), file_->pool()));
  MORAINE_TRY(file_->reader().ReadAt(
      file_->call(), offset_, std::span<char>(raw_.data() + loaded, static_cast<size_t>(more))));
  offset_ += more;
  return {};
}

Result<bool> OrcBytes::NextChunk() {
  const int64_t left = end_ - offset_ + static_cast<int64_t>(raw_.size() - raw_at_);
  if (left == 0) return false;
  if (!file_->is_compressed()) {
    MORAINE_TRY(Load(1));
    chunk_ = raw_.view().substr(raw_at_);
    raw_at_ = raw_.size();
    return true;
  }
  MORAINE_TRY(Load(kChunkHeadBytes));
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(raw_.view()[raw_at_ + i]));
  };
  const uint32_t head = byte(0) | byte(1) << 8 | byte(2) << 16;
  const auto length = static_cast<int64_t>(head >> 1);
  if (length > file_->block_bytes()) {
    return Corruption(
        fmt::format("a chunk of {} bytes, where {} are the most", length, file_->block_bytes()));
  }
  MORAINE_TRY(Load(kChunkHeadBytes + length));
  const std::string_view packed =
      raw_.view().substr(raw_at_ + kChunkHeadBytes, static_cast<size_t>(length));
  raw_at_ += static_cast<size_t>(kChunkHeadBytes + length);
  if ((head & 1) != 0) {
    chunk_ = packed;
    return true;
  }
  MORAINE_ASSIGN(const std::string_view unpacked, file_->Unpack(packed));
  MORAINE_TRY(unpacked_.Resize(unpacked.size(), file_->pool()));
  std::copy(unpacked.begin(), unpacked.end(), unpacked_.data());
  chunk_ = unpacked_.view();
  return true;
}

bool OrcBytes::NeedChunk() {
  while (chunk_.empty()) {
    if (!status_.ok()) return false;
    Result<bool> more = file_ != nullptr ? NextChunk() : Result<bool>(false);
    if (more.ok() && *more) continue;
    status_ = more.ok() ? Corruption("a stream ends before its values do") : more.status();
    chunk_ = {};
    return false;
  }
  return true;
}

Status OrcBytes::ReadAll(int64_t max_bytes, const std::function<Status(std::string_view)>& take) {
  for (int64_t taken = 0;;) {
    MORAINE_TRY(status_);
    taken += static_cast<int64_t>(chunk_.size());
    if (taken > max_bytes) {
      return Exhausted(fmt::format("a stream of more than {} bytes", max_bytes));
    }
    MORAINE_TRY(take(std::exchange(chunk_, {})));
    if (file_ == nullptr) return {};
    MORAINE_ASSIGN(const bool more, NextChunk());
    if (!more) return {};
  }
}

uint64_t OrcBytes::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = Byte();
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  Fail("a number of more than 64 bits");
  return 0;
}

uint8_t OrcByteRuns::Next() {
  if (left_ == 0) {
    const uint8_t head = bytes_.Byte();
    repeats_ = head < 0x80;
    left_ = repeats_ ? head + 3 : 256 - head;
    if (repeats_) value_ = bytes_.Byte();
  }
  --left_;
  return repeats_ ? value_ : bytes_.Byte();
}

int64_t OrcInts::FromZigzag(uint64_t raw) const {
  if (!is_signed_) return static_cast<int64_t>(raw);
  return static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
}

uint64_t OrcInts::BigEndian(int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | bytes_.Byte();
  return value;
}

void OrcInts::Unpack(int width, size_t count, uint64_t* out) {
  if (width % 8 == 0) {
    for (size_t i = 0; i < count; ++i) out[i] = BigEndian(width / 8);
    return;
  }
  uint32_t byte = 0;
  int bits = 0;  // of byte that are left
  for (size_t i = 0; i < count; ++i) {
    uint64_t value = 0;
    for (int needed = width; needed > 0;) {
      if (bits == 0) {
        byte = bytes_.Byte();
        bits = 8;
      }
      const int taken = std::min(bits, needed);
      bits -= taken;
      needed -= taken;
      value = value << taken | (byte >> bits & ((1U << taken) - 1));
    }
    out[i] = value;
  }
}

void OrcInts::NextRun() {
  at_ = 0;
  count_ = 0;
  if (bytes_.ok()) {
    if (is_v2_) {
      ReadRunV2();
    } else {
      ReadRunV1();
    }
  }
  if (bytes_.ok()) return;
  values_.fill(0);
  count_ = values_.size();
}

void OrcInts::ReadRunV1() {
  const uint8_t head = bytes_.Byte();
  if (head < 0x80) {
    count_ = static_cast<size_t>(head) + 3;
    const auto delta = static_cast<int8_t>(bytes_.Byte());
    int64_t value = FromZigzag(bytes_.Varint());
    for (size_t i = 0; i < count_; ++i) {
      values_[i] = value;
      value = Add(value, static_cast<uint64_t>(int64_t{delta}));
    }
    return;
  }
  count_ = static_cast<size_t>(256 - head);
  for (size_t i = 0; i < count_; ++i) values_[i] = FromZigzag(bytes_.Varint());
}

void OrcInts::ReadRunV2() {
  const uint8_t head = bytes_.Byte();
  switch (head >> 6) {
    case 0:
      return ReadShortRepeat(head);
    case 1:
      return ReadDirect(head);
    case 2:
      return ReadPatched(head);
    default:
      return ReadDelta(head);
  }
}

void OrcInts::ReadShortRepeat(uint8_t head) {
  count_ = static_cast<size_t>(head & 7) + 3;
  const int64_t value = FromZigzag(BigEndian((head >> 3 & 7) + 1));
  std::fill_n(values_.begin(), count_, value);
}

void OrcInts::ReadDirect(uint8_t head) {
  const int width = WidthOf(head >> 1 & 31);
  count_ = LongCount(head);
  std::array<uint64_t, 512> raw;
  Unpack(width, count_, raw.data());
  for (size_t i = 0; i < count_; ++i) values_[i] = FromZigzag(raw[i]);
}

void OrcInts::ReadPatched(uint8_t head) {
  const int width = WidthOf(head >> 1 & 31);
  count_ = LongCount(head);
  const uint8_t third = bytes_.Byte();
  const uint8_t fourth = bytes_.Byte();
  const int base_bytes = (third >> 5 & 7) + 1;
  const int patch_width = WidthOf(third & 31);
  const int gap_width = (fourth >> 5 & 7) + 1;
  const size_t patches = fourth & 31;
  // The base's highest bit is its sign.
  const uint64_t raw_base = BigEndian(base_bytes);
  const uint64_t sign = uint64_t{1} << (base_bytes * 8 - 1);
  const uint64_t base = (raw_base & sign) != 0 ? uint64_t{0} - (raw_base & ~sign) : raw_base;
  std::array<uint64_t, 512> raw;
  Unpack(width, count_, raw.data());
  if (patch_width + gap_width > 64) {
    return bytes_.Fail("a patched run of impossible widths");
  }
  std::array<uint64_t, 32> list;
  Unpack(FixedWidth(patch_width + gap_width), patches, list.data());
  size_t at = 0;
  for (size_t i = 0; i < patches; ++i) {
    const uint64_t mask = patch_width == 64 ? ~uint64_t{0} : (uint64_t{1} << patch_width) - 1;
    at += static_cast<size_t>(list[i] >> patch_width & 0xff);
    if (at >= count_) return bytes_.Fail("a patch behind its run");
    if (width < 64) raw[at] |= (list[i] & mask) << width;
  }
  for (size_t i = 0; i < count_; ++i) values_[i] = static_cast<int64_t>(base + raw[i]);
}

void OrcInts::ReadDelta(uint8_t head) {
  const int code = head >> 1 & 31;
  const int width = code == 0 ? 0 : WidthOf(code);
  count_ = LongCount(head);
  int64_t value = FromZigzag(bytes_.Varint());
  const uint64_t raw = bytes_.Varint();
  const int64_t first = static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
  std::array<uint64_t, 512> deltas;
  if (width > 0 && count_ > 2) Unpack(width, count_ - 2, deltas.data());
  values_[0] = value;
  for (size_t i = 1; i < count_; ++i) {
    uint64_t delta = static_cast<uint64_t>(first);
    if (width > 0 && i > 1) delta = first < 0 ? uint64_t{0} - deltas[i - 2] : deltas[i - 2];
    value = Add(value, delta);
    values_[i] = value;
  }
}

}  // namespace moraine::iceberg
