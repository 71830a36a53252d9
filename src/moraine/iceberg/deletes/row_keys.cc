#include "moraine/iceberg/deletes/row_keys.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include <arrow/array.h>

namespace moraine::iceberg {
namespace {

constexpr int kVariable = -1;

int WidthOf(const Type& type) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return 1;
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kFloat:
      return 4;
    case TypeKind::kLong:
    case TypeKind::kDouble:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return 8;
    case TypeKind::kDecimal:
    case TypeKind::kUuid:
      return 16;
    case TypeKind::kFixed:
      return static_cast<int>(type.length());
    case TypeKind::kUnknown:
      return 0;
    default:
      return kVariable;
  }
}

template <typename Float>
Float Canonical(Float value) {
  return std::isnan(value) ? std::numeric_limits<Float>::quiet_NaN() : value;
}

// Where the next part of each row goes; moves on as parts are appended.
struct Cursor {
  char* bytes;
  size_t* ends;
};

// Calls write(row, destination) for rows that are not null; null ones get a mark and zeros.
template <typename Write>
void AppendFixed(const arrow::Array& column, int64_t first, int64_t count, int width, Cursor out,
                 const Write& write) {
  const bool has_nulls = column.null_count() > 0;
  for (int64_t i = 0; i < count; ++i) {
    char* at = out.bytes + out.ends[i];
    if (has_nulls && column.IsNull(first + i)) {
      *at = 1;
      std::memset(at + 1, 0, static_cast<size_t>(width));
    } else {
      *at = 0;
      write(first + i, at + 1);
    }
    out.ends[i] += static_cast<size_t>(width) + 1;
  }
}

template <int kWidth>
void AppendRaw(const arrow::Array& column, int64_t first, int64_t count, Cursor out) {
  const auto* values =
      reinterpret_cast<const char*>(column.data()->buffers[1]->data()) + column.offset() * kWidth;
  AppendFixed(column, first, count, kWidth, out,
              [&](int64_t row, char* at) { std::memcpy(at, values + row * kWidth, kWidth); });
}

template <typename ArrayType>
void AppendFloats(const arrow::Array& column, int64_t first, int64_t count, Cursor out) {
  const auto& values = static_cast<const ArrayType&>(column);
  using Float = decltype(values.Value(0));
  AppendFixed(column, first, count, sizeof(Float), out, [&](int64_t row, char* at) {
    const Float value = Canonical(values.Value(row));
    std::memcpy(at, &value, sizeof(Float));
  });
}

void AppendVariable(const arrow::BinaryArray& column, int64_t first, int64_t count, Cursor out) {
  for (int64_t i = 0; i < count; ++i) {
    char* at = out.bytes + out.ends[i];
    const bool is_null = column.IsNull(first + i);
    *at = is_null ? 1 : 0;
    out.ends[i] += 1;
    if (is_null) continue;
    const std::string_view value = column.GetView(first + i);
    const auto size = static_cast<uint32_t>(value.size());
    std::memcpy(at + 1, &size, sizeof(size));
    std::memcpy(at + 1 + sizeof(size), value.data(), value.size());
    out.ends[i] += sizeof(size) + value.size();
  }
}

void AppendColumn(const arrow::Array& column, TypeKind kind, int width, int64_t first,
                  int64_t count, Cursor out) {
  if (column.type_id() == arrow::Type::NA) {
    for (int64_t i = 0; i < count; ++i) out.bytes[out.ends[i]++] = 1;
    return;
  }
  if (kind == TypeKind::kBoolean) {
    const auto& values = static_cast<const arrow::BooleanArray&>(column);
    AppendFixed(column, first, count, 1, out,
                [&](int64_t row, char* at) { *at = values.Value(row) ? 1 : 0; });
  } else if (kind == TypeKind::kFloat) {
    AppendFloats<arrow::FloatArray>(column, first, count, out);
  } else if (kind == TypeKind::kDouble) {
    AppendFloats<arrow::DoubleArray>(column, first, count, out);
  } else if (width == 4) {
    AppendRaw<4>(column, first, count, out);
  } else if (width == 8) {
    AppendRaw<8>(column, first, count, out);
  } else if (width == 16) {
    AppendRaw<16>(column, first, count, out);
  } else if (width == kVariable) {
    AppendVariable(static_cast<const arrow::BinaryArray&>(column), first, count, out);
  } else {
    const auto& values = static_cast<const arrow::FixedSizeBinaryArray&>(column);
    AppendFixed(column, first, count, width, out, [&](int64_t row, char* at) {
      std::memcpy(at, values.GetValue(row), static_cast<size_t>(width));
    });
  }
}

}  // namespace

Result<RowKeys> RowKeys::Make(const std::vector<TypePtr>& types) {
  RowKeys keys;
  for (const TypePtr& type : types) {
    if (!type->is_primitive()) {
      return Unsupported("an equality delete on a column of type " + type->ToString());
    }
    const int width = WidthOf(*type);
    keys.widths_.push_back(width);
    keys.kinds_.push_back(type->kind());
    // The mark of null, then the value or the length of it.
    keys.fixed_bytes_ += 1 + (width == kVariable ? int64_t{sizeof(uint32_t)} : width);
    keys.has_variable_ = keys.has_variable_ || width == kVariable;
  }
  return keys;
}

void RowKeys::Encode(const std::vector<std::shared_ptr<arrow::Array>>& columns, int64_t first,
                     int64_t count) {
  starts_.assign(static_cast<size_t>(count) + 1, static_cast<size_t>(fixed_bytes_));
  if (has_variable_) {
    for (size_t c = 0; c < columns.size(); ++c) {
      if (widths_[c] != kVariable || columns[c]->type_id() == arrow::Type::NA) continue;
      const auto& column = static_cast<const arrow::BinaryArray&>(*columns[c]);
      for (int64_t i = 0; i < count; ++i) {
        if (!column.IsNull(first + i)) {
          starts_[i] += static_cast<size_t>(column.value_length(first + i));
        }
      }
    }
  }
  // Room for each row at its most; a null string needs less, so starts are packed again below.
  size_t total = 0;
  for (size_t& start : starts_) total += std::exchange(start, total);
  if (bytes_.size() < total) bytes_.resize(total);
  ends_.assign(starts_.begin(), starts_.end());
  for (size_t c = 0; c < columns.size(); ++c) {
    AppendColumn(*columns[c], kinds_[c], widths_[c], first, count, {bytes_.data(), ends_.data()});
  }
  size_t packed = 0;
  for (int64_t i = 0; i < count; ++i) {
    const size_t size = ends_[i] - starts_[i];
    if (packed != starts_[i])
      std::memmove(bytes_.data() + packed, bytes_.data() + starts_[i], size);
    starts_[i] = packed;
    packed += size;
  }
  starts_[count] = packed;
}

}  // namespace moraine::iceberg
