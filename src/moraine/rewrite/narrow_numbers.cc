#include "moraine/rewrite/narrow_numbers.h"

#include <cstring>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "moraine/io/arrow_status.h"

namespace moraine::rewrite {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using BufferPtr = std::shared_ptr<arrow::Buffer>;
using TypePtr = std::shared_ptr<arrow::DataType>;

/// A decimal's number, as its bytes lie.
struct Wide {
  uint64_t low;
  int64_t high;
};

constexpr int kWordDigits = 18;  // of decimals whose numbers have 64 bits

int WidthOf(const arrow::DataType& type) {
  return static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
}

int64_t Number(int32_t value) { return value; }
int64_t Number(int64_t value) { return value; }
int64_t Number(Wide value) { return static_cast<int64_t>(value.low); }

bool IsWord(int32_t /*value*/) { return true; }
bool IsWord(int64_t /*value*/) { return true; }
bool IsWord(Wide value) { return value.high == static_cast<int64_t>(value.low) >> 63; }

// Differences and sums wrap, so that every base gives every value back.
int64_t Less(int64_t value, int64_t base) {
  return static_cast<int64_t>(static_cast<uint64_t>(value) - static_cast<uint64_t>(base));
}

/// One array's values and which of them are null.
template <typename T>
class Values {
 public:
  explicit Values(const arrow::Array& array)
      : length_(array.length()),
        offset_(array.offset()),
        valid_(array.null_count() > 0 ? array.null_bitmap_data() : nullptr) {
    const BufferPtr& buffer = array.data()->buffers[1];
    if (buffer != nullptr) values_ = reinterpret_cast<const T*>(buffer->data()) + offset_;
  }
  int64_t length() const { return length_; }
  bool is_valid(int64_t i) const {
    return valid_ == nullptr || arrow::bit_util::GetBit(valid_, offset_ + i);
  }
  T at(int64_t i) const { return values_[i]; }

  /// Bytes that hold all values less base; more than 8: not all have 64 bits.
  int BytesFor(int64_t base) const {
    uint64_t bits = 0;
    bool all_words = true;
    for (int64_t i = 0; i < length_; ++i) {
      if (!is_valid(i)) continue;
      const int64_t number = Less(Number(values_[i]), base);
      bits |= static_cast<uint64_t>(number ^ (number >> 63));
      all_words &= IsWord(values_[i]);
    }
    if (!all_words) return 16;
    return bits >> 7 == 0 ? 1 : bits >> 15 == 0 ? 2 : bits >> 31 == 0 ? 4 : 8;
  }

  template <typename Out>
  void Copy(int64_t base, Out* out) const {
    if (valid_ == nullptr) {
      for (int64_t i = 0; i < length_; ++i)
        out[i] = static_cast<Out>(Less(Number(values_[i]), base));
      return;
    }
    for (int64_t i = 0; i < length_; ++i)
      out[i] = is_valid(i) ? static_cast<Out>(Less(Number(values_[i]), base)) : Out{0};
  }

 private:
  const int64_t length_;
  const int64_t offset_;
  const uint8_t* valid_;
  const T* values_ = nullptr;
};

/// Calls body with the values in their width.
template <typename Body>
auto Visit(const arrow::Array& array, Body body) {
  const int width = WidthOf(*array.type());
  if (width == 4) return body(Values<int32_t>(array));
  if (width == 8) return body(Values<int64_t>(array));
  return body(Values<Wide>(array));
}

Result<BufferPtr> Allocate(int64_t bytes, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes, pool));
  return BufferPtr(std::move(buffer));
}

Result<ArrayPtr> Make(const TypePtr& type, const arrow::Array& like, BufferPtr values,
                      arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(BufferPtr bitmap, BitmapFrom(like, pool));
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, like.length(), {std::move(bitmap), std::move(values)}, like.null_count()));
}

void Put(int64_t number, int16_t* out) { *out = static_cast<int16_t>(number); }
void Put(int64_t number, int32_t* out) { *out = static_cast<int32_t>(number); }
void Put(int64_t number, int64_t* out) { *out = number; }
void Put(int64_t number, Wide* out) { *out = {static_cast<uint64_t>(number), number >> 63}; }

template <typename In, typename Out>
void WidenTo(const arrow::Array& values, uint64_t base, uint8_t* bytes) {
  const In* in = values.data()->GetValues<In>(1);
  auto* out = reinterpret_cast<Out*>(bytes);
  for (int64_t i = 0; i < values.length(); ++i)
    Put(static_cast<int64_t>(static_cast<uint64_t>(int64_t{in[i]}) + base), out + i);
}

template <typename Out>
void WidenFrom(const arrow::Array& values, uint64_t base, uint8_t* bytes) {
  switch (WidthOf(*values.type())) {
    case 1:
      return WidenTo<int8_t, Out>(values, base, bytes);
    case 2:
      return WidenTo<int16_t, Out>(values, base, bytes);
    case 4:
      return WidenTo<int32_t, Out>(values, base, bytes);
    default:
      return WidenTo<int64_t, Out>(values, base, bytes);
  }
}

}  // namespace

bool HasNarrowForm(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return true;
    case arrow::Type::DECIMAL128:
      return static_cast<const arrow::Decimal128Type&>(type).precision() <= kWordDigits;
    default:
      return false;
  }
}

int64_t BaseOf(const arrow::Array& values) {
  return Visit(values, [](const auto& numbers) -> int64_t {
    if (numbers.BytesFor(0) <= 4) return 0;
    for (int64_t i = 0; i < numbers.length(); ++i) {
      if (numbers.is_valid(i)) return Number(numbers.at(i));
    }
    return 0;
  });
}

Result<ArrayPtr> Narrow(const ArrayPtr& values, int64_t base, arrow::MemoryPool* pool) {
  return Visit(*values, [&](const auto& numbers) -> Result<ArrayPtr> {
    const int width = numbers.BytesFor(base);
    if (width >= WidthOf(*values->type())) return values;
    MORAINE_ASSIGN(BufferPtr narrow, Allocate(numbers.length() * width, pool));
    uint8_t* out = narrow->mutable_data();
    switch (width) {
      case 1:
        numbers.Copy(base, reinterpret_cast<int8_t*>(out));
        return Make(arrow::int8(), *values, std::move(narrow), pool);
      case 2:
        numbers.Copy(base, reinterpret_cast<int16_t*>(out));
        return Make(arrow::int16(), *values, std::move(narrow), pool);
      case 4:
        numbers.Copy(base, reinterpret_cast<int32_t*>(out));
        return Make(arrow::int32(), *values, std::move(narrow), pool);
      default:
        numbers.Copy(base, reinterpret_cast<int64_t*>(out));
        return Make(arrow::int64(), *values, std::move(narrow), pool);
    }
  });
}

Result<ArrayPtr> Widen(const ArrayPtr& values, const TypePtr& type, int64_t base,
                       arrow::MemoryPool* pool) {
  const int width = WidthOf(*type);
  MORAINE_ASSIGN(BufferPtr wide, Allocate(values->length() * width, pool));
  uint8_t* out = wide->mutable_data();
  const auto add = static_cast<uint64_t>(base);
  switch (width) {
    case 2:
      WidenFrom<int16_t>(*values, add, out);
      break;
    case 4:
      WidenFrom<int32_t>(*values, add, out);
      break;
    case 8:
      WidenFrom<int64_t>(*values, add, out);
      break;
    default:
      WidenFrom<Wide>(*values, add, out);
  }
  return Make(type, *values, std::move(wide), pool);
}

Result<BufferPtr> BitmapFrom(const arrow::Array& array, arrow::MemoryPool* pool) {
  if (array.null_count() == 0) return BufferPtr();
  if (array.offset() % 8 == 0) return arrow::SliceBuffer(array.null_bitmap(), array.offset() / 8);
  MORAINE_ASSIGN(BufferPtr bitmap, Allocate(arrow::bit_util::BytesForBits(array.length()), pool));
  std::memset(bitmap->mutable_data(), 0, static_cast<size_t>(bitmap->size()));
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsValid(i)) arrow::bit_util::SetBit(bitmap->mutable_data(), i);
  }
  return bitmap;
}

TypePtr IndexType(int64_t highest) {
  return highest < 1 << 7 ? arrow::int8() : highest < 1 << 15 ? arrow::int16() : arrow::int32();
}

}  // namespace moraine::rewrite
