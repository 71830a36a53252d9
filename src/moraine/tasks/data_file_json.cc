// JSON of one data_file value: every member, absent ones left out; bounds and keys in base64.

#include <bit>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/text.h"
#include "moraine/tasks/partition_json.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::tasks {
namespace {

__extension__ typedef unsigned __int128 UnsignedInt128;
using iceberg::BoundMap;
using iceberg::CountMap;
using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::FileFormat;

constexpr FileFormat kFormats[] = {FileFormat::kParquet, FileFormat::kAvro, FileFormat::kOrc,
                                   FileFormat::kPuffin};
constexpr std::string_view kFormatNames[] = {"parquet", "avro", "orc", "puffin"};
constexpr std::string_view kContentNames[] = {"data", "position-deletes", "equality-deletes"};

void WriteCounts(std::string_view key, const CountMap& map, JsonWriter* out) {
  if (map.empty()) return;
  out->Key(key).BeginArray();
  for (const auto& [id, count] : map) out->Int(id).Int(count);
  out->EndArray();
}

void WriteBounds(std::string_view key, const BoundMap& map, JsonWriter* out) {
  if (map.empty()) return;
  out->Key(key).BeginArray();
  for (const auto& [id, bytes] : map) out->Int(id).String(Base64Encode(bytes));
  out->EndArray();
}

template <typename T>
void WriteInts(std::string_view key, const std::vector<T>& values, JsonWriter* out) {
  if (values.empty()) return;
  out->Key(key).BeginArray();
  for (T value : values) out->Int(value);
  out->EndArray();
}

Result<CountMap> ReadCounts(const JsonCursor& json, std::string_view key) {
  CountMap map;
  MORAINE_ASSIGN(auto array, json.Find(key));
  if (!array) return map;
  MORAINE_TRY(array->ExpectArray());
  if (array->size() % 2 != 0) return array->Error("expected pairs of id and count");
  for (size_t i = 0; i < array->size(); i += 2) {
    MORAINE_ASSIGN(int32_t id, array->At(i).Int32());
    MORAINE_ASSIGN(int64_t count, array->At(i + 1).Int64());
    map.emplace_back(id, count);
  }
  return map;
}

Result<std::string> ReadBase64(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string text, json.String());
  Result<std::string> bytes = Base64Decode(text);
  if (!bytes.ok()) return json.Error("expected base64");
  return bytes;
}

Result<BoundMap> ReadBounds(const JsonCursor& json, std::string_view key) {
  BoundMap map;
  MORAINE_ASSIGN(auto array, json.Find(key));
  if (!array) return map;
  MORAINE_TRY(array->ExpectArray());
  if (array->size() % 2 != 0) return array->Error("expected pairs of id and bytes");
  for (size_t i = 0; i < array->size(); i += 2) {
    MORAINE_ASSIGN(int32_t id, array->At(i).Int32());
    MORAINE_ASSIGN(std::string bytes, ReadBase64(array->At(i + 1)));
    map.emplace_back(id, std::move(bytes));
  }
  return map;
}

template <typename T>
Result<std::vector<T>> ReadInts(const JsonCursor& json, std::string_view key) {
  std::vector<T> values;
  MORAINE_ASSIGN(auto array, json.Find(key));
  if (!array) return values;
  MORAINE_TRY(array->ExpectArray());
  for (size_t i = 0; i < array->size(); ++i) {
    if constexpr (sizeof(T) == 4) {
      MORAINE_ASSIGN(T value, array->At(i).Int32());
      values.push_back(value);
    } else {
      MORAINE_ASSIGN(T value, array->At(i).Int64());
      values.push_back(value);
    }
  }
  return values;
}

Result<FileContent> ReadContent(const JsonCursor& json) {
  MORAINE_ASSIGN(auto name, json.OptString("content"));
  if (!name) return FileContent::kData;
  for (size_t i = 0; i < std::size(kContentNames); ++i) {
    if (*name == kContentNames[i]) return static_cast<FileContent>(i);
  }
  return json.Error("unknown content " + *name);
}

Result<FileFormat> ReadFormat(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string name, json.String("format"));
  for (size_t i = 0; i < std::size(kFormatNames); ++i) {
    if (name == kFormatNames[i]) return kFormats[i];
  }
  return json.Error("unknown format " + name);
}

bool IsFloating(const iceberg::Type& type) {
  return type.kind() == iceberg::TypeKind::kFloat || type.kind() == iceberg::TypeKind::kDouble;
}

// A partition field whose source column is gone has no type, but its values are still there: by
// form.
void WriteUntyped(const iceberg::Value& value, JsonWriter* out) {
  out->BeginObject();
  if (const bool* boolean = std::get_if<bool>(&value)) {
    out->Field("bool", *boolean);
  } else if (const int32_t* number = std::get_if<int32_t>(&value)) {
    out->Field("int", *number);
  } else if (const int64_t* number = std::get_if<int64_t>(&value)) {
    out->Field("long", *number);
  } else if (const float* number = std::get_if<float>(&value)) {
    out->Field("float", int64_t{std::bit_cast<uint32_t>(*number)});
  } else if (const double* number = std::get_if<double>(&value)) {
    out->Field("double", std::bit_cast<int64_t>(*number));
  } else if (const iceberg::Int128* number = std::get_if<iceberg::Int128>(&value)) {
    out->Field("high", static_cast<int64_t>(*number >> 64));
    out->Field("low", static_cast<int64_t>(*number));
  } else {
    out->Field("bytes", Base64Encode(std::get<std::string>(value)));
  }
  out->EndObject();
}

Result<iceberg::Value> ReadUntyped(const JsonCursor& json) {
  if (json.member_count() == 0) return json.Error("expected an object with a value");
  const std::string& form = json.member_key(0);
  const JsonCursor member = json.Member(0);
  if (form == "bool") {
    MORAINE_ASSIGN(bool boolean, member.Bool());
    return iceberg::Value(boolean);
  }
  if (form == "bytes") {
    MORAINE_ASSIGN(std::string bytes, ReadBase64(member));
    return iceberg::Value(std::move(bytes));
  }
  MORAINE_ASSIGN(int64_t number, member.Int64());
  if (form == "int") return iceberg::Value(static_cast<int32_t>(number));
  if (form == "long") return iceberg::Value(number);
  if (form == "float") return iceberg::Value(std::bit_cast<float>(static_cast<uint32_t>(number)));
  if (form == "double") return iceberg::Value(std::bit_cast<double>(number));
  if (form != "high") return json.Error("unknown form of a value: " + form);
  MORAINE_ASSIGN(int64_t low, json.Int64("low"));
  const auto high_bits = static_cast<UnsignedInt128>(static_cast<uint64_t>(number)) << 64;
  return iceberg::Value(static_cast<iceberg::Int128>(high_bits | static_cast<uint64_t>(low)));
}

}  // namespace

void WritePartition(const iceberg::PartitionTuple& partition,
                    const std::vector<iceberg::TypePtr>& types, JsonWriter* out) {
  MORAINE_CHECK(partition.size() == types.size(), "one partition value for each field of the spec");
  out->BeginArray();
  for (size_t i = 0; i < partition.size(); ++i) {
    if (iceberg::IsNull(partition[i])) {
      out->Null();
    } else if (types[i]->kind() == iceberg::TypeKind::kUnknown) {
      WriteUntyped(partition[i], out);
    } else if (IsFloating(*types[i])) {
      // Bit-exact: JSON has no NaN, and a tuple is compared by bits.
      out->String(Base64Encode(iceberg::ValueToBytes(*types[i], partition[i])));
    } else {
      out->Value(iceberg::ValueToJson(*types[i], partition[i]));
    }
  }
  out->EndArray();
}

Result<iceberg::PartitionTuple> ReadPartition(const JsonCursor& json,
                                              const std::vector<iceberg::TypePtr>& types) {
  MORAINE_TRY(json.ExpectArray());
  if (json.size() != types.size()) return json.Error("expected one value for each partition field");
  iceberg::PartitionTuple partition;
  for (size_t i = 0; i < types.size(); ++i) {
    const JsonCursor element = json.At(i);
    if (element.json().is_null()) {
      partition.emplace_back();
    } else if (types[i]->kind() == iceberg::TypeKind::kUnknown) {
      MORAINE_ASSIGN(iceberg::Value value, ReadUntyped(element));
      partition.push_back(std::move(value));
    } else if (IsFloating(*types[i])) {
      MORAINE_ASSIGN(std::string bytes, ReadBase64(element));
      Result<iceberg::Value> value = iceberg::ValueFromBytes(*types[i], bytes);
      if (!value.ok()) return element.Error("expected the bytes of a " + types[i]->ToString());
      partition.push_back(std::move(value).value());
    } else {
      MORAINE_ASSIGN(iceberg::Value value, iceberg::ValueFromJson(*types[i], element));
      partition.push_back(std::move(value));
    }
  }
  return partition;
}

void WriteDataFile(const DataFile& file, const std::vector<iceberg::TypePtr>& partition_types,
                   JsonWriter* out) {
  out->BeginObject();
  if (file.content != FileContent::kData) {
    out->Field("content", kContentNames[static_cast<size_t>(file.content)]);
  }
  out->Field("format", kFormatNames[static_cast<size_t>(file.format)]);
  out->Field("path", file.file_path);
  out->Field("spec-id", file.spec_id);
  if (!partition_types.empty()) {
    out->Key("partition");
    WritePartition(file.partition, partition_types, out);
  }
  out->Field("records", file.record_count);
  out->Field("bytes", file.file_size_in_bytes);
  WriteCounts("column-sizes", file.column_sizes, out);
  WriteCounts("value-counts", file.value_counts, out);
  WriteCounts("null-counts", file.null_value_counts, out);
  WriteCounts("nan-counts", file.nan_value_counts, out);
  WriteBounds("lower-bounds", file.lower_bounds, out);
  WriteBounds("upper-bounds", file.upper_bounds, out);
  if (file.key_metadata) out->Field("key-metadata", Base64Encode(*file.key_metadata));
  WriteInts("split-offsets", file.split_offsets, out);
  WriteInts("equality-ids", file.equality_ids, out);
  if (file.sort_order_id) out->Field("sort-order-id", *file.sort_order_id);
  if (file.first_row_id) out->Field("first-row-id", *file.first_row_id);
  if (file.referenced_data_file) out->Field("referenced-data-file", *file.referenced_data_file);
  if (file.content_offset) out->Field("content-offset", *file.content_offset);
  if (file.content_size_in_bytes) out->Field("content-size", *file.content_size_in_bytes);
  out->EndObject();
}

Result<DataFile> DataFileFromJson(const JsonCursor& json,
                                  const std::vector<iceberg::TypePtr>& partition_types) {
  DataFile file;
  MORAINE_ASSIGN(file.content, ReadContent(json));
  MORAINE_ASSIGN(file.format, ReadFormat(json));
  MORAINE_ASSIGN(file.file_path, json.String("path"));
  MORAINE_ASSIGN(file.spec_id, json.Int32("spec-id"));
  if (!partition_types.empty()) {
    MORAINE_ASSIGN(JsonCursor partition, json.Get("partition"));
    MORAINE_ASSIGN(file.partition, ReadPartition(partition, partition_types));
  }
  MORAINE_ASSIGN(file.record_count, json.Int64("records"));
  MORAINE_ASSIGN(file.file_size_in_bytes, json.Int64("bytes"));
  MORAINE_ASSIGN(file.column_sizes, ReadCounts(json, "column-sizes"));
  MORAINE_ASSIGN(file.value_counts, ReadCounts(json, "value-counts"));
  MORAINE_ASSIGN(file.null_value_counts, ReadCounts(json, "null-counts"));
  MORAINE_ASSIGN(file.nan_value_counts, ReadCounts(json, "nan-counts"));
  MORAINE_ASSIGN(file.lower_bounds, ReadBounds(json, "lower-bounds"));
  MORAINE_ASSIGN(file.upper_bounds, ReadBounds(json, "upper-bounds"));
  MORAINE_ASSIGN(auto key_metadata, json.Find("key-metadata"));
  if (key_metadata) {
    MORAINE_ASSIGN(file.key_metadata, ReadBase64(*key_metadata));
  }
  MORAINE_ASSIGN(file.split_offsets, ReadInts<int64_t>(json, "split-offsets"));
  MORAINE_ASSIGN(file.equality_ids, ReadInts<int32_t>(json, "equality-ids"));
  MORAINE_ASSIGN(file.sort_order_id, json.OptInt32("sort-order-id"));
  MORAINE_ASSIGN(file.first_row_id, json.OptInt64("first-row-id"));
  MORAINE_ASSIGN(file.referenced_data_file, json.OptString("referenced-data-file"));
  MORAINE_ASSIGN(file.content_offset, json.OptInt64("content-offset"));
  MORAINE_ASSIGN(file.content_size_in_bytes, json.OptInt64("content-size"));
  return file;
}

}  // namespace moraine::tasks
