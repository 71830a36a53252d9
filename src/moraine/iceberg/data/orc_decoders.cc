#include <algorithm>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/buffer_builder.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/orc_decoders_internal.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

using BufferPtr = std::shared_ptr<arrow::Buffer>;
using DataPtr = std::shared_ptr<arrow::ArrayData>;
using TypePtr = std::shared_ptr<arrow::DataType>;
using DecoderPtr = std::unique_ptr<OrcDecoder>;

// Broken streams give zeros: how many of them before anybody looks.
constexpr int64_t kRowsBetweenChecks = 4096;
constexpr int64_t kMostDictionaryBytes = int64_t{1} << 30;
// Elements of lists that are looked at one by one before they are decoded, in one call and at once;
// what others take at least.
constexpr int64_t kMostMeasuredElements = int64_t{1} << 20;
constexpr int64_t kElementsAtOnce = 1024;
constexpr int64_t kLeastElementBytes = 4;
// 2015-01-01, from which ORC counts seconds.
constexpr int64_t kEpochSeconds = 1420070400;

// Views of no bytes may have no address, which memcpy must not see.
arrow::Status Append(std::string_view text, arrow::BufferBuilder* to) {
  if (text.empty()) return arrow::Status::OK();
  return to->Append(text.data(), static_cast<int64_t>(text.size()));
}

Result<BufferPtr> Allocate(int64_t bytes, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes, pool));
  return BufferPtr(std::move(buffer));
}

// Calls each(row) for rows 0, 1, ... and looks at status() now and then.
template <typename Each, typename GetStatus>
Status ForRows(int64_t rows, const GetStatus& status, const Each& each) {
  for (int64_t begin = 0; begin < rows; begin += kRowsBetweenChecks) {
    const int64_t end = std::min(rows, begin + kRowsBetweenChecks);
    for (int64_t row = begin; row < end; ++row) each(row);
    MORAINE_TRY(status());
  }
  return {};
}

using IntsAhead = OrcAhead<OrcInts, int64_t>;

void AddTo(int64_t* sum, int64_t bytes) { *sum = AddCapped(*sum, bytes); }

OrcInts Ints(const OrcStreams& streams, uint32_t column, OrcStream::Kind kind, OrcSign sign) {
  return OrcInts(streams.Open(column, kind), sign, streams.encoding(column).is_v2());
}

class BooleanDecoder final : public OrcDecoder {
 public:
  using OrcDecoder::OrcDecoder;

 private:
  Status OpenValues(const OrcStreams& streams) override {
    bits_.emplace(streams.Open(column_, OrcStream::kData));
    return {};
  }
  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    MORAINE_ASSIGN(BufferPtr values, arrow::AllocateEmptyBitmap(rows, pool_));
    uint8_t* to = values->mutable_data();
    MORAINE_TRY(ForRows(
        rows, [&] { return bits_->status(); },
        [&](int64_t row) {
          if (present.At(row) && bits_->Next()) arrow::bit_util::SetBit(to, row);
        }));
    out->buffers.push_back(std::move(values));
    return {};
  }
  std::optional<OrcBits> bits_;
};

// Bytes, shorts, ints, longs, dates.
template <typename T>
class IntDecoder final : public OrcDecoder {
 public:
  IntDecoder(bool is_byte, uint32_t column, const TypePtr& type, arrow::MemoryPool* pool)
      : OrcDecoder(column, type, pool), is_byte_(is_byte) {}

 private:
  Status OpenValues(const OrcStreams& streams) override {
    if (is_byte_) {
      bytes_.emplace(streams.Open(column_, OrcStream::kData));
    } else {
      ints_.emplace(Ints(streams, column_, OrcStream::kData, OrcSign::kSigned));
    }
    return {};
  }
  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    MORAINE_ASSIGN(BufferPtr values, Allocate(rows * static_cast<int64_t>(sizeof(T)), pool_));
    auto* to = reinterpret_cast<T*>(values->mutable_data());
    bool fits = true;
    MORAINE_TRY(ForRows(
        rows, [&] { return is_byte_ ? bytes_->status() : ints_->status(); },
        [&](int64_t row) {
          to[row] = 0;
          if (!present.At(row)) return;
          const int64_t value = is_byte_ ? static_cast<int8_t>(bytes_->Next()) : ints_->Next();
          to[row] = static_cast<T>(value);
          fits = fits && to[row] == value;
        }));
    if (!fits) return Corruption("an integer of more than 32 bits");
    out->buffers.push_back(std::move(values));
    return {};
  }
  const bool is_byte_;
  std::optional<OrcByteRuns> bytes_;
  std::optional<OrcInts> ints_;
};

template <typename T>
class FloatDecoder final : public OrcDecoder {
 public:
  using OrcDecoder::OrcDecoder;

 private:
  Status OpenValues(const OrcStreams& streams) override {
    data_ = streams.Open(column_, OrcStream::kData);
    return {};
  }
  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    MORAINE_ASSIGN(BufferPtr values, Allocate(rows * static_cast<int64_t>(sizeof(T)), pool_));
    auto* to = reinterpret_cast<T*>(values->mutable_data());
    MORAINE_TRY(ForRows(
        rows, [&] { return data_.status(); },
        [&](int64_t row) {
          to[row] = 0;
          if (present.At(row)) data_.Read(reinterpret_cast<char*>(to + row), sizeof(T));
        }));
    out->buffers.push_back(std::move(values));
    return {};
  }
  OrcBytes data_;
};

class TimestampDecoder final : public OrcDecoder {
 public:
  TimestampDecoder(bool is_instant, uint32_t column, const TypePtr& type, arrow::MemoryPool* pool)
      : OrcDecoder(column, type, pool),
        is_instant_(is_instant),
        is_nanos_(static_cast<const arrow::TimestampType&>(*type).unit() == arrow::TimeUnit::NANO) {
  }

 private:
  Status OpenValues(const OrcStreams& streams) override {
    constexpr std::string_view kUtc[] = {"",        "UTC", "GMT",  "Etc/UTC",
                                         "Etc/GMT", "UCT", "Zulu", "Z"};
    const bool is_utc =
        std::find(std::begin(kUtc), std::end(kUtc), streams.time_zone()) != std::end(kUtc);
    if (!is_instant_ && !is_utc) {
      return Unsupported("timestamps of ORC that were written in the time zone " +
                         streams.time_zone());
    }
    seconds_.emplace(Ints(streams, column_, OrcStream::kData, OrcSign::kSigned));
    nanos_.emplace(Ints(streams, column_, OrcStream::kSecondary, OrcSign::kUnsigned));
    return {};
  }
  // The low three bits tell how many zeros were cut off, less one. Arrow's writer has nanoseconds
  // below 0, too.
  static bool ToNanos(int64_t raw, int64_t* nanos) {
    constexpr int64_t kMost = 999'999'999;
    *nanos = raw >> 3;
    const int64_t zeros = raw & 7;
    for (int64_t i = 0; zeros > 0 && i <= zeros && std::abs(*nanos) <= kMost; ++i) *nanos *= 10;
    return *nanos >= -kMost && *nanos <= kMost;
  }
  bool ToTime(int64_t seconds, int64_t raw_nanos, int64_t* time) const {
    int64_t nanos = 0;
    if (!ToNanos(raw_nanos, &nanos)) return false;
    if (__builtin_add_overflow(seconds, kEpochSeconds, &seconds)) return false;
    if (seconds < 0 && nanos > 999'999) --seconds;  // as writers count before 1970
    const int64_t units = is_nanos_ ? 1'000'000'000 : 1'000'000;
    return !__builtin_mul_overflow(seconds, units, time) &&
           !__builtin_add_overflow(*time, is_nanos_ ? nanos : nanos / 1000, time);
  }
  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    MORAINE_ASSIGN(BufferPtr values, Allocate(rows * int64_t{sizeof(int64_t)}, pool_));
    auto* to = reinterpret_cast<int64_t*>(values->mutable_data());
    bool fits = true;
    const auto status = [&] {
      return seconds_->status().ok() ? nanos_->status() : seconds_->status();
    };
    MORAINE_TRY(ForRows(rows, status, [&](int64_t row) {
      to[row] = 0;
      if (!present.At(row)) return;
      const int64_t seconds = seconds_->Next();
      fits = ToTime(seconds, nanos_->Next(), to + row) && fits;
    }));
    if (!fits) return Corruption("a timestamp that its type can't tell");
    out->buffers.push_back(std::move(values));
    return {};
  }
  const bool is_instant_;
  const bool is_nanos_;
  std::optional<OrcInts> seconds_;
  std::optional<OrcInts> nanos_;
};

class DecimalDecoder final : public OrcDecoder {
 public:
  DecimalDecoder(uint32_t column, const TypePtr& type, arrow::MemoryPool* pool)
      : OrcDecoder(column, type, pool),
        precision_(static_cast<const arrow::DecimalType&>(*type).precision()),
        scale_(static_cast<const arrow::DecimalType&>(*type).scale()) {}

 private:
  Status OpenValues(const OrcStreams& streams) override {
    data_ = streams.Open(column_, OrcStream::kData);
    scales_.emplace(Ints(streams, column_, OrcStream::kSecondary, OrcSign::kSigned));
    return {};
  }
  // A zigzag number of up to 128 bits.
  bool ReadUnscaled(arrow::Decimal128* value) {
    unsigned __int128 raw = 0;
    for (int shift = 0; shift < 133; shift += 7) {
      const uint8_t byte = data_.Byte();
      if (shift == 126 && (byte & 0x7c) != 0) return false;
      raw |= static_cast<unsigned __int128>(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const unsigned __int128 plain = (raw >> 1) ^ (~(raw & 1) + 1);
      *value = arrow::Decimal128(static_cast<int64_t>(plain >> 64), static_cast<uint64_t>(plain));
      return true;
    }
    return false;
  }
  bool ReadValue(arrow::Decimal128* value) {
    if (!ReadUnscaled(value)) return false;
    const int64_t scale = scales_->Next();
    if (scale != scale_) {
      if (scale < 0 || scale > 38) return false;
      auto rescaled = value->Rescale(static_cast<int32_t>(scale), scale_);
      if (!rescaled.ok()) return false;
      *value = *rescaled;
    }
    return value->FitsInPrecision(precision_);
  }
  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    MORAINE_ASSIGN(BufferPtr values, Allocate(rows * 16, pool_));
    uint8_t* to = values->mutable_data();
    bool fits = true;
    const auto status = [&] { return data_.ok() ? scales_->status() : data_.status(); };
    MORAINE_TRY(ForRows(rows, status, [&](int64_t row) {
      arrow::Decimal128 value;
      if (present.At(row)) fits = ReadValue(&value) && fits;
      value.ToBytes(to + row * 16);
    }));
    if (!fits) {
      return Corruption(
          fmt::format("a decimal that has not the {} digits of its type", precision_));
    }
    out->buffers.push_back(std::move(values));
    return {};
  }
  const int32_t precision_;
  const int32_t scale_;
  OrcBytes data_;
  std::optional<OrcInts> scales_;
};

// Strings and binaries, of any length or of one.
class TextDecoder final : public OrcDecoder {
 public:
  using OrcDecoder::OrcDecoder;

 private:
  Status OpenValues(const OrcStreams& streams) override {
    const OrcEncoding& encoding = streams.encoding(column_);
    is_dictionary_ = encoding.is_dictionary();
    lengths_.emplace(Ints(streams, column_, OrcStream::kLength, OrcSign::kUnsigned), pool_);
    indices_.reset();
    if (!is_dictionary_) {
      data_ = streams.Open(column_, OrcStream::kData);
      return {};
    }
    indices_.emplace(Ints(streams, column_, OrcStream::kData, OrcSign::kUnsigned), pool_);
    // Both from the pool: what a dictionary claims to need is bounded by what there is.
    arrow::BufferBuilder entries(pool_);
    OrcBytes bytes = streams.Open(column_, OrcStream::kDictionaryData);
    MORAINE_TRY(bytes.ReadAll(kMostDictionaryBytes, [&](std::string_view piece) -> Status {
      MORAINE_TRY(Append(piece, &entries));
      return {};
    }));
    MORAINE_ASSIGN(dictionary_, entries.Finish());
    arrow::TypedBufferBuilder<int64_t> ends(pool_);
    int64_t end = 0;
    for (uint32_t i = 0; i < encoding.dictionary_size; ++i) {
      const int64_t length = lengths_->Next();
      MORAINE_TRY(lengths_->status());
      if (length < 0 || length > dictionary_->size() - end) {
        return Corruption("a dictionary that is shorter than its entries");
      }
      end += length;
      MORAINE_TRY(ends.Append(end));
    }
    MORAINE_ASSIGN(ends_, ends.Finish());
    return {};
  }

  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    if (type_->id() == arrow::Type::FIXED_SIZE_BINARY) return DecodeFixed(rows, present, out);
    MORAINE_ASSIGN(BufferPtr offsets, Allocate((rows + 1) * int64_t{sizeof(int32_t)}, pool_));
    auto* to = reinterpret_cast<int32_t*>(offsets->mutable_data());
    arrow::BufferBuilder text(pool_);
    if (is_dictionary_) {
      MORAINE_TRY(DecodeEntries(rows, present, to, &text));
    } else {
      MORAINE_TRY(DecodeText(rows, present, to, &text));
    }
    MORAINE_ASSIGN(BufferPtr bytes, text.Finish());
    out->buffers.push_back(std::move(offsets));
    out->buffers.push_back(std::move(bytes));
    return {};
  }
  void MeasureValues(std::span<int64_t> bytes) override {
    for (int64_t& value : bytes) {
      const int64_t text = is_dictionary_ ? EntryBytes(indices_->Look())
                                          : std::clamp<int64_t>(lengths_->Look(), 0, INT32_MAX);
      AddTo(&value, int64_t{sizeof(int32_t)} + text);
    }
  }
  void RewindValues() override {
    lengths_->Rewind();
    if (indices_) indices_->Rewind();
  }
  int64_t EntryBytes(int64_t index) const {
    if (index < 0 || index >= ends_->size() / int64_t{sizeof(int64_t)}) return 0;
    const auto* ends = reinterpret_cast<const int64_t*>(ends_->data());
    return ends[index] - (index > 0 ? ends[index - 1] : 0);
  }
  static Status TooMuch() { return Exhausted("more bytes of strings than a batch can hold"); }

  Status DecodeText(int64_t rows, const Presence& present, int32_t* offsets,
                    arrow::BufferBuilder* text) {
    int64_t end = 0;
    offsets[0] = 0;
    MORAINE_TRY(ForRows(
        rows, [&] { return lengths_->status(); },
        [&](int64_t row) {
          const int64_t length = present.At(row) ? lengths_->Next() : 0;
          end = length < 0 || length > INT32_MAX - end ? INT32_MAX : end + length;
          offsets[row + 1] = static_cast<int32_t>(end);
        }));
    if (end == INT32_MAX) return TooMuch();
    while (end > 0) {
      const std::string_view some = data_.Some(static_cast<size_t>(end));
      MORAINE_TRY(data_.status());
      MORAINE_TRY(Append(some, text));
      end -= static_cast<int64_t>(some.size());
    }
    return {};
  }

  Result<std::string_view> NextEntry() {
    const auto index = static_cast<uint64_t>(indices_->Next());
    MORAINE_TRY(indices_->status());
    const uint64_t entries = static_cast<uint64_t>(ends_->size()) / sizeof(int64_t);
    if (index >= entries) {
      return Corruption(fmt::format("an index of {} into a dictionary of {}", index, entries));
    }
    const auto* ends = reinterpret_cast<const int64_t*>(ends_->data());
    const int64_t begin = index > 0 ? ends[index - 1] : 0;
    return std::string_view(reinterpret_cast<const char*>(dictionary_->data()) + begin,
                            static_cast<size_t>(ends[index] - begin));
  }

  Status DecodeEntries(int64_t rows, const Presence& present, int32_t* offsets,
                       arrow::BufferBuilder* text) {
    offsets[0] = 0;
    for (int64_t row = 0; row < rows; ++row) {
      if (present.At(row)) {
        MORAINE_ASSIGN(const std::string_view entry, NextEntry());
        const auto size = static_cast<int64_t>(entry.size());
        if (size > INT32_MAX - 1 - text->length()) return TooMuch();
        MORAINE_TRY(Append(entry, text));
      }
      offsets[row + 1] = static_cast<int32_t>(text->length());
    }
    return {};
  }

  Status DecodeFixed(int64_t rows, const Presence& present, arrow::ArrayData* out) {
    const int64_t width = static_cast<const arrow::FixedSizeBinaryType&>(*type_).byte_width();
    arrow::BufferBuilder values(pool_);
    for (int64_t row = 0; row < rows; ++row) {
      if (!present.At(row)) {
        MORAINE_TRY(values.Append(width, 0));
        continue;
      }
      std::string_view entry;
      int64_t length = width;
      if (is_dictionary_) {
        MORAINE_ASSIGN(entry, NextEntry());
        length = static_cast<int64_t>(entry.size());
      } else {
        length = lengths_->Next();
        MORAINE_TRY(lengths_->status());
      }
      if (length != width) {
        return Corruption(fmt::format("a value of {} bytes, expected {}", length, width));
      }
      if (is_dictionary_) {
        MORAINE_TRY(Append(entry, &values));
        continue;
      }
      for (int64_t left = width; left > 0;) {
        const std::string_view some = data_.Some(static_cast<size_t>(left));
        MORAINE_TRY(data_.status());
        MORAINE_TRY(Append(some, &values));
        left -= static_cast<int64_t>(some.size());
      }
    }
    MORAINE_ASSIGN(BufferPtr buffer, values.Finish());
    out->buffers.push_back(std::move(buffer));
    return {};
  }

  bool is_dictionary_ = false;
  std::optional<IntsAhead> lengths_;
  std::optional<IntsAhead> indices_;
  OrcBytes data_;
  BufferPtr dictionary_;
  BufferPtr ends_;  // of its entries, int64
};

// What has no place in a table: its streams are left alone.
class NullDecoder final : public OrcDecoder {
 public:
  using OrcDecoder::OrcDecoder;

 private:
  Status OpenValues(const OrcStreams&) override { return {}; }
  Status DecodeValues(int64_t rows, const Presence&, arrow::ArrayData* out) override {
    out->buffers = {nullptr};
    out->null_count = rows;
    return {};
  }
};

class StructDecoder final : public OrcDecoder {
 public:
  StructDecoder(uint32_t column, std::vector<DecoderPtr> children, arrow::FieldVector fields,
                arrow::MemoryPool* pool)
      : OrcDecoder(column, arrow::struct_(std::move(fields)), pool),
        children_(std::move(children)) {}

 private:
  Status OpenValues(const OrcStreams& streams) override {
    for (const DecoderPtr& child : children_) MORAINE_TRY(child->Open(streams));
    return {};
  }
  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    for (const DecoderPtr& child : children_) {
      MORAINE_ASSIGN(DataPtr data, child->Decode(rows, present.mask()));
      out->child_data.push_back(std::move(data));
    }
    return {};
  }
  void MeasureValues(std::span<int64_t> bytes) override {
    for (const DecoderPtr& child : children_) child->Measure(bytes);
  }
  void RewindValues() override {
    for (const DecoderPtr& child : children_) child->Rewind();
  }
  const std::vector<DecoderPtr> children_;
};

class RepeatedDecoder final : public OrcDecoder {
 public:
  RepeatedDecoder(uint32_t column, std::vector<DecoderPtr> children, const TypePtr& type,
                  arrow::MemoryPool* pool)
      : OrcDecoder(column, type, pool), children_(std::move(children)) {}

 private:
  Status OpenValues(const OrcStreams& streams) override {
    lengths_.emplace(Ints(streams, column_, OrcStream::kLength, OrcSign::kUnsigned), pool_);
    for (const DecoderPtr& child : children_) MORAINE_TRY(child->Open(streams));
    return {};
  }
  Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) override {
    MORAINE_ASSIGN(BufferPtr offsets, Allocate((rows + 1) * int64_t{sizeof(int32_t)}, pool_));
    auto* to = reinterpret_cast<int32_t*>(offsets->mutable_data());
    to[0] = 0;
    int64_t end = 0;
    MORAINE_TRY(ForRows(
        rows, [&] { return lengths_->status(); },
        [&](int64_t row) {
          const int64_t length = present.At(row) ? lengths_->Next() : 0;
          end = length < 0 || length > INT32_MAX - end ? INT32_MAX : end + length;
          to[row + 1] = static_cast<int32_t>(end);
        }));
    if (end == INT32_MAX) return Exhausted("more elements of lists than a batch can hold");
    out->buffers.push_back(std::move(offsets));
    for (const DecoderPtr& child : children_) {
      MORAINE_ASSIGN(DataPtr data, child->Decode(end, nullptr));
      out->child_data.push_back(std::move(data));
    }
    if (type_->id() == arrow::Type::MAP) {
      if (out->child_data[0]->GetNullCount() > 0) return Corruption("a map with a null as a key");
      DataPtr entries = arrow::ArrayData::Make(type_->field(0)->type(), end, {nullptr},
                                               std::move(out->child_data), 0);
      out->child_data = {std::move(entries)};
    }
    return {};
  }
  void MeasureValues(std::span<int64_t> bytes) override {
    std::vector<int64_t> lengths(bytes.size());
    int64_t elements = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      lengths[i] = std::clamp<int64_t>(lengths_->Look(), 0, INT32_MAX);
      AddTo(&bytes[i], int64_t{sizeof(int32_t)} + lengths[i] * kLeastElementBytes);
      elements += lengths[i];
    }
    // What comes behind elements that were not looked at can't be looked at either.
    is_beyond_ = is_beyond_ || elements > kMostMeasuredElements;
    if (is_beyond_) return;
    std::vector<int64_t> sizes;
    size_t at = 0;
    for (int64_t left = elements; left > 0; left -= static_cast<int64_t>(sizes.size())) {
      sizes.assign(static_cast<size_t>(std::min(left, kElementsAtOnce)), 0);
      for (const DecoderPtr& child : children_) child->Measure(sizes);
      for (int64_t size : sizes) {
        while (lengths[at] == 0) ++at;
        --lengths[at];
        AddTo(&bytes[at], size);
      }
    }
  }
  void RewindValues() override {
    is_beyond_ = false;
    lengths_->Rewind();
    for (const DecoderPtr& child : children_) child->Rewind();
  }
  const std::vector<DecoderPtr> children_;
  std::optional<IntsAhead> lengths_;
  bool is_beyond_ = false;  // elements were not looked at
};

}  // namespace

const OrcStream* OrcStreams::Find(uint32_t column, OrcStream::Kind kind) const {
  for (const OrcStream& stream : footer_.streams) {
    if (stream.column == column && stream.kind == kind) return &stream;
  }
  return nullptr;
}

OrcBytes OrcStreams::Open(uint32_t column, OrcStream::Kind kind) const {
  const OrcStream* stream = Find(column, kind);
  if (stream == nullptr) return {};
  return OrcBytes(file_, stream->offset, stream->length, window_);
}

Status OrcDecoder::Open(const OrcStreams& streams) {
  present_.reset();
  if (streams.Has(column_, OrcStream::kPresent)) {
    present_.emplace(OrcBits(streams.Open(column_, OrcStream::kPresent)), pool_);
  }
  return OpenValues(streams);
}

void OrcDecoder::MeasureValues(std::span<int64_t> bytes) {
  for (int64_t& row : bytes) AddTo(&row, int64_t{sizeof(int64_t)});
}

void OrcDecoder::Measure(std::span<int64_t> bytes) {
  if (!present_) return MeasureValues(bytes);
  std::vector<size_t> there;
  for (size_t row = 0; row < bytes.size(); ++row) {
    // Whether it is there takes a byte, too: of nulls alone there may be very many.
    AddTo(&bytes[row], 1);
    if (present_->Look() != 0) there.push_back(row);
  }
  std::vector<int64_t> values(there.size(), 0);
  MeasureValues(values);
  for (size_t i = 0; i < there.size(); ++i) AddTo(&bytes[there[i]], values[i]);
}

void OrcDecoder::Rewind() {
  if (present_) present_->Rewind();
  RewindValues();
}

Result<OrcDecoder::Presence> OrcDecoder::ReadPresence(int64_t rows, const uint8_t* parent) {
  Presence presence;
  if (!present_ && parent == nullptr) return presence;
  MORAINE_ASSIGN(presence.bytes, Allocate(rows, pool_));
  uint8_t* bytes = presence.bytes->mutable_data();
  MORAINE_TRY(ForRows(
      rows, [&] { return present_ ? present_->status() : Status(); },
      [&](int64_t row) {
        bool is_there = parent == nullptr || parent[row] != 0;
        if (is_there && present_) is_there = present_->Next() != 0;
        bytes[row] = is_there ? 1 : 0;
        presence.nulls += is_there ? 0 : 1;
      }));
  if (presence.nulls == 0) return Presence();
  MORAINE_ASSIGN(presence.bitmap, arrow::AllocateEmptyBitmap(rows, pool_));
  uint8_t* bits = presence.bitmap->mutable_data();
  for (int64_t row = 0; row < rows; ++row) {
    if (bytes[row] != 0) arrow::bit_util::SetBit(bits, row);
  }
  return presence;
}

Result<DataPtr> OrcDecoder::Decode(int64_t rows, const uint8_t* parent) {
  MORAINE_ASSIGN(const Presence present, ReadPresence(rows, parent));
  DataPtr data = arrow::ArrayData::Make(type_, rows, {present.bitmap}, present.nulls);
  MORAINE_TRY(DecodeValues(rows, present, data.get()));
  return data;
}

DecoderPtr MakeLeafDecoder(const OrcType& orc, uint32_t column, const TypePtr& type,
                           arrow::MemoryPool* pool) {
  const bool is_byte = orc.kind == OrcKind::kByte;
  switch (type->id()) {
    case arrow::Type::BOOL:
      return std::make_unique<BooleanDecoder>(column, type, pool);
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return std::make_unique<IntDecoder<int32_t>>(is_byte, column, type, pool);
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
      return std::make_unique<IntDecoder<int64_t>>(is_byte, column, type, pool);
    case arrow::Type::FLOAT:
      return std::make_unique<FloatDecoder<float>>(column, type, pool);
    case arrow::Type::DOUBLE:
      return std::make_unique<FloatDecoder<double>>(column, type, pool);
    case arrow::Type::TIMESTAMP:
      return std::make_unique<TimestampDecoder>(orc.kind == OrcKind::kTimestampInstant, column,
                                                type, pool);
    case arrow::Type::DECIMAL128:
      return std::make_unique<DecimalDecoder>(column, type, pool);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
      return std::make_unique<TextDecoder>(column, type, pool);
    default:
      return std::make_unique<NullDecoder>(column, arrow::null(), pool);
  }
}

DecoderPtr MakeStructDecoder(uint32_t column, std::vector<DecoderPtr> children,
                             arrow::FieldVector fields, arrow::MemoryPool* pool) {
  return std::make_unique<StructDecoder>(column, std::move(children), std::move(fields), pool);
}

DecoderPtr MakeRepeatedDecoder(uint32_t column, std::vector<DecoderPtr> children,
                               const TypePtr& type, arrow::MemoryPool* pool) {
  return std::make_unique<RepeatedDecoder>(column, std::move(children), type, pool);
}

}  // namespace moraine::iceberg
