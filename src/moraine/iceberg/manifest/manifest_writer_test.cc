// What the writers refuse, what they count, and the summaries of partitions.

#include "moraine/iceberg/manifest/manifest_writer.h"

#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "moraine/iceberg/manifest/field_summary.h"
#include "moraine/iceberg/testing/manifest_samples.h"

namespace moraine::iceberg {
namespace {

struct Refusal {
  const char* what;
  std::function<void(ManifestEntry*, ManifestWriterOptions*)> spoil;
};

TEST(ManifestWriter, RefusesWhatReadersWouldStumbleOver) {
  using E = ManifestEntry*;
  using O = ManifestWriterOptions*;
  const Refusal cases[] = {
      {"no such version", [](E, O o) { o->format_version = 4; }},
      {"no version 0", [](E, O o) { o->format_version = 0; }},
      {"delete files in version 1",
       [](E, O o) {
         o->format_version = 1;
         o->content = ManifestContent::kDeletes;
       }},
      {"a data file among deletes", [](E, O o) { o->content = ManifestContent::kDeletes; }},
      {"a delete file among data", [](E e, O) { e->file.content = FileContent::kPositionDeletes; }},
      {"no path", [](E e, O) { e->file.file_path.clear(); }},
      {"a negative count", [](E e, O) { e->file.record_count = -1; }},
      {"a negative size", [](E e, O) { e->file.file_size_in_bytes = -1; }},
      {"an existing file without snapshot",
       [](E e, O) {
         e->status = EntryStatus::kExisting;
         e->snapshot_id.reset();
         e->sequence_number = 1;
       }},
      {"an existing file without number",
       [](E e, O) {
         e->status = EntryStatus::kExisting;
         e->sequence_number.reset();
       }},
      {"a deleted file whose number is not assigned",
       [](E e, O) {
         e->status = EntryStatus::kDeleted;
         e->sequence_number = kUnassignedSequenceNumber;
       }},
      {"a partition of another length", [](E e, O) { e->file.partition.clear(); }},
      {"a partition of another type", [](E e, O) { e->file.partition[0] = std::string("x"); }},
      {"equality deletes without ids",
       [](E e, O o) {
         o->content = ManifestContent::kDeletes;
         e->file.content = FileContent::kEqualityDeletes;
       }},
      {"a deletion vector in version 2",
       [](E e, O o) {
         o->content = ManifestContent::kDeletes;
         e->file.content = FileContent::kPositionDeletes;
         e->file.format = FileFormat::kPuffin;
       }},
      {"a deletion vector of no file",
       [](E e, O o) {
         o->format_version = 3;
         o->content = ManifestContent::kDeletes;
         e->file.content = FileContent::kPositionDeletes;
         e->file.format = FileFormat::kPuffin;
         e->file.content_offset = e->file.content_size_in_bytes = 4;
       }},
  };
  for (const Refusal& refusal : cases) {
    ManifestSample sample = PlainSample(1, 0);
    ManifestWriterOptions options{.snapshot_id = 7};
    ManifestWriter good(sample.schema, sample.spec, options);
    EXPECT_TRUE(good.Add(sample.entries[0]).ok());
    refusal.spoil(&sample.entries[0], &options);
    ManifestWriter writer(sample.schema, sample.spec, options);
    EXPECT_EQ(writer.Add(sample.entries[0]).code(), Code::kInvalidArgument) << refusal.what;
    EXPECT_EQ(writer.entry_count(), 0) << refusal.what;
  }
}

TEST(ManifestWriter, RefusesValuesThatTheTypeCannotHold) {
  const std::pair<TypePtr, Value> cases[] = {
      {Type::Decimal(4, 2), Int128{10000}},
      {Type::Fixed(3), std::string("ab")},
      {Type::Primitive(TypeKind::kUuid), std::string("ab")},
      {Type::Primitive(TypeKind::kLong), int32_t{1}},
      {Type::Primitive(TypeKind::kDouble), 1.0f},
  };
  for (const auto& [type, value] : cases) {
    const auto schema =
        std::make_shared<Schema>(0, std::vector<Field>{{.id = 1, .name = "c", .type = type}});
    const auto spec = std::make_shared<PartitionSpec>(
        PartitionSpec{.fields = {{.source_ids = {1}, .field_id = 1000, .name = "c"}}});
    ManifestWriter writer(schema, spec, {});
    ManifestEntry entry;
    entry.file.file_path = "p";
    entry.file.partition = {value};
    EXPECT_EQ(writer.Add(entry).code(), Code::kInvalidArgument) << type->ToString();
  }
}

TEST(ManifestWriter, CountsFilesRowsAndTheOldestNumber) {
  ManifestSample sample = PlainSample(4, 0);
  const EntryStatus statuses[] = {EntryStatus::kAdded, EntryStatus::kExisting,
                                  EntryStatus::kExisting, EntryStatus::kDeleted};
  const int64_t numbers[] = {8, 5, 6, 1};
  for (size_t i = 0; i < 4; ++i) {
    sample.entries[i].status = statuses[i];
    sample.entries[i].sequence_number = numbers[i];
    sample.entries[i].file.record_count = int64_t{1} << i;
  }
  sample.entries[0].sequence_number.reset();
  ManifestWriter writer(sample.schema, sample.spec, {.snapshot_id = 7});
  for (const ManifestEntry& entry : sample.entries) ASSERT_TRUE(writer.Add(entry).ok());
  EXPECT_GT(writer.size_bytes(), 100);
  const auto [bytes, line] = writer.FinishToBytes().value();
  const ManifestFile expected{.manifest_length = static_cast<int64_t>(bytes.size()),
                              .sequence_number = kUnassignedSequenceNumber,
                              .min_sequence_number = 5,
                              .added_snapshot_id = 7,
                              .added_files_count = 1,
                              .existing_files_count = 2,
                              .deleted_files_count = 1,
                              .added_rows_count = 1,
                              .existing_rows_count = 6,
                              .deleted_rows_count = 8,
                              .partitions = line.partitions};
  EXPECT_EQ(line, expected);
  EXPECT_EQ(writer.Add(sample.entries[0]).code(), Code::kInvalidArgument);
  EXPECT_EQ(writer.FinishToBytes().status().code(), Code::kInvalidArgument);
}

TEST(ManifestWriter, AnEmptyManifestHasNothingToInherit) {
  const ManifestSample sample = PlainSample(0, 0);
  ManifestWriter writer(sample.schema, sample.spec, {.snapshot_id = 7});
  const auto [bytes, line] = writer.FinishToBytes().value();
  EXPECT_EQ(line.min_sequence_number, kUnassignedSequenceNumber);
  EXPECT_EQ(line.added_files_count, 0);
  EXPECT_EQ(line.partitions, std::vector<FieldSummary>{FieldSummary{.contains_nan = false}});
}

template <typename T>
std::string Bytes(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

TEST(FieldSummary, LeavesOutNullsAndNaNsAndWidensZeros) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  struct Case {
    std::vector<Value> values;
    FieldSummary expected;
  };
  const Case cases[] = {
      {{}, {false, false, {}, {}}},
      {{Value()}, {true, false, {}, {}}},
      {{nan}, {false, true, {}, {}}},
      {{-nan, Value(), nan}, {true, true, {}, {}}},
      {{nan, 2.0, Value(), -1.0}, {true, true, Bytes(-1.0), Bytes(2.0)}},
      {{0.0}, {false, false, Bytes(-0.0), Bytes(0.0)}},
      {{-0.0}, {false, false, Bytes(-0.0), Bytes(0.0)}},
      {{0.0, -0.0, 1.0}, {false, false, Bytes(-0.0), Bytes(1.0)}},
      {{-inf, -0.0}, {false, false, Bytes(-inf), Bytes(0.0)}},
  };
  for (const Case& c : cases) {
    FieldSummaryBuilder builder;
    for (const Value& value : c.values) builder.Add(value);
    EXPECT_EQ(builder.Finish(*Type::Primitive(TypeKind::kDouble)), c.expected) << &c - cases;
  }
}

TEST(FieldSummary, OrdersAsTheTypesDo) {
  FieldSummaryBuilder texts;
  for (const char* text : {"b", "\xc3\xa9", "a", "ab"}) texts.Add(std::string(text));
  const FieldSummary summary = texts.Finish(*Type::Primitive(TypeKind::kString));
  EXPECT_EQ(summary.lower_bound, "a");
  EXPECT_EQ(summary.upper_bound, "\xc3\xa9");
  FieldSummaryBuilder decimals;
  for (int value : {-200, 300, 5}) decimals.Add(Int128{value});
  const FieldSummary bounds = decimals.Finish(*Type::Decimal(9, 2));
  EXPECT_EQ(bounds.lower_bound, "\xff\x38");
  EXPECT_EQ(bounds.upper_bound, "\x01\x2c");
}

TEST(ManifestList, RefusesLinesThatTheVersionCannotHold) {
  const auto code = [](const ManifestFile& line, const ManifestListOptions& options) {
    return EncodeManifestList({line}, options).status().code();
  };
  const ManifestFile good = SampleLines(2)[0];
  EXPECT_EQ(code(good, {.snapshot_id = 7, .sequence_number = 9}), Code::kOk);
  EXPECT_EQ(code(good, {.format_version = 4}), Code::kInvalidArgument);
  ManifestFile line = good;
  line.content = ManifestContent::kDeletes;
  EXPECT_EQ(code(line, {.format_version = 1}), Code::kInvalidArgument);
  line = good;
  line.deleted_rows_count.reset();
  EXPECT_EQ(code(line, {.snapshot_id = 7}), Code::kInvalidArgument);
  EXPECT_EQ(code(line, {.format_version = 1, .snapshot_id = 7}), Code::kOk);
  line = good;
  line.min_sequence_number = kUnassignedSequenceNumber;
  EXPECT_EQ(code(line, {.snapshot_id = line.added_snapshot_id + 1}), Code::kInvalidArgument);
  EXPECT_EQ(code(line, {.snapshot_id = line.added_snapshot_id}), Code::kOk);
  line = good;
  line.added_rows_count = INT64_MAX;
  EXPECT_EQ(code(line, {.format_version = 3, .first_row_id = 1}), Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine::iceberg
