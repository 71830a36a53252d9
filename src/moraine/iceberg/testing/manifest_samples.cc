#include "moraine/iceberg/testing/manifest_samples.h"

#include <cstring>
#include <limits>

#include <fmt/format.h>

namespace moraine::iceberg {
namespace {

struct Column {
  TypePtr type;
  const char* transform;
  Value usual;
  Value low;
  Value high;
};

Value Text(const char* text) { return std::string(text); }
template <typename T>
constexpr T kLow = std::numeric_limits<T>::lowest();
template <typename T>
constexpr T kHigh = std::numeric_limits<T>::max();

Int128 Nines(int digits) {
  Int128 value = 0;
  for (int i = 0; i < digits; ++i) value = value * 10 + 9;
  return value;
}

std::vector<Column> Columns() {
  using K = TypeKind;
  const auto p = [](K kind) { return Type::Primitive(kind); };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const float nan_f = std::numeric_limits<float>::quiet_NaN();
  const std::string uuid("\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7", 16);
  const auto longs = [&](K kind, const char* transform) {
    return Column{p(kind), transform, int64_t{1700000000000000}, kLow<int64_t>, kHigh<int64_t>};
  };
  const auto ints = [&](K kind, const char* transform) {
    return Column{p(kind), transform, int32_t{19000}, kLow<int32_t>, kHigh<int32_t>};
  };
  return {
      {p(K::kBoolean), "identity", true, false, true},
      ints(K::kInt, "identity"),
      longs(K::kLong, "identity"),
      {p(K::kFloat), "identity", 1.5f, -0.0f, nan_f},
      {p(K::kDouble), "identity", -2.25, -0.0, nan},
      {Type::Decimal(9, 2), "identity", Int128{1420}, -Nines(9), Nines(9)},
      {Type::Decimal(38, 10), "identity", Int128{-5}, -Nines(38), Nines(38)},
      {Type::Decimal(9, 2), "identity", Int128{0}, Int128{-1}, Int128{128}},
      ints(K::kDate, "identity"),
      longs(K::kTime, "identity"),
      longs(K::kTimestamp, "identity"),
      longs(K::kTimestampTz, "identity"),
      longs(K::kTimestampNs, "identity"),
      longs(K::kTimestampTzNs, "identity"),
      {p(K::kString), "identity", Text("a value longer than fifteen bytes"), Text(""),
       Text("é\xf0\x9f\x98\x80")},
      {p(K::kUuid), "identity", uuid, std::string(16, '\0'), std::string(16, '\xff')},
      {p(K::kUuid), "identity", uuid, std::string(16, '\0'), std::string(16, '\xff')},
      {Type::Fixed(3), "identity", Text("abc"), std::string(3, '\0'), std::string(3, '\xff')},
      {p(K::kBinary), "identity", Text("bytes"), Text(""), std::string("\0\xff", 2)},
      {p(K::kString), "bucket[16]", int32_t{3}, int32_t{0}, int32_t{15}},
      {p(K::kLong), "truncate[10]", int64_t{120}, int64_t{-10}, int64_t{90}},
      {p(K::kString), "truncate[4]", Text("abcd"), Text(""), Text("zz")},
      {p(K::kTimestamp), "year", int32_t{54}, int32_t{-1}, int32_t{0}},
      {p(K::kTimestampTz), "month", int32_t{650}, int32_t{-1}, int32_t{0}},
      {p(K::kTimestamp), "day", int32_t{19675}, int32_t{-1}, int32_t{0}},
      {p(K::kDate), "day", int32_t{19675}, int32_t{-1}, int32_t{0}},
      {p(K::kTimestamp), "hour", int32_t{472222}, int32_t{-1}, int32_t{0}},
      {p(K::kInt), "void", std::monostate(), std::monostate(), std::monostate()},
  };
}

std::string LongBytes(int64_t value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

DataFile SampleFile(int number) {
  DataFile file;
  file.file_path = fmt::format("s3://bucket/warehouse/db/t/data/{:05}-0-abcdef.parquet", number);
  file.record_count = 1000 + number;
  file.file_size_in_bytes = 1 << 20;
  file.column_sizes = {{1, 100}, {2, 1 << 30}};
  file.value_counts = {{1, 1000 + number}, {2, 1000 + number}};
  file.null_value_counts = {{1, 0}, {2, 7}};
  file.nan_value_counts = {{5, 1}};
  file.lower_bounds = {{1, std::string(1, '\0')}, {2, LongBytes(-5)}};
  file.upper_bounds = {{1, std::string(1, '\1')}, {2, std::string(40, 'x')}};
  file.split_offsets = {4, 1 << 19};
  file.sort_order_id = 0;
  return file;
}

ManifestEntry Added(DataFile file) {
  return {.status = EntryStatus::kAdded, .file = std::move(file)};
}

}  // namespace

ManifestSample AllTypesSample() {
  const std::vector<Column> columns = Columns();
  std::vector<Field> fields;
  PartitionSpec spec{.spec_id = 3};
  ManifestEntry usual = Added(SampleFile(1));
  ManifestEntry nulls = Added(SampleFile(2));
  ManifestEntry low{.status = EntryStatus::kExisting,
                    .snapshot_id = 5,
                    .sequence_number = 4,
                    .file_sequence_number = 3,
                    .file = SampleFile(3)};
  ManifestEntry high{.status = EntryStatus::kDeleted,
                     .snapshot_id = 7,
                     .sequence_number = 2,
                     .file_sequence_number = 2,
                     .file = SampleFile(4)};
  for (size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    const auto id = static_cast<int32_t>(i + 1);
    fields.push_back({.id = id, .name = fmt::format("c{}", id), .type = column.type});
    // One name that Avro doesn't take as it is.
    const std::string name = i == 1 ? "1 day/p-2" : fmt::format("c{}_part", id);
    spec.fields.push_back({.source_ids = {id},
                           .field_id = 999 + id,
                           .name = name,
                           .transform = Transform::FromString(column.transform).value()});
    usual.file.partition.push_back(column.usual);
    nulls.file.partition.emplace_back();
    low.file.partition.push_back(column.low);
    high.file.partition.push_back(column.high);
  }
  nulls.file.column_sizes.clear();
  nulls.file.value_counts.clear();
  nulls.file.null_value_counts.clear();
  nulls.file.nan_value_counts.clear();
  nulls.file.lower_bounds.clear();
  nulls.file.upper_bounds.clear();
  nulls.file.split_offsets.clear();
  nulls.file.sort_order_id.reset();
  nulls.snapshot_id = 7;
  low.file.format = FileFormat::kOrc;
  low.file.key_metadata = std::string("\0key", 4);
  low.file.first_row_id = 5000;
  high.file.format = FileFormat::kAvro;
  return {std::make_shared<Schema>(1, std::move(fields)),
          std::make_shared<PartitionSpec>(std::move(spec)),
          {usual, nulls, low, high}};
}

ManifestSample DeletesSample() {
  std::vector<Field> fields = {
      {.id = 1, .name = "id", .required = true, .type = Type::Primitive(TypeKind::kLong)}};
  PartitionSpec spec{.spec_id = 0,
                     .fields = {{.source_ids = {1},
                                 .field_id = 1000,
                                 .name = "id_bucket",
                                 .transform = Transform::FromString("bucket[4]").value()}}};
  std::vector<ManifestEntry> entries;
  for (int i = 0; i < 3; ++i) {
    ManifestEntry entry = Added(SampleFile(i));
    entry.file.partition = {int32_t{i}};
    entry.file.content = FileContent::kPositionDeletes;
    entries.push_back(std::move(entry));
  }
  entries[0].file.referenced_data_file = "s3://bucket/data.parquet";
  entries[1].file.content = FileContent::kEqualityDeletes;
  entries[1].file.equality_ids = {1, 5};
  entries[1].sequence_number = 4;
  entries[2].file.format = FileFormat::kPuffin;
  entries[2].file.referenced_data_file = "s3://bucket/data.parquet";
  entries[2].file.content_offset = 4;
  entries[2].file.content_size_in_bytes = 40;
  return {std::make_shared<Schema>(0, std::move(fields)),
          std::make_shared<PartitionSpec>(std::move(spec)), std::move(entries)};
}

ManifestSample PlainSample(int entries, int first) {
  constexpr int kColumns = 8;
  std::vector<Field> fields;
  for (int32_t id = 1; id <= kColumns; ++id) {
    const TypeKind kind = id == 1   ? TypeKind::kTimestamp
                          : id <= 5 ? TypeKind::kLong
                          : id <= 7 ? TypeKind::kDouble
                                    : TypeKind::kString;
    fields.push_back({.id = id, .name = fmt::format("c{}", id), .type = Type::Primitive(kind)});
  }
  PartitionSpec spec{.spec_id = 0,
                     .fields = {{.source_ids = {1},
                                 .field_id = 1000,
                                 .name = "c1_day",
                                 .transform = Transform::FromString("day").value()}}};
  std::vector<ManifestEntry> all;
  uint64_t state = 88172645463325252u + static_cast<uint64_t>(first);
  const auto random = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<int64_t>(state >> 16);
  };
  for (int i = first; i < first + entries; ++i) {
    ManifestEntry entry = Added({});
    entry.snapshot_id = 7;
    DataFile& file = entry.file;
    file.file_path =
        fmt::format("s3://bucket/warehouse/db/t/data/c1_day=2024-01-{:02}/{:05}-{}-{:08x}.parquet",
                    i / 1000 % 28 + 1, i, 0, random() & 0xffffffff);
    file.partition = {int32_t{19000 + i / 1000}};
    file.record_count = 100000 + random() % 50000;
    file.file_size_in_bytes = 20000000 + random() % 10000000;
    for (int32_t id = 1; id <= kColumns; ++id) {
      const int64_t low = (id == 1 ? 1700000000000000 + int64_t{i} * 86400 : 0) + random() % 100000;
      file.column_sizes.emplace_back(id, random() % 3000000);
      file.value_counts.emplace_back(id, file.record_count);
      file.null_value_counts.emplace_back(id, id % 3 == 0 ? random() % 100 : 0);
      if (id == 6 || id == 7) file.nan_value_counts.emplace_back(id, 0);
      file.lower_bounds.emplace_back(
          id, id == 8 ? fmt::format("customer#{:07}", low % 1000000) : LongBytes(low));
      file.upper_bounds.emplace_back(
          id, id == 8 ? fmt::format("customer#{:07}", 9000000 + low % 1000000)
                      : LongBytes(low + random() % 1000000000));
    }
    file.split_offsets = {4};
    file.sort_order_id = 0;
    all.push_back(std::move(entry));
  }
  return {std::make_shared<Schema>(0, std::move(fields)),
          std::make_shared<PartitionSpec>(std::move(spec)), std::move(all)};
}

std::vector<ManifestFile> SampleLines(int format_version) {
  ManifestFile old{.manifest_path = "s3://bucket/m0.avro",
                   .manifest_length = 4000,
                   .partition_spec_id = 1,
                   .sequence_number = 3,
                   .min_sequence_number = 1,
                   .added_snapshot_id = 5,
                   .added_files_count = 2,
                   .existing_files_count = 1,
                   .deleted_files_count = 0,
                   .added_rows_count = 20,
                   .existing_rows_count = 10,
                   .deleted_rows_count = 0};
  old.partitions = {{.contains_null = true,
                     .contains_nan = false,
                     .lower_bound = std::string("\0a", 2),
                     .upper_bound = "b"},
                    {.contains_null = false}};
  ManifestFile fresh = old;
  fresh.manifest_path = "s3://bucket/m1.avro";
  fresh.added_snapshot_id = 7;
  fresh.sequence_number = fresh.min_sequence_number = kUnassignedSequenceNumber;
  fresh.partitions = std::vector<FieldSummary>();
  fresh.key_metadata = "key";
  ManifestFile bare = old;
  bare.manifest_path = "s3://bucket/m2.avro";
  bare.partitions.reset();
  if (format_version == 1) {
    bare.added_files_count.reset();
    bare.deleted_rows_count.reset();
    return {old, fresh, bare};
  }
  ManifestFile deletes = bare;
  deletes.content = ManifestContent::kDeletes;
  if (format_version == 3) old.first_row_id = 5;
  return {old, fresh, deletes, bare};
}

ManifestEntry ExpectedAfterRead(ManifestEntry entry, int version, const ManifestFile& line) {
  entry.file.spec_id = line.partition_spec_id;
  const bool inherits = entry.status == EntryStatus::kAdded;
  if (!entry.snapshot_id) entry.snapshot_id = line.added_snapshot_id;
  if (version == 1) {
    entry.sequence_number = entry.file_sequence_number = 0;
    entry.file.equality_ids.clear();
  }
  if (inherits && !entry.sequence_number) entry.sequence_number = line.sequence_number;
  if (inherits && !entry.file_sequence_number) entry.file_sequence_number = line.sequence_number;
  entry.file.first_row_id.reset();  // the lines of these tests give none
  return entry;
}

}  // namespace moraine::iceberg
