// What manifests of other writers may look like, and what entries inherit from their manifest's
// line.

#include "moraine/iceberg/manifest/manifest_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/manifest_samples.h"

namespace moraine::iceberg {
namespace {

Result<std::vector<ManifestEntry>> DecodeAll(std::string_view bytes, const ManifestFile& line,
                                             const PartitionSpec& spec, const Schema& schema,
                                             const ManifestReadOptions& options = {
                                                 .deleted_entries = true}) {
  std::vector<ManifestEntry> entries;
  MORAINE_TRY(DecodeManifest(bytes, "m", line, spec, schema, options, [&](ManifestEntry& entry) {
    entries.push_back(std::move(entry));
    return Status::Ok();
  }));
  return entries;
}

struct Encoded {
  ManifestSample sample;
  std::string bytes;
  ManifestFile line;

  Result<std::vector<ManifestEntry>> Decode(const ManifestReadOptions& options = {
                                                .deleted_entries = true}) const {
    return DecodeAll(bytes, line, *sample.spec, *sample.schema, options);
  }
};

Encoded Encode(ManifestSample sample, ManifestWriterOptions options) {
  Encoded encoded{.sample = std::move(sample), .bytes = {}, .line = {}};
  ManifestWriter writer(encoded.sample.schema, encoded.sample.spec, options);
  for (const ManifestEntry& entry : encoded.sample.entries) {
    const Status status = writer.Add(entry);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  std::tie(encoded.bytes, encoded.line) = writer.FinishToBytes().value();
  encoded.line.sequence_number = 9;
  return encoded;
}

// --- inheritance ---------------------------------------------------------------------------------

struct Inherited {
  const char* what;
  EntryStatus status;
  std::optional<int64_t> snapshot, sequence, file_sequence;  // as written
  int64_t manifest_sequence;
  std::optional<int64_t> read_snapshot, read_sequence, read_file_sequence;
};

TEST(Inheritance, FillsNumbersFromTheManifest) {
  using S = EntryStatus;
  const std::nullopt_t none = std::nullopt;
  const Inherited cases[] = {
      {"a new file", S::kAdded, none, none, none, 9, 7, 9, 9},
      {"a new file with its own", S::kAdded, 5, 3, none, 9, 5, 3, 9},
      {"a compaction of older rows", S::kAdded, 7, 4, 9, 9, 7, 4, 9},
      {"an existing file", S::kExisting, 5, 3, 2, 9, 5, 3, 2},
      {"an existing file of an old writer", S::kExisting, 5, 3, none, 9, 5, 3, none},
      {"a deleted file", S::kDeleted, 7, 3, 2, 9, 7, 3, 2},
      {"a manifest not committed yet", S::kAdded, none, none, none, -1, 7, -1, -1},
      {"a number that says unassigned", S::kAdded, none, -1, -1, 9, 7, 9, 9},
  };
  for (const Inherited& c : cases) {
    ManifestSample sample = PlainSample(1, 0);
    ManifestEntry& entry = sample.entries[0];
    entry.status = c.status;
    entry.snapshot_id = c.snapshot;
    entry.sequence_number = c.sequence;
    entry.file_sequence_number = c.file_sequence;
    Encoded encoded = Encode(std::move(sample), {.snapshot_id = 7});
    encoded.line.sequence_number = c.manifest_sequence;
    const auto entries = encoded.Decode();
    ASSERT_TRUE(entries.ok()) << c.what << entries.status().ToString();
    EXPECT_EQ(entries->at(0).snapshot_id, c.read_snapshot) << c.what;
    EXPECT_EQ(entries->at(0).sequence_number, c.read_sequence) << c.what;
    EXPECT_EQ(entries->at(0).file_sequence_number, c.read_file_sequence) << c.what;
  }
}

TEST(Inheritance, Version1ManifestsHaveSequenceNumberZero) {
  Encoded encoded = Encode(AllTypesSample(), {.format_version = 1, .snapshot_id = 7});
  encoded.line.sequence_number = 0;
  const auto entries = encoded.Decode();
  ASSERT_TRUE(entries.ok());
  for (const ManifestEntry& entry : *entries) {
    EXPECT_EQ(entry.sequence_number, 0);
    EXPECT_EQ(entry.file_sequence_number, 0);
  }
  // Such entries in a manifest with a number of its own: nobody can tell how old the file is.
  encoded.line.sequence_number = 9;
  EXPECT_EQ(encoded.Decode().status().code(), Code::kCorruption);
}

TEST(Inheritance, RowIdsFollowTheLiveFilesWithoutOne) {
  ManifestSample sample = PlainSample(5, 0);
  const EntryStatus statuses[] = {EntryStatus::kAdded, EntryStatus::kExisting,
                                  EntryStatus::kDeleted, EntryStatus::kAdded,
                                  EntryStatus::kExisting};
  for (size_t i = 0; i < 5; ++i) {
    ManifestEntry& entry = sample.entries[i];
    entry.status = statuses[i];
    entry.sequence_number = entry.file_sequence_number = 3;
    entry.file.record_count = 10 + static_cast<int64_t>(i);
  }
  sample.entries[0].file.first_row_id = 1;  // not written: an added file has none yet
  sample.entries[1].file.first_row_id = 500;
  Encoded encoded = Encode(std::move(sample), {.format_version = 3, .snapshot_id = 7});
  const auto ids = [&](const ManifestReadOptions& options) {
    std::vector<std::optional<int64_t>> found;
    const auto entries = encoded.Decode(options);
    EXPECT_TRUE(entries.ok());
    for (const ManifestEntry& entry : *entries) found.push_back(entry.file.first_row_id);
    return found;
  };
  using Ids = std::vector<std::optional<int64_t>>;
  encoded.line.first_row_id = 1000;
  EXPECT_EQ(ids({.deleted_entries = true}), (Ids{1000, 500, std::nullopt, 1010, 1023}));
  EXPECT_EQ(ids({}), (Ids{1000, 500, 1010, 1023}));
  encoded.line.first_row_id.reset();
  EXPECT_EQ(ids({}), (Ids{std::nullopt, std::nullopt, std::nullopt, std::nullopt}));
  encoded.line.first_row_id = INT64_MAX - 5;
  EXPECT_EQ(encoded.Decode().status().code(), Code::kCorruption);
}

// --- options -------------------------------------------------------------------------------------

TEST(ManifestReadOptions, LeaveOutWhatIsNotWanted) {
  const Encoded encoded = Encode(PlainSample(20, 0), {.snapshot_id = 7});
  const auto all = encoded.Decode();
  const auto paths = encoded.Decode({.counts = false, .bounds = false});
  const auto some = encoded.Decode({.columns = {2, 8, 99}});
  ASSERT_TRUE(all.ok() && paths.ok() && some.ok());
  for (size_t i = 0; i < all->size(); ++i) {
    DataFile file = (*all)[i].file;
    const DataFile& few = (*some)[i].file;
    ASSERT_EQ(few.value_counts.size(), 2u);
    EXPECT_EQ(*FindCount(few.value_counts, 8), *FindCount(file.value_counts, 8));
    EXPECT_EQ(*FindBound(few.upper_bounds, 2), *FindBound(file.upper_bounds, 2));
    EXPECT_EQ(FindBound(few.upper_bounds, 3), nullptr);
    file.column_sizes.clear();
    file.value_counts.clear();
    file.null_value_counts.clear();
    file.nan_value_counts.clear();
    file.lower_bounds.clear();
    file.upper_bounds.clear();
    EXPECT_EQ((*paths)[i].file, file);
  }
}

TEST(ManifestReadOptions, DeletedEntriesAreForThoseWhoAsk) {
  const Encoded encoded = Encode(AllTypesSample(), {.snapshot_id = 7});
  EXPECT_EQ(encoded.Decode()->size(), 4u);
  EXPECT_EQ(encoded.Decode({})->size(), 3u);
}

TEST(ManifestReadOptions, SizeIsBounded) {
  const Encoded encoded = Encode(PlainSample(100, 0), {.snapshot_id = 7});
  const int64_t packed = encoded.line.manifest_length;
  EXPECT_EQ(encoded.Decode({.max_bytes = packed - 1}).status().code(), Code::kExhausted);
  EXPECT_EQ(encoded.Decode({.max_bytes = packed + 1}).status().code(), Code::kExhausted);
  EXPECT_TRUE(encoded.Decode({.max_bytes = packed * 20}).ok());
}

TEST(ReadManifest, VisitorsMayTakeEntriesAndStop) {
  const Encoded encoded = Encode(PlainSample(5, 0), {.snapshot_id = 7});
  int visited = 0;
  const Status status = DecodeManifest(encoded.bytes, "m", encoded.line, *encoded.sample.spec,
                                       *encoded.sample.schema, {}, [&](ManifestEntry& entry) {
                                         const ManifestEntry taken = std::move(entry);
                                         EXPECT_EQ(taken.file.lower_bounds.size(), 8u);
                                         return ++visited == 3 ? Conflict("enough") : Status::Ok();
                                       });
  EXPECT_EQ(status, Conflict("enough"));
  EXPECT_EQ(visited, 3);
}

TEST(ReadManifest, ContentMustBeThatOfTheList) {
  Encoded data = Encode(PlainSample(1, 0), {.snapshot_id = 7});
  data.line.content = ManifestContent::kDeletes;
  EXPECT_EQ(data.Decode().status().code(), Code::kCorruption);
  Encoded deletes =
      Encode(DeletesSample(),
             {.format_version = 3, .content = ManifestContent::kDeletes, .snapshot_id = 7});
  deletes.line.content = ManifestContent::kData;
  EXPECT_EQ(deletes.Decode().status().code(), Code::kCorruption);
}

// --- other writers -------------------------------------------------------------------------------

std::string OneRecord(std::string_view schema, const std::function<void(AvroEncoder*)>& write) {
  AvroFileWriter file(AvroCodec::kNull);
  AvroEncoder encoder = file.record();
  write(&encoder);
  EXPECT_TRUE(file.EndRecord().ok());
  return file.Finish(schema, {}).value();
}

PartitionSpec OneFieldSpec(const char* transform) {
  return {.spec_id = 4,
          .fields = {{.source_ids = {1},
                      .field_id = 1000,
                      .name = "p",
                      .transform = Transform::FromString(transform).value()}}};
}

Schema OneColumnSchema(TypePtr type) {
  return Schema(0, {{.id = 1, .name = "c", .type = std::move(type)}});
}

TEST(OtherWriters, IdsDecideNotNamesNorOrder) {
  const char* schema = R"({"type":"record","name":"any","namespace":"x","fields":[
    {"name":"unknown","field-id":9999,"type":["null","int",{"type":"map","values":"string"}]},
    {"name":"d","field-id":2,"type":["null",{"type":"record","name":"f","fields":[
      {"name":"sizes","field-id":108,"type":[{"type":"array","items":{"type":"record","name":"kv","fields":[
        {"name":"value","field-id":118,"type":["null","long"]},
        {"name":"extra","type":"string"},
        {"name":"key","field-id":117,"type":"int"}]}},"null"]},
      {"name":"bytes","field-id":104,"type":"int"},
      {"name":"rows","field-id":103,"type":["long","null"]},
      {"name":"tuple","field-id":102,"type":{"type":"record","name":"t","fields":[
        {"name":"other","field-id":1001,"type":["null","string"]},
        {"name":"renamed","field-id":1000,"type":["int","null"]}]}},
      {"name":"format","field-id":101,"type":"string"},
      {"name":"order","field-id":140,"type":["null","long"]},
      {"name":"file_size_in_bytes","field-id":777,"type":"double"},
      {"name":"path","field-id":100,"type":"bytes"}]}]},
    {"name":"s","field-id":0,"type":"long"}]})";
  const std::string bytes = OneRecord(schema, [](AvroEncoder* e) {
    e->Long(2);
    e->Long(1);
    e->Bytes("k");
    e->Bytes("v");
    e->Long(0);
    e->Long(1);  // data_file
    e->Long(0);  // sizes, in blocks, unsorted, one key twice, one value null
    e->Long(-2);
    e->Long(9);
    e->Long(1), e->Long(70), e->Bytes("e"), e->Int(7);
    e->Long(1), e->Long(30), e->Bytes(""), e->Int(3);
    e->Long(3);
    e->Long(0), e->Bytes("x"), e->Int(4);
    e->Long(1), e->Long(71), e->Bytes(""), e->Int(7);
    e->Long(1), e->Long(10), e->Bytes(""), e->Int(1);
    e->Long(0);
    e->Int(55);
    e->Long(0), e->Long(44);
    e->Long(1), e->Bytes("other");
    e->Long(0), e->Int(12);
    e->Bytes("Parquet");
    e->Long(1), e->Long(3);
    e->Double(1.5);
    e->Bytes("path");
    e->Long(1);
  });
  const auto entries =
      DecodeAll(bytes, {.partition_spec_id = 4, .sequence_number = 9}, OneFieldSpec("bucket[16]"),
                OneColumnSchema(Type::Primitive(TypeKind::kLong)));
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  const DataFile& file = entries->at(0).file;
  EXPECT_EQ(entries->at(0).status, EntryStatus::kAdded);
  EXPECT_EQ(file.column_sizes, (CountMap{{1, 10}, {3, 30}, {7, 71}}));
  EXPECT_EQ(file.file_size_in_bytes, 55);
  EXPECT_EQ(file.record_count, 44);
  EXPECT_EQ(file.partition, PartitionTuple{Value(int32_t{12})});
  EXPECT_EQ(file.format, FileFormat::kParquet);
  EXPECT_EQ(file.sort_order_id, 3);
  EXPECT_EQ(file.file_path, "path");
  EXPECT_EQ(file.content, FileContent::kData);
}

TEST(OtherWriters, NamesDecideWhereThereAreNoIds) {
  const char* schema = R"({"type":"record","name":"manifest_entry","fields":[
    {"name":"status","type":"int"},
    {"name":"data_file","type":{"type":"record","name":"r2","fields":[
      {"name":"file_path","type":"string"},{"name":"file_format","type":"string"},
      {"name":"partition","type":{"type":"record","name":"r102","fields":[{"name":"p","type":["null","int"]}]}},
      {"name":"record_count","type":"long"},{"name":"file_size_in_bytes","type":"long"}]}}]})";
  const std::string bytes = OneRecord(schema, [](AvroEncoder* e) {
    e->Int(1);
    e->Bytes("path");
    e->Bytes("ORC");
    e->Long(1), e->Int(5);
    e->Long(3);
    e->Long(4);
  });
  const auto entries = DecodeAll(bytes, {}, OneFieldSpec("day"),
                                 OneColumnSchema(Type::Primitive(TypeKind::kTimestamp)));
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_EQ(entries->at(0).file.partition, PartitionTuple{Value(int32_t{5})});
  EXPECT_EQ(entries->at(0).file.record_count, 3);
}

/// A manifest with one partition field of this Avro type.
std::string WithPartition(std::string_view avro_type,
                          const std::function<void(AvroEncoder*)>& write) {
  const std::string schema = fmt::format(
      R"({{"type":"record","name":"manifest_entry","fields":[
    {{"name":"status","field-id":0,"type":"int"}},
    {{"name":"data_file","field-id":2,"type":{{"type":"record","name":"r2","fields":[
      {{"name":"file_path","field-id":100,"type":"string"}},{{"name":"file_format","field-id":101,"type":"string"}},
      {{"name":"partition","field-id":102,"type":{{"type":"record","name":"r102","fields":[
        {{"name":"p","field-id":1000,"type":{}}}]}}}},
      {{"name":"record_count","field-id":103,"type":"long"}},
      {{"name":"file_size_in_bytes","field-id":104,"type":"long"}}]}}}}]}})",
      avro_type);
  return OneRecord(schema, [&](AvroEncoder* e) {
    e->Int(1);
    e->Bytes("path");
    e->Bytes("parquet");
    write(e);
    e->Long(3);
    e->Long(4);
  });
}

struct StoredValue {
  const char* avro_type;
  std::function<void(AvroEncoder*)> write;
  TypePtr column;
  const char* transform;
  std::optional<Value> expected;  // nothing: Corruption
};

TEST(OtherWriters, PartitionValuesComeInManyForms) {
  const auto p = [](TypeKind kind) { return Type::Primitive(kind); };
  const auto int7 = [](AvroEncoder* e) { e->Int(7); };
  const auto big = [](AvroEncoder* e) { e->Long(int64_t{1} << 40); };
  const std::string uuid("\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7", 16);
  const char* date = R"({"type":"int","logicalType":"date"})";
  const StoredValue cases[] = {
      {R"("int")", int7, p(TypeKind::kTimestamp), "day", int32_t{7}},
      {date, int7, p(TypeKind::kTimestamp), "day", int32_t{7}},
      {R"("long")", int7, p(TypeKind::kInt), "identity", int32_t{7}},
      {R"("long")", big, p(TypeKind::kInt), "identity", std::nullopt},
      {R"("int")", int7, p(TypeKind::kLong), "identity", int64_t{7}},
      {R"("int")", int7, p(TypeKind::kTimestamp), "identity", std::nullopt},
      {R"("float")", [](AvroEncoder* e) { e->Float(1.5f); }, p(TypeKind::kDouble), "identity", 1.5},
      {R"("double")", [](AvroEncoder* e) { e->Double(1.5); }, p(TypeKind::kFloat), "identity",
       std::nullopt},
      {R"({"type":"fixed","name":"d","size":3,"logicalType":"decimal","precision":5,"scale":2})",
       [](AvroEncoder* e) { e->Fixed("\xff\xff\xfb"); }, Type::Decimal(9, 2), "identity",
       Int128{-5}},
      {R"({"type":"bytes","logicalType":"decimal","precision":5,"scale":2})",
       [](AvroEncoder* e) { e->Bytes("\x01\x2c"); }, Type::Decimal(9, 2), "identity", Int128{300}},
      {R"({"type":"bytes","logicalType":"decimal","precision":5,"scale":2})",
       [](AvroEncoder* e) { e->Bytes(std::string(17, '\1')); }, Type::Decimal(9, 2), "identity",
       std::nullopt},
      {R"({"type":"fixed","name":"u","size":16})", [&](AvroEncoder* e) { e->Fixed(uuid); },
       p(TypeKind::kUuid), "identity", uuid},
      {R"({"type":"string","logicalType":"uuid"})",
       [](AvroEncoder* e) { e->Bytes("f79c3e09-677c-4bbd-a479-3f349cb785e7"); }, p(TypeKind::kUuid),
       "identity", uuid},
      {R"({"type":"string","logicalType":"uuid"})", [](AvroEncoder* e) { e->Bytes("f79c"); },
       p(TypeKind::kUuid), "identity", std::nullopt},
      {R"({"type":"fixed","name":"u","size":15})",
       [&](AvroEncoder* e) { e->Fixed(uuid.substr(1)); }, p(TypeKind::kUuid), "identity",
       std::nullopt},
      {R"("bytes")", [](AvroEncoder* e) { e->Bytes("abc"); }, p(TypeKind::kString), "identity",
       std::string("abc")},
      {R"({"type":"fixed","name":"f","size":3})", [](AvroEncoder* e) { e->Fixed("abc"); },
       Type::Fixed(3), "identity", std::string("abc")},
      {R"("bytes")", [](AvroEncoder* e) { e->Bytes("abc"); }, Type::Fixed(3), "identity",
       std::string("abc")},
      {R"("null")", [](AvroEncoder*) {}, p(TypeKind::kInt), "void", Value()},
      {R"("string")", [](AvroEncoder* e) { e->Bytes("x"); }, p(TypeKind::kInt), "identity",
       std::nullopt},
      {R"({"type":"array","items":"int"})", [](AvroEncoder* e) { e->Long(0); }, p(TypeKind::kInt),
       "identity", std::nullopt},
  };
  for (const StoredValue& c : cases) {
    const auto entries = DecodeAll(WithPartition(c.avro_type, c.write), {},
                                   OneFieldSpec(c.transform), OneColumnSchema(c.column));
    if (!c.expected) {
      EXPECT_EQ(entries.status().code(), Code::kCorruption) << c.avro_type << c.column->ToString();
      continue;
    }
    ASSERT_TRUE(entries.ok()) << c.avro_type << entries.status().ToString();
    EXPECT_TRUE(SameTuple(entries->at(0).file.partition, {*c.expected})) << c.avro_type;
  }
}

TEST(OtherWriters, ValuesOfADroppedColumnOrUnknownTransformTakeTheFilesType) {
  const Schema schema(0, {{.id = 5, .name = "left", .type = Type::Primitive(TypeKind::kInt)}});
  const StoredValue cases[] = {
      {R"("int")", [](AvroEncoder* e) { e->Int(7); }, nullptr, "identity", int64_t{7}},
      {R"("float")", [](AvroEncoder* e) { e->Float(1.25F); }, nullptr, "identity", 1.25},
      // Whatever the column's type is: nobody here knows the transform's.
      {R"("int")", [](AvroEncoder* e) { e->Int(7); }, nullptr, "zorder[4]", int64_t{7}},
      {R"("string")", [](AvroEncoder* e) { e->Bytes("a"); }, nullptr, "zorder", std::string("a")},
      {R"("bytes")", [](AvroEncoder* e) { e->Bytes("\xff"); }, nullptr, "zorder",
       std::string("\xff")},
      {R"("long")", [](AvroEncoder* e) { e->Long(7); }, nullptr, "identity", int64_t{7}},
      {R"("string")", [](AvroEncoder* e) { e->Bytes("a"); }, nullptr, "identity", std::string("a")},
      {R"("boolean")", [](AvroEncoder* e) { e->Bool(true); }, nullptr, "identity", true},
      {R"({"type":"fixed","name":"d","size":2,"logicalType":"decimal","precision":4,"scale":2})",
       [](AvroEncoder* e) { e->Fixed("\x01\x02"); }, nullptr, "identity", Int128{258}},
  };
  for (const StoredValue& c : cases) {
    const auto spec = std::make_shared<PartitionSpec>(OneFieldSpec(c.transform));
    const auto entries = DecodeAll(WithPartition(c.avro_type, c.write), {}, *spec, schema);
    ASSERT_TRUE(entries.ok()) << c.avro_type << entries.status().ToString();
    EXPECT_TRUE(SameTuple(entries->at(0).file.partition, {*c.expected})) << c.avro_type;
    // And they can be written again, also after files that have none.
    ManifestWriter writer(std::make_shared<Schema>(schema), spec, {.snapshot_id = 7});
    ManifestEntry empty = entries->at(0);
    empty.file.partition[0] = Value();
    ASSERT_TRUE(writer.Add(empty).ok());
    ASSERT_TRUE(writer.Add(entries->at(0)).ok());
    ManifestEntry other = entries->at(0);
    other.file.partition[0] = 1.5F;
    EXPECT_EQ(writer.Add(other).code(), Code::kInvalidArgument);
    const auto [bytes, line] = writer.FinishToBytes().value();
    const auto again = DecodeAll(bytes, line, *spec, schema);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    EXPECT_TRUE(IsNull(again->at(0).file.partition[0]));
    EXPECT_TRUE(SameTuple(again->at(1).file.partition, {*c.expected}));
  }
}

TEST(OtherWriters, ADroppedColumnsPartitionsFromBeforeAndAfterItsPromotionAreTheSame) {
  const auto spec = std::make_shared<PartitionSpec>(OneFieldSpec("identity"));
  const auto schema = std::make_shared<Schema>(
      0, std::vector<Field>{{.id = 5, .name = "left", .type = Type::Primitive(TypeKind::kInt)}});
  const std::pair<std::string, std::string> cases[] = {
      {WithPartition(R"("int")", [](AvroEncoder* e) { e->Int(7); }),
       WithPartition(R"("long")", [](AvroEncoder* e) { e->Long(7); })},
      {WithPartition(R"("float")", [](AvroEncoder* e) { e->Float(7); }),
       WithPartition(R"("double")", [](AvroEncoder* e) { e->Double(7); })},
  };
  for (const auto& [before, after] : cases) {
    const ManifestEntry old = DecodeAll(before, {}, *spec, *schema).value().at(0);
    const ManifestEntry young = DecodeAll(after, {}, *spec, *schema).value().at(0);
    EXPECT_TRUE(SameTuple(old.file.partition, young.file.partition));
    ManifestWriter merged(schema, spec, {.snapshot_id = 7});
    EXPECT_TRUE(merged.Add(old).ok());
    EXPECT_TRUE(merged.Add(young).ok());
    EXPECT_TRUE(merged.FinishToBytes().ok());
  }
}

TEST(OtherWriters, FieldsThatMustBeThereAreNamed) {
  for (const char* missing :
       {"status", "data_file", "file_path", "file_format", "record_count", "file_size_in_bytes"}) {
    std::string schema = R"({"type":"record","name":"m","fields":[{"name":"status","type":"int"},
      {"name":"data_file","type":{"type":"record","name":"d","fields":[
        {"name":"file_path","type":"string"},{"name":"file_format","type":"string"},
        {"name":"record_count","type":"long"},{"name":"file_size_in_bytes","type":"long"}]}}]})";
    const std::string name = fmt::format("\"{}\"", missing);
    schema.replace(schema.find(name), name.size(), "\"gone\"");
    const auto entries =
        DecodeAll(OneRecord(schema, [](AvroEncoder* e) { e->Long(0); }), {}, {}, Schema(0, {}));
    EXPECT_EQ(entries.status().code(), Code::kCorruption);
    EXPECT_NE(entries.status().message().find(missing), std::string::npos)
        << entries.status().ToString();
  }
}

TEST(ManifestList, OldNamesAndLeanLinesAreRead) {
  const char* schema = R"({"type":"record","name":"manifest_file","fields":[
    {"name":"manifest_path","field-id":500,"type":"string"},
    {"name":"manifest_length","field-id":501,"type":"long"},
    {"name":"partition_spec_id","field-id":502,"type":"int"},
    {"name":"added_snapshot_id","field-id":503,"type":["null","long"]},
    {"name":"added_data_files_count","field-id":504,"type":["null","int"]},
    {"name":"new","field-id":5000,"type":["null",{"type":"array","items":"string"}]},
    {"name":"deleted_data_files_count","field-id":506,"type":"int"}]})";
  const std::string bytes = OneRecord(schema, [](AvroEncoder* e) {
    e->Bytes("path");
    e->Long(100);
    e->Int(2);
    e->Long(1), e->Long(7);
    e->Long(1), e->Int(3);
    e->Long(1), e->Long(1), e->Bytes("x"), e->Long(0);
    e->Int(4);
  });
  const auto lines = DecodeManifestList(bytes, "list");
  ASSERT_TRUE(lines.ok()) << lines.status().ToString();
  const ManifestFile expected{.manifest_path = "path",
                              .manifest_length = 100,
                              .partition_spec_id = 2,
                              .added_snapshot_id = 7,
                              .added_files_count = 3,
                              .deleted_files_count = 4};
  EXPECT_EQ(lines->at(0), expected);
  EXPECT_TRUE(lines->at(0).has_existing());
}

}  // namespace
}  // namespace moraine::iceberg
