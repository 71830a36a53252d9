#include "moraine/iceberg/data/partition_statistics.h"

#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

constexpr char kLocation[] = "file:///t/metadata/partition-stats-1-a.parquet";

TypePtr P(TypeKind kind) { return Type::Primitive(kind); }

PartitionCounts Counts(int64_t from) {
  PartitionCounts counts;
  counts.data_records = from;
  counts.data_files = from + 1;
  counts.data_bytes = from + 2;
  counts.position_delete_records = from + 3;
  counts.position_delete_files = from + 4;
  counts.equality_delete_records = from + 5;
  counts.equality_delete_files = from + 6;
  return counts;
}

Result<int64_t> Write(io::FileSystem& files, const std::vector<PartitionStatistics>& rows,
                      const std::vector<Field>& fields, int version) {
  Call call = TestCall();
  PartitionStatisticsOutput output;
  output.location = kLocation;
  output.partition_fields = fields;
  output.format_version = version;
  return WritePartitionStatistics(call, files, output, rows.size(), [&](size_t i) {
    return PartitionStatisticsRow{rows[i].spec_id, &rows[i].partition, &rows[i].counts};
  });
}

Result<std::vector<PartitionStatistics>> Read(io::FileSystem& files,
                                              const std::vector<Field>& fields,
                                              std::optional<int64_t> size = std::nullopt) {
  Call call = TestCall();
  std::vector<PartitionStatistics> rows;
  MORAINE_TRY(
      ReadPartitionStatistics(call, files, kLocation, size, fields, [&](PartitionStatistics& row) {
        rows.push_back(std::move(row));
        return Status();
      }));
  return rows;
}

TEST(PartitionStatistics, KeepValuesOfAllTypes) {
  struct {
    TypePtr type;
    Value value;
  } cases[] = {
      {P(TypeKind::kBoolean), true},
      {P(TypeKind::kInt), int32_t{-7}},
      {P(TypeKind::kDate), int32_t{19'000}},
      {P(TypeKind::kLong), std::numeric_limits<int64_t>::min()},
      {P(TypeKind::kTime), int64_t{86'399'999'999}},
      {P(TypeKind::kTimestamp), int64_t{-1}},
      {P(TypeKind::kTimestampTz), int64_t{1'700'000'000'000'000}},
      {P(TypeKind::kTimestampNs), int64_t{1}},
      {P(TypeKind::kTimestampTzNs), int64_t{2}},
      {P(TypeKind::kFloat), std::numeric_limits<float>::quiet_NaN()},
      {P(TypeKind::kDouble), -0.0},
      {Type::Decimal(38, 2), Int128{-12'345} << 40},
      {Type::Decimal(9, 2), Int128{-1}},
      {P(TypeKind::kString), std::string("a\0b/=ü", 7)},
      {P(TypeKind::kBinary), std::string("\xff\x00", 2)},
      {P(TypeKind::kUuid), std::string(16, '\x81')},
      {Type::Fixed(3), std::string("abc")},
  };
  std::vector<Field> fields;
  PartitionStatistics nulls{1, {}, Counts(1)};
  PartitionStatistics values{2, {}, Counts(10)};
  for (const auto& c : cases) {
    const auto id = static_cast<int32_t>(1000 + fields.size());
    fields.push_back(Optional(id, fmt::format("f{}", id), c.type));
    nulls.partition.emplace_back();
    values.partition.push_back(c.value);
  }
  values.counts.deletion_vectors = 4;
  values.counts.last_updated_ms = 5;
  values.counts.last_updated_snapshot_id = 6;
  io::MemoryFileSystem files;
  auto size = Write(files, {nulls, values}, fields, 3);
  ASSERT_TRUE(size.ok()) << size.status().ToString();
  Call call = TestCall();
  EXPECT_EQ(files.Stat(call, kLocation)->size_bytes, *size);
  auto rows = Read(files, fields, *size);
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_TRUE(SameTuple(rows->at(0).partition, nulls.partition));
  EXPECT_EQ(rows->at(0).counts, nulls.counts);
  EXPECT_EQ(rows->at(1).spec_id, 2);
  EXPECT_EQ(rows->at(1).counts, values.counts);
  for (size_t i = 0; i < fields.size(); ++i) {
    EXPECT_TRUE(SameValue(rows->at(1).partition[i], values.partition[i])) << fields[i].name;
  }
}

TEST(PartitionStatistics, HaveTheColumnsOfTheSpec) {
  const std::vector<Field> fields = {Optional(1000, "day", P(TypeKind::kDate))};
  for (int version = 1; version <= 3; ++version) {
    SCOPED_TRACE(version);
    io::MemoryFileSystem files;
    ASSERT_TRUE(Write(files, {{0, {Value(int32_t{1})}, Counts(0)}}, fields, version).ok());
    Call call = TestCall();
    auto reader = DataFileReader::Open(call, files, kLocation, FileFormat::kParquet, std::nullopt,
                                       {.fields = PartitionStatisticsFields(fields, version)});
    ASSERT_TRUE(reader.ok()) << reader.status().ToString();
    std::string columns;
    for (const auto& column : (*reader)->columns())
      columns += fmt::format("{}:{} ", *column.id, column.name);
    EXPECT_EQ(columns,
              std::string("1:partition 2:spec_id 3:data_record_count 4:data_file_count "
                          "5:total_data_file_size_in_bytes 6:position_delete_record_count "
                          "7:position_delete_file_count 8:equality_delete_record_count "
                          "9:equality_delete_file_count 10:total_record_count 11:last_updated_at "
                          "12:last_updated_snapshot_id ") +
                  (version == 3 ? "13:dv_count " : ""));
    for (const Field& field : PartitionStatisticsFields(fields, version)) {
      const bool required = field.id <= 5 || (version == 3 && (field.id < 10 || field.id == 13));
      EXPECT_EQ(field.required, required) << field.name;
    }
  }
}

TEST(PartitionStatistics, AreReadByOtherSpecs) {
  const std::vector<Field> old_fields = {Optional(1000, "day", P(TypeKind::kInt)),
                                         Optional(1001, "name", P(TypeKind::kString))};
  // One is gone, one is renamed and wider now, one is new.
  const std::vector<Field> new_fields = {Optional(1000, "date", P(TypeKind::kLong)),
                                         Optional(1002, "bucket", P(TypeKind::kInt))};
  io::MemoryFileSystem files;
  ASSERT_TRUE(
      Write(files, {{0, {Value(int32_t{7}), Value(std::string("x"))}, Counts(1)}}, old_fields, 2)
          .ok());
  auto rows = Read(files, new_fields);
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_TRUE(SameTuple(rows->at(0).partition, {Value(int64_t{7}), Value()}));
  EXPECT_EQ(rows->at(0).counts, Counts(1));  // no vectors: 0
}

TEST(PartitionStatistics, MayBeManyRowsAndNone) {
  const std::vector<Field> fields = {Optional(1000, "id", P(TypeKind::kLong))};
  for (int64_t count : {0, 1, 16'385}) {
    std::vector<PartitionStatistics> rows;
    for (int64_t i = 0; i < count; ++i) rows.push_back({0, {Value(i)}, Counts(i)});
    io::MemoryFileSystem files;
    ASSERT_TRUE(Write(files, rows, fields, 2).ok());
    auto read = Read(files, fields);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ASSERT_EQ(read->size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(read->at(i).counts, rows[i].counts);
  }
}

TEST(PartitionStatistics, RefuseWhatCantBe) {
  const std::vector<Field> fields = {Optional(1000, "id", P(TypeKind::kLong))};
  PartitionCounts negative;
  negative.data_files = -1;
  PartitionCounts many;
  many.data_files = int64_t{1} << 31;
  {
    io::MemoryFileSystem files;
    ASSERT_TRUE(Write(files, {{0, {Value()}, negative}}, fields, 2).ok());
    EXPECT_EQ(Read(files, fields).status().code(), Code::kCorruption);
  }
  const struct {
    PartitionStatistics row;
    Code code;
  } cases[] = {{{0, {Value()}, many}, Code::kUnsupported},
               {{0, {Value(int32_t{1})}, {}}, Code::kCorruption}};
  for (const auto& c : cases) {
    io::MemoryFileSystem files;
    EXPECT_EQ(Write(files, {c.row}, fields, 2).status().code(), c.code);
    Call call = TestCall();
    EXPECT_EQ(files.Stat(call, kLocation).status().code(), Code::kNotFound);
  }
  io::MemoryFileSystem files;
  Call call = TestCall();
  ASSERT_TRUE(io::WriteFile(call, files, kLocation, "PAR1 not at all").ok());
  EXPECT_EQ(Read(files, fields).status().code(), Code::kCorruption);
}

TEST(UnifiedPartition, IsOfAllSpecs) {
  const auto spec = [](int32_t id, std::vector<PartitionField> fields) {
    return PartitionSpec{id, std::move(fields), {}};
  };
  const auto transform = [](const char* text) { return *Transform::FromString(text); };
  const struct {
    const char* what;
    std::vector<PartitionSpec> specs;
    std::string expected;
  } cases[] = {
      {"none", {spec(0, {})}, ""},
      {"one", {spec(0, {{{2}, 1001, "b", transform("bucket[4]")}})}, "1001 b int; "},
      {"by id, names of the latest",
       {spec(0, {{{1}, 1000, "old", transform("identity")}}),
        spec(1, {{{3}, 1001, "day", transform("day")}, {{1}, 1000, "new", transform("identity")}})},
       "1000 new long; 1001 day date; "},
      {"void has the type of what it was, and its own name",
       {spec(0, {{{2}, 1000, "b", transform("bucket[4]")}}),
        spec(1, {{{2}, 1000, "b_void", transform("void")}})},
       "1000 b_void int; "},
      {"void alone", {spec(0, {{{2}, 1000, "v", transform("void")}})}, "1000 v string; "},
      {"of columns that are gone: left out",
       {spec(0, {{{9}, 1000, "gone", transform("identity")},
                 {{1}, 1001, "here", transform("identity")}})},
       "1001 here long; "},
      {"conflicts of version 1",
       {spec(0, {{{1}, 1000, "a", transform("identity")}}),
        spec(1, {{{2}, 1000, "b", transform("identity")}})},
       "Unsupported"},
      {"not known", {spec(0, {{{1}, 1000, "z", transform("zorder[3]")}})}, "Unsupported"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    TableMetadata metadata;
    metadata.schemas = {MakeSchema({Optional(1, "id", P(TypeKind::kLong)),
                                    Optional(2, "name", P(TypeKind::kString)),
                                    Optional(3, "at", P(TypeKind::kTimestamp))})};
    for (const auto& each : c.specs)
      metadata.partition_specs.push_back(std::make_shared<const PartitionSpec>(each));
    auto fields = UnifiedPartitionFields(metadata);
    std::string text;
    if (!fields.ok()) {
      text = CodeName(fields.status().code());
    } else {
      for (const auto& field : *fields)
        text += fmt::format("{} {} {}; ", field.id, field.name, field.type->ToString());
    }
    EXPECT_EQ(text, c.expected);
  }
}

TEST(PartitionStatistics, FailWithEachFault) {
  const std::vector<Field> fields = {Optional(1000, "id", P(TypeKind::kLong))};
  const std::vector<PartitionStatistics> rows = {{0, {Value(int64_t{1})}, Counts(1)}};
  auto report = moraine::testing::EveryFault([&](moraine::testing::FaultInjector& faults) {
    io::MemoryFileSystem memory;
    io::FaultyFileSystem files(memory, faults);
    auto written = Write(files, rows, fields, 2);
    auto read = written.ok() ? Read(files, fields) : Read(memory, fields);
    if (!written.ok() || !read.ok()) {
      EXPECT_EQ(faults.fired(), 1u);
      return;
    }
    ASSERT_EQ(read->size(), 1u);
    EXPECT_EQ(read->at(0).counts, rows[0].counts);
  });
  EXPECT_GT(report.fired, 3u);
}

}  // namespace
}  // namespace moraine::iceberg
