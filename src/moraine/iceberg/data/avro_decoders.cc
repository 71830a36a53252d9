#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/buffer_builder.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "moraine/iceberg/data/avro_decoders_internal.h"

namespace moraine::iceberg {
namespace {

using ArrowArray = std::shared_ptr<arrow::Array>;

// Of arrays whose items take no bytes, so that none say how many there can be.
constexpr uint64_t kMostEmptyItems = 1 << 16;

template <typename Builder, auto kRead>
class NumberDecoder final : public AvroDecoder {
 public:
  NumberDecoder(const std::shared_ptr<arrow::DataType>& type, arrow::MemoryPool* pool)
      : builder_(type, pool) {}
  arrow::Status Read(AvroCursor* cursor) override { return builder_.Append((cursor->*kRead)()); }
  arrow::Status AppendNull() override { return builder_.AppendNull(); }
  arrow::Result<ArrowArray> Finish() override { return builder_.Finish(); }
  int64_t fixed_bytes() const override { return 9; }

 private:
  Builder builder_;
};

class NullDecoder final : public AvroDecoder {
 public:
  NullDecoder(const AvroSharedState* shared, size_t begin, size_t end)
      : shared_(shared), begin_(begin), end_(end) {}
  arrow::Status Read(AvroCursor* cursor) override {
    if (shared_ != nullptr) shared_->skipper.Run(begin_, end_, cursor);
    return AppendNull();
  }
  arrow::Status AppendNull() override {
    ++length_;
    return arrow::Status::OK();
  }
  arrow::Result<ArrowArray> Finish() override {
    return std::make_shared<arrow::NullArray>(std::exchange(length_, 0));
  }
  int64_t fixed_bytes() const override { return 0; }

 private:
  const AvroSharedState* shared_;
  const size_t begin_;
  const size_t end_;
  int64_t length_ = 0;
};

template <typename Builder>
class BytesDecoder final : public AvroDecoder {
 public:
  BytesDecoder(const std::shared_ptr<arrow::DataType>& type, arrow::MemoryPool* pool)
      : builder_(type, pool) {}
  arrow::Status Read(AvroCursor* cursor) override { return builder_.Append(cursor->ReadBytes()); }
  arrow::Status AppendNull() override { return builder_.AppendNull(); }
  arrow::Result<ArrowArray> Finish() override { return builder_.Finish(); }
  int64_t fixed_bytes() const override { return 5; }

 private:
  Builder builder_;
};

class EnumDecoder final : public AvroDecoder {
 public:
  EnumDecoder(std::vector<std::string> symbols, arrow::MemoryPool* pool)
      : symbols_(std::move(symbols)), builder_(pool) {
    for (const std::string& symbol : symbols_) longest_ = std::max(longest_, symbol.size());
  }
  arrow::Status Read(AvroCursor* cursor) override {
    const int64_t symbol = cursor->ReadLong();
    if (symbol < 0 || symbol >= static_cast<int64_t>(symbols_.size())) {
      cursor->Fail();
      return AppendNull();
    }
    return builder_.Append(symbols_[static_cast<size_t>(symbol)]);
  }
  arrow::Status AppendNull() override { return builder_.AppendNull(); }
  arrow::Result<ArrowArray> Finish() override { return builder_.Finish(); }
  int64_t fixed_bytes() const override { return 5 + static_cast<int64_t>(longest_); }

 private:
  const std::vector<std::string> symbols_;
  size_t longest_ = 0;
  arrow::StringBuilder builder_;
};

class FixedDecoder final : public AvroDecoder {
 public:
  FixedDecoder(const std::shared_ptr<arrow::DataType>& type, int64_t size, arrow::MemoryPool* pool)
      : size_(size), zeros_(static_cast<size_t>(size), '\0'), builder_(type, pool) {}
  arrow::Status Read(AvroCursor* cursor) override {
    const std::string_view bytes = cursor->ReadFixed(static_cast<size_t>(size_));
    return builder_.Append(cursor->ok() ? bytes : std::string_view(zeros_));
  }
  arrow::Status AppendNull() override { return builder_.AppendNull(); }
  arrow::Result<ArrowArray> Finish() override { return builder_.Finish(); }
  int64_t fixed_bytes() const override { return size_ + 1; }

 private:
  const int64_t size_;
  const std::string zeros_;
  arrow::FixedSizeBinaryBuilder builder_;
};

// Two's complement, the highest byte first, of any length.
class DecimalDecoder final : public AvroDecoder {
 public:
  DecimalDecoder(const std::shared_ptr<arrow::DataType>& type, int64_t fixed_size,
                 arrow::MemoryPool* pool)
      : precision_(static_cast<const arrow::DecimalType&>(*type).precision()),
        fixed_size_(fixed_size),
        builder_(type, pool) {}

  arrow::Status Read(AvroCursor* cursor) override {
    std::string_view bytes = fixed_size_ >= 0 ? cursor->ReadFixed(static_cast<size_t>(fixed_size_))
                                              : cursor->ReadBytes();
    if (!cursor->ok()) return AppendNull();
    // Bytes in front that only repeat the sign.
    while (bytes.size() > 16 && IsSignOnly(bytes)) bytes.remove_prefix(1);
    if (bytes.empty() || bytes.size() > 16) return TooLarge();
    ARROW_ASSIGN_OR_RAISE(
        const arrow::Decimal128 value,
        arrow::Decimal128::FromBigEndian(reinterpret_cast<const uint8_t*>(bytes.data()),
                                         static_cast<int32_t>(bytes.size())));
    if (!value.FitsInPrecision(precision_)) return TooLarge();
    return builder_.Append(value);
  }
  arrow::Status AppendNull() override { return builder_.AppendNull(); }
  arrow::Result<ArrowArray> Finish() override { return builder_.Finish(); }
  int64_t fixed_bytes() const override { return 17; }

 private:
  static bool IsSignOnly(std::string_view bytes) {
    const bool negative = (bytes[1] & 0x80) != 0;
    return bytes[0] == (negative ? '\xff' : '\0');
  }
  arrow::Status TooLarge() const {
    return arrow::Status::Invalid("a decimal that has not the ", precision_, " digits of its type");
  }

  const int32_t precision_;
  const int64_t fixed_size_;  // -1: bytes
  arrow::Decimal128Builder builder_;
};

// Which of the values are there.
class Validity {
 public:
  explicit Validity(arrow::MemoryPool* pool) : bits_(pool) {}
  arrow::Status Append(bool valid) { return bits_.Append(valid); }
  int64_t length() const { return bits_.length(); }
  /// Begins anew.
  arrow::Result<std::shared_ptr<arrow::ArrayData>> Finish(
      const std::shared_ptr<arrow::DataType>& type) {
    const int64_t length = bits_.length();
    const int64_t nulls = bits_.false_count();
    std::shared_ptr<arrow::Buffer> bitmap;
    ARROW_RETURN_NOT_OK(bits_.Finish(&bitmap));
    if (nulls == 0) bitmap = nullptr;
    return arrow::ArrayData::Make(type, length, {std::move(bitmap)}, nulls);
  }

 private:
  arrow::TypedBufferBuilder<bool> bits_;
};

class RecordDecoder final : public AvroDecoder {
 public:
  RecordDecoder(const AvroSharedState* shared, std::vector<AvroFieldStep> steps,
                std::vector<AvroOptionalDecoder> children, arrow::FieldVector fields,
                arrow::MemoryPool* pool)
      : shared_(shared),
        steps_(std::move(steps)),
        children_(std::move(children)),
        type_(arrow::struct_(std::move(fields))),
        validity_(pool) {
    for (const AvroOptionalDecoder& child : children_) fixed_bytes_ += child.decoder->fixed_bytes();
  }

  arrow::Status Read(AvroCursor* cursor) override {
    for (const AvroFieldStep& step : steps_) {
      if (step.child < 0) {
        shared_->skipper.Run(step.skip_begin, step.skip_end, cursor);
      } else {
        ARROW_RETURN_NOT_OK(children_[static_cast<size_t>(step.child)].Read(cursor));
      }
    }
    return validity_.Append(true);
  }
  arrow::Status AppendNull() override {
    for (const AvroOptionalDecoder& child : children_) {
      ARROW_RETURN_NOT_OK(child.decoder->AppendNull());
    }
    return validity_.Append(false);
  }
  arrow::Result<ArrowArray> Finish() override {
    ARROW_ASSIGN_OR_RAISE(auto data, validity_.Finish(type_));
    for (const AvroOptionalDecoder& child : children_) {
      ARROW_ASSIGN_OR_RAISE(ArrowArray array, child.decoder->Finish());
      data->child_data.push_back(array->data());
    }
    return arrow::MakeArray(std::move(data));
  }
  int64_t fixed_bytes() const override { return fixed_bytes_; }

 private:
  const AvroSharedState* shared_;
  const std::vector<AvroFieldStep> steps_;
  const std::vector<AvroOptionalDecoder> children_;
  const std::shared_ptr<arrow::DataType> type_;
  Validity validity_;
  int64_t fixed_bytes_ = 1;
};

// Arrays and maps: blocks of items, each an element or a key and a value.
class RepeatedDecoder final : public AvroDecoder {
 public:
  RepeatedDecoder(AvroSharedState* shared, size_t least_bytes,
                  std::vector<AvroOptionalDecoder> children, std::shared_ptr<arrow::DataType> type,
                  arrow::MemoryPool* pool)
      : shared_(shared),
        least_bytes_(least_bytes),
        children_(std::move(children)),
        type_(std::move(type)),
        validity_(pool),
        offsets_(pool) {
    for (const AvroOptionalDecoder& child : children_) item_bytes_ += child.decoder->fixed_bytes();
  }

  arrow::Status Read(AvroCursor* cursor) override {
    ARROW_RETURN_NOT_OK(offsets_.Append(static_cast<int32_t>(items_)));
    while (const uint64_t count = cursor->ReadBlockCount(least_bytes_)) {
      if (least_bytes_ == 0 && count > kMostEmptyItems) {
        cursor->Fail();
        break;
      }
      for (uint64_t i = 0; i < count && cursor->ok(); ++i) ARROW_RETURN_NOT_OK(ReadItem(cursor));
    }
    return validity_.Append(true);
  }
  arrow::Status AppendNull() override {
    ARROW_RETURN_NOT_OK(offsets_.Append(static_cast<int32_t>(items_)));
    return validity_.Append(false);
  }
  arrow::Result<ArrowArray> Finish() override {
    ARROW_RETURN_NOT_OK(offsets_.Append(static_cast<int32_t>(items_)));
    const int64_t items = std::exchange(items_, 0);
    ARROW_ASSIGN_OR_RAISE(auto data, validity_.Finish(type_));
    std::shared_ptr<arrow::Buffer> offsets;
    ARROW_RETURN_NOT_OK(offsets_.Finish(&offsets));
    data->buffers.push_back(std::move(offsets));
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (const AvroOptionalDecoder& child : children_) {
      ARROW_ASSIGN_OR_RAISE(ArrowArray array, child.decoder->Finish());
      children.push_back(array->data());
    }
    if (type_->id() == arrow::Type::MAP) {
      if (children[0]->GetNullCount() > 0) {
        return arrow::Status::Invalid("a map with a null as a key");
      }
      children = {arrow::ArrayData::Make(type_->field(0)->type(), items, {nullptr},
                                         std::move(children), 0)};
    }
    data->child_data = std::move(children);
    return arrow::MakeArray(std::move(data));
  }
  int64_t fixed_bytes() const override { return 5; }

 private:
  arrow::Status ReadItem(AvroCursor* cursor) {
    if (++items_ == INT32_MAX) {
      return arrow::Status::CapacityError("more elements in lists than a batch can hold");
    }
    shared_->element_bytes += item_bytes_;
    for (const AvroOptionalDecoder& child : children_) ARROW_RETURN_NOT_OK(child.Read(cursor));
    return arrow::Status::OK();
  }

  AvroSharedState* shared_;
  const size_t least_bytes_;
  const std::vector<AvroOptionalDecoder> children_;
  const std::shared_ptr<arrow::DataType> type_;
  Validity validity_;
  arrow::TypedBufferBuilder<int32_t> offsets_;
  int64_t items_ = 0;
  int64_t item_bytes_ = 0;
};

template <typename Builder, auto kRead>
std::unique_ptr<AvroDecoder> MakeNumber(const std::shared_ptr<arrow::DataType>& type,
                                        arrow::MemoryPool* pool) {
  return std::make_unique<NumberDecoder<Builder, kRead>>(type, pool);
}

std::unique_ptr<AvroDecoder> MakeBytes(const AvroNode& node,
                                       const std::shared_ptr<arrow::DataType>& type,
                                       arrow::MemoryPool* pool) {
  const int64_t size = node.kind == AvroKind::kFixed ? node.size : -1;
  if (node.kind == AvroKind::kEnum) return std::make_unique<EnumDecoder>(node.symbols, pool);
  if (type->id() == arrow::Type::DECIMAL128) {
    return std::make_unique<DecimalDecoder>(type, size, pool);
  }
  if (size >= 0) return std::make_unique<FixedDecoder>(type, size, pool);
  if (node.kind == AvroKind::kString) {
    return std::make_unique<BytesDecoder<arrow::StringBuilder>>(type, pool);
  }
  return std::make_unique<BytesDecoder<arrow::BinaryBuilder>>(type, pool);
}

}  // namespace

std::unique_ptr<AvroDecoder> MakeLeafDecoder(const AvroNode& node,
                                             const std::shared_ptr<arrow::DataType>& type,
                                             arrow::MemoryPool* pool) {
  using Cursor = AvroCursor;
  switch (type->id()) {
    case arrow::Type::BOOL:
      return MakeNumber<arrow::BooleanBuilder, &Cursor::ReadBool>(type, pool);
    case arrow::Type::INT32:
      return MakeNumber<arrow::Int32Builder, &Cursor::ReadInt>(type, pool);
    case arrow::Type::DATE32:
      return MakeNumber<arrow::Date32Builder, &Cursor::ReadInt>(type, pool);
    case arrow::Type::TIME32:
      return MakeNumber<arrow::Time32Builder, &Cursor::ReadInt>(type, pool);
    case arrow::Type::INT64:
      return MakeNumber<arrow::Int64Builder, &Cursor::ReadLong>(type, pool);
    case arrow::Type::TIME64:
      return MakeNumber<arrow::Time64Builder, &Cursor::ReadLong>(type, pool);
    case arrow::Type::TIMESTAMP:
      return MakeNumber<arrow::TimestampBuilder, &Cursor::ReadLong>(type, pool);
    case arrow::Type::FLOAT:
      return MakeNumber<arrow::FloatBuilder, &Cursor::ReadFloat>(type, pool);
    case arrow::Type::DOUBLE:
      return MakeNumber<arrow::DoubleBuilder, &Cursor::ReadDouble>(type, pool);
    case arrow::Type::NA:
      return std::make_unique<NullDecoder>(nullptr, 0, 0);
    default:
      return MakeBytes(node, type, pool);
  }
}

std::unique_ptr<AvroDecoder> MakeSkippedDecoder(const AvroSharedState* shared, size_t begin,
                                                size_t end) {
  return std::make_unique<NullDecoder>(shared, begin, end);
}

std::unique_ptr<AvroDecoder> MakeRecordDecoder(const AvroSharedState* shared,
                                               std::vector<AvroFieldStep> steps,
                                               std::vector<AvroOptionalDecoder> children,
                                               arrow::FieldVector fields, arrow::MemoryPool* pool) {
  return std::make_unique<RecordDecoder>(shared, std::move(steps), std::move(children),
                                         std::move(fields), pool);
}

std::unique_ptr<AvroDecoder> MakeRepeatedDecoder(AvroSharedState* shared, size_t least_bytes,
                                                 std::vector<AvroOptionalDecoder> children,
                                                 std::shared_ptr<arrow::DataType> type,
                                                 arrow::MemoryPool* pool) {
  return std::make_unique<RepeatedDecoder>(shared, least_bytes, std::move(children),
                                           std::move(type), pool);
}

}  // namespace moraine::iceberg
