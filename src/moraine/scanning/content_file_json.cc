#include "moraine/scanning/content_file_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::scanning {

using iceberg::BoundMap;
using iceberg::CountMap;
using iceberg::DataFile;
using iceberg::Field;
using iceberg::FileContent;
using iceberg::Type;
using iceberg::TypePtr;
using iceberg::Value;

namespace {

std::string_view ContentName(FileContent content) {
  switch (content) {
    case FileContent::kPositionDeletes:
      return "position-deletes";
    case FileContent::kEqualityDeletes:
      return "equality-deletes";
    case FileContent::kData:
      break;
  }
  return "data";
}

std::string UpperHex(std::string_view bytes) {
  std::string hex = HexEncode(bytes);
  for (char& c : hex) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  }
  return hex;
}

bool IsWanted(const FileStats& stats, int32_t column) {
  return std::binary_search(stats.columns.begin(), stats.columns.end(), column);
}

/// {"keys", "values"}; left out when there is none.
template <typename WriteOne>
void WriteMap(std::string_view name, const std::vector<int32_t>& keys, WriteOne write_value,
              JsonWriter* out) {
  if (keys.empty()) return;
  out->Key(name).BeginObject().Key("keys").BeginArray();
  for (int32_t key : keys) out->Int(key);
  out->EndArray().Key("values").BeginArray();
  for (size_t i = 0; i < keys.size(); ++i) write_value(i);
  out->EndArray().EndObject();
}

void WriteCounts(std::string_view name, const CountMap& counts, const FileStats& stats,
                 JsonWriter* out) {
  std::vector<int32_t> keys;
  std::vector<int64_t> values;
  for (const auto& [column, count] : counts) {
    if (!IsWanted(stats, column)) continue;
    keys.push_back(column);
    values.push_back(count);
  }
  WriteMap(
      name, keys, [&](size_t i) { out->Int(values[i]); }, out);
}

/// As ValueToJson, without a value in between for numbers: there are many of them.
std::string ValueText(const Type& type, const Value& value) {
  char buffer[64];
  auto number = [&](auto x) -> std::string {
    auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), x);
    return std::string(buffer, end);
  };
  if (const auto* x = std::get_if<double>(&value); x != nullptr && std::isfinite(*x)) {
    return number(*x);
  }
  if (const auto* x = std::get_if<float>(&value); x != nullptr && std::isfinite(*x)) {
    return number(*x);
  }
  return iceberg::ValueToJson(type, value).ToString();
}

/// JSON; nothing for a bound that can't be read as its column's type.
std::optional<std::string> BoundText(const FileStats& stats, int32_t column,
                                     std::string_view bytes) {
  if (stats.form == BoundsForm::kBinary) return '"' + UpperHex(bytes) + '"';
  const Field* field = stats.schema.FindField(column);
  if (field == nullptr || !field->type->is_primitive()) return std::nullopt;
  auto value = iceberg::ValueFromBytes(*field->type, bytes);
  if (!value.ok()) return std::nullopt;
  return ValueText(*field->type, *value);
}

void WriteBounds(std::string_view name, const BoundMap& bounds, const FileStats& stats,
                 JsonWriter* out) {
  std::vector<int32_t> keys;
  std::vector<std::string> values;
  for (const auto& [column, bytes] : bounds) {
    if (!IsWanted(stats, column)) continue;
    auto value = BoundText(stats, column, bytes);
    if (!value) continue;
    keys.push_back(column);
    values.push_back(std::move(*value));
  }
  WriteMap(
      name, keys, [&](size_t i) { out->Raw(values[i]); }, out);
}

void WritePartition(const DataFile& file, const std::vector<TypePtr>& types, JsonWriter* out) {
  out->Key("partition").BeginArray();
  for (size_t i = 0; i < file.partition.size(); ++i) {
    const Value& value = file.partition[i];
    if (i < types.size() && !iceberg::IsNull(value)) {
      out->Raw(ValueText(*types[i], value));
    } else {
      out->Null();
    }
  }
  out->EndArray();
}

void WriteStats(const DataFile& file, const FileStats& stats, JsonWriter* out) {
  if (stats.columns.empty()) return;
  WriteCounts("column-sizes", file.column_sizes, stats, out);
  WriteCounts("value-counts", file.value_counts, stats, out);
  WriteCounts("null-value-counts", file.null_value_counts, stats, out);
  WriteCounts("nan-value-counts", file.nan_value_counts, stats, out);
  WriteBounds("lower-bounds", file.lower_bounds, stats, out);
  WriteBounds("upper-bounds", file.upper_bounds, stats, out);
}

void WriteDeleteFields(const DataFile& file, JsonWriter* out) {
  if (file.content == FileContent::kEqualityDeletes) {
    out->Key("equality-ids").BeginArray();
    for (int32_t id : file.equality_ids) out->Int(id);
    out->EndArray();
    return;
  }
  // Not in the protocol's text, yet readers need it of a deletion vector.
  if (file.referenced_data_file) out->Field("referenced-data-file", *file.referenced_data_file);
  if (file.content_offset) out->Field("content-offset", *file.content_offset);
  if (file.content_size_in_bytes) {
    out->Field("content-size-in-bytes", *file.content_size_in_bytes);
  }
}

}  // namespace

void WriteContentFile(const DataFile& file, const std::vector<TypePtr>& partition_types,
                      const FileStats& stats, JsonWriter* out) {
  out->BeginObject().Field("content", ContentName(file.content));
  out->Field("file-path", file.file_path);
  out->Field("file-format", ToLowerAscii(iceberg::FileFormatName(file.format)));
  out->Field("spec-id", file.spec_id);
  WritePartition(file, partition_types, out);
  out->Field("file-size-in-bytes", file.file_size_in_bytes);
  out->Field("record-count", file.record_count);
  if (file.key_metadata) out->Field("key-metadata", UpperHex(*file.key_metadata));
  if (!file.split_offsets.empty()) {
    out->Key("split-offsets").BeginArray();
    for (int64_t offset : file.split_offsets) out->Int(offset);
    out->EndArray();
  }
  if (file.sort_order_id) out->Field("sort-order-id", *file.sort_order_id);
  if (file.content == FileContent::kData) {
    if (file.first_row_id) out->Field("first-row-id", *file.first_row_id);
    WriteStats(file, stats, out);
  } else {
    WriteDeleteFields(file, out);
  }
  out->EndObject();
}

}  // namespace moraine::scanning
