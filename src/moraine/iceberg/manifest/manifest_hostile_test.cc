// Manifests that are cut, flipped, random or made to do harm: always a clear error, never a crash,
// and never memory beyond what the bytes are worth.

#include <functional>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/manifest_fuzz.h"
#include "moraine/iceberg/testing/manifest_samples.h"

namespace moraine::iceberg {
namespace {

struct Written {
  ManifestSample sample;
  std::string bytes;
  ManifestFile line;
};

Written WriteSample(AvroCodec codec) {
  Written written{.sample = AllTypesSample(), .bytes = {}, .line = {}};
  ManifestWriter writer(written.sample.schema, written.sample.spec,
                        {.codec = codec, .snapshot_id = 7});
  for (const ManifestEntry& entry : written.sample.entries) EXPECT_TRUE(writer.Add(entry).ok());
  std::tie(written.bytes, written.line) = writer.FinishToBytes().value();
  written.line.sequence_number = 9;
  return written;
}

std::string SampleList() {
  return EncodeManifestList(SampleLines(2),
                            {.codec = AvroCodec::kNull, .snapshot_id = 7, .sequence_number = 9})
      .value()
      .first;
}

/// 0 under the address sanitizer, which keeps what was freed.
int64_t PeakKilobytes() {
#if defined(__SANITIZE_ADDRESS__)
  return 0;
#endif
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(HostileManifest, EveryTruncationIsCorruption) {
  const Written written = WriteSample(AvroCodec::kDeflate);
  for (size_t length = 0; length < written.bytes.size(); ++length) {
    const std::string_view cut = std::string_view(written.bytes).substr(0, length);
    const Status known = DecodeManifest(cut, "m", written.line, *written.sample.spec,
                                        *written.sample.schema, {}, [](ManifestEntry&) {
                                          ADD_FAILURE() << "an entry of a cut file";
                                          return Status::Ok();
                                        });
    ASSERT_EQ(known.code(), Code::kCorruption) << length;
  }
}

TEST(HostileManifest, EveryTruncationOfUnknownLengthIsCorruption) {
  const Written written = WriteSample(AvroCodec::kNull);
  // Cut before its only block a file is whole: Avro has no end mark, so only the length could tell.
  int whole = 0;
  for (size_t length = 0; length < written.bytes.size(); length += length < 8000 ? 17 : 1) {
    const Status status = FuzzManifest(std::string_view(written.bytes).substr(0, length));
    if (status.ok()) ++whole;
    ASSERT_TRUE(status.ok() || status.code() == Code::kCorruption) << status.ToString();
  }
  EXPECT_LE(whole, 1);
}

TEST(HostileManifestList, EveryTruncationIsCorruptionOrEmpty) {
  const std::string bytes = SampleList();
  int whole = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto lines = DecodeManifestList(std::string_view(bytes).substr(0, length), "list");
    if (lines.ok()) {
      ++whole;
      EXPECT_TRUE(lines->empty());
    } else {
      ASSERT_EQ(lines.status().code(), Code::kCorruption) << lines.status().ToString();
    }
  }
  EXPECT_EQ(whole, 1);
}

TEST(HostileManifest, MutationsNeverCrashNorTakeMemory) {
  const int64_t before = PeakKilobytes();
  const std::string sources[] = {
      WriteSample(AvroCodec::kNull).bytes, WriteSample(AvroCodec::kDeflate).bytes,
      WriteSample(AvroCodec::kZstd).bytes, WriteSample(AvroCodec::kSnappy).bytes};
  std::mt19937_64 random(7);
  for (int round = 0; round < 2500; ++round) {
    std::string bytes = sources[round % 4];
    // Half of the flips hit the records, which are the smaller part.
    const size_t from = round % 8 < 4 ? bytes.size() * 3 / 4 : 0;
    for (uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
      char& byte = bytes[from + random() % (bytes.size() - from)];
      byte = random() % 2 == 0 ? static_cast<char>(byte ^ (1 << random() % 8))
                               : static_cast<char>(random());
    }
    (void)FuzzManifest(bytes);
  }
  EXPECT_LT(PeakKilobytes() - before, 200 << 10);
}

TEST(HostileManifestList, MutationsNeverCrashNorTakeMemory) {
  const int64_t before = PeakKilobytes();
  const std::string source = SampleList();
  std::mt19937_64 random(8);
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = source;
    const size_t from = round % 2 == 0 ? bytes.size() / 2 : 0;
    for (uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[from + random() % (bytes.size() - from)] = static_cast<char>(random());
    }
    (void)FuzzManifestList(bytes);
  }
  EXPECT_LT(PeakKilobytes() - before, 200 << 10);
}

TEST(HostileManifest, RandomBytesAreCorruption) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (round % 2 == 0 && bytes.size() > 4) bytes.replace(0, 4, "Obj\x01");
    EXPECT_EQ(FuzzManifest(bytes).code(), Code::kCorruption);
    EXPECT_EQ(FuzzManifestList(bytes).code(), Code::kCorruption);
  }
}

/// A manifest with one block of these records, of this schema.
std::string Crafted(std::string_view schema, std::string_view record, AvroCodec codec) {
  AvroFileWriter file(codec);
  file.record().Fixed(record);
  EXPECT_TRUE(file.EndRecord().ok());
  return file.Finish(schema, {}).value();
}

constexpr std::string_view kLeanSchema =
    R"({"type":"record","name":"manifest_entry","fields":[
      {"name":"status","type":"int","field-id":0},
      {"name":"data_file","field-id":2,"type":{"type":"record","name":"r2","fields":[
        {"name":"file_path","type":"string","field-id":100},
        {"name":"file_format","type":"string","field-id":101},
        {"name":"record_count","type":"long","field-id":103},
        {"name":"file_size_in_bytes","type":"long","field-id":104},
        {"name":"value_counts","field-id":109,"type":{"type":"array","logicalType":"map","items":
          {"type":"record","name":"k119_v120","fields":[
            {"name":"key","type":"int","field-id":119},{"name":"value","type":"long","field-id":120}]}}},
        {"name":"lower_bounds","field-id":125,"type":{"type":"array","logicalType":"map","items":
          {"type":"record","name":"k126_v127","fields":[
            {"name":"key","type":"int","field-id":126},{"name":"value","type":"bytes","field-id":127}]}}},
        {"name":"split_offsets","field-id":132,"type":{"type":"array","items":"long","element-id":133}}
      ]}}]})";

struct Hostile {
  const char* what;
  std::function<void(AvroEncoder*)> tail;  // from value_counts on
};

TEST(HostileManifest, LengthsThatLieAreCorruption) {
  const std::vector<Hostile> cases = {
      {"a map count without items", [](AvroEncoder* e) { e->Long(int64_t{1} << 40); }},
      {"the greatest count", [](AvroEncoder* e) { e->Long(INT64_MAX); }},
      {"the least count",
       [](AvroEncoder* e) {
         e->Long(INT64_MIN);
         e->Long(5);
       }},
      {"a negative block size",
       [](AvroEncoder* e) {
         e->Long(-1);
         e->Long(-5);
       }},
      {"a bound longer than the file",
       [](AvroEncoder* e) {
         e->Long(0);
         e->Long(1);
         e->Int(1);
         e->Long(INT64_MAX);
       }},
      {"a bound of negative length",
       [](AvroEncoder* e) {
         e->Long(0);
         e->Long(1);
         e->Int(1);
         e->Long(-7);
       }},
      {"a key that is no int",
       [](AvroEncoder* e) {
         e->Long(1);
         e->Long(int64_t{1} << 40);
         e->Long(1);
       }},
      {"offsets without end",
       [](AvroEncoder* e) {
         e->Long(0);
         e->Long(0);
         e->Long(1 << 30);
       }},
      {"bytes left over",
       [](AvroEncoder* e) {
         e->Long(0);
         e->Long(0);
         e->Long(0);
         e->Long(0);
       }},
      {"nothing", [](AvroEncoder*) {}},
  };
  for (const Hostile& hostile : cases) {
    for (AvroCodec codec : {AvroCodec::kNull, AvroCodec::kDeflate}) {
      std::string record;
      AvroEncoder encoder(&record);
      encoder.Int(1);
      encoder.Bytes("p");
      encoder.Bytes("parquet");
      encoder.Long(10);
      encoder.Long(20);
      hostile.tail(&encoder);
      EXPECT_EQ(FuzzManifest(Crafted(kLeanSchema, record, codec)).code(), Code::kCorruption)
          << hostile.what;
    }
  }
}

TEST(HostileManifest, BlocksThatUnpackToMuchAreRefused) {
  // 20 MiB of zeros in some 20 KiB: more than max_bytes.
  std::string record(20 << 20, '\0');
  for (AvroCodec codec : {AvroCodec::kDeflate, AvroCodec::kZstd, AvroCodec::kSnappy}) {
    const std::string bytes = Crafted(kLeanSchema, record, codec);
    EXPECT_EQ(FuzzManifest(bytes).code(), Code::kExhausted);
  }
}

TEST(HostileManifestList, ShortFilesDoNotBecomeLongLists) {
  const char* schema = R"({"type":"record","name":"manifest_file","fields":[
    {"name":"manifest_path","field-id":500,"type":"string"},
    {"name":"manifest_length","field-id":501,"type":"long"},
    {"name":"partition_spec_id","field-id":502,"type":"int"},
    {"name":"partitions","field-id":507,"type":{"type":"array","items":
      {"type":"record","name":"r508","fields":[
        {"name":"contains_null","field-id":509,"type":"boolean"}]}}}]})";
  const auto list = [&](int lines, int summaries) {
    AvroFileWriter file(AvroCodec::kDeflate);
    for (int i = 0; i < lines; ++i) {
      AvroEncoder e = file.record();
      e.Bytes("");
      e.Long(0);
      e.Int(0);
      if (summaries > 0) e.Long(summaries);
      for (int j = 0; j < summaries; ++j) e.Bool(false);
      e.Long(0);
      EXPECT_TRUE(file.EndRecord().ok());
    }
    return file.Finish(schema, {}).value();
  };
  EXPECT_TRUE(DecodeManifestList(list(100, 1000), "list").ok());
  EXPECT_EQ(DecodeManifestList(list(1, 100'000), "list").status().code(), Code::kCorruption);
  const int64_t before = PeakKilobytes();
  const std::string many = list(3000, 4000);  // some 1 GB of summaries in 90 KB
  EXPECT_LT(many.size(), 200u << 10);
  EXPECT_EQ(DecodeManifestList(many, "list").status().code(), Code::kExhausted);
  EXPECT_EQ(DecodeManifestList(list(500'000, 0), "list").status().code(), Code::kExhausted);
  EXPECT_LT(PeakKilobytes() - before, 300 << 10);
}

TEST(HostileManifest, ShortFilesDoNotBecomeManyEntries) {
  AvroFileWriter file(AvroCodec::kDeflate);
  const int offsets = 50'000;
  for (int i = 0; i < 400; ++i) {
    AvroEncoder e = file.record();
    e.Int(1);
    e.Bytes("");
    e.Bytes("avro");
    for (int j = 0; j < 4; ++j) e.Long(0);
    e.Long(offsets);
    for (int j = 0; j < offsets; ++j) e.Long(0);
    e.Long(0);
    ASSERT_TRUE(file.EndRecord().ok());
  }
  const std::string bytes = file.Finish(kLeanSchema, {}).value();
  EXPECT_LT(bytes.size(), 64u << 10);
  EXPECT_EQ(DecodeManifest(bytes, "m", {}, PartitionSpec(), Schema(0, {}), {},
                           [](ManifestEntry&) { return Status::Ok(); })
                .code(),
            Code::kExhausted);
}

TEST(HostileManifest, SizesBeyondAllFilesAreCorruption) {
  const int64_t most = int64_t{1} << 50;
  for (const auto& [rows, size, code] :
       std::vector<std::tuple<int64_t, int64_t, Code>>{{most, most, Code::kOk},
                                                       {most + 1, 1, Code::kCorruption},
                                                       {1, most + 1, Code::kCorruption},
                                                       {INT64_MAX, 1, Code::kCorruption},
                                                       {-1, 1, Code::kCorruption}}) {
    std::string record;
    AvroEncoder encoder(&record);
    encoder.Int(1);
    encoder.Bytes("p");
    encoder.Bytes("parquet");
    encoder.Long(rows);
    encoder.Long(size);
    for (int i = 0; i < 3; ++i) encoder.Long(0);
    EXPECT_EQ(FuzzManifest(Crafted(kLeanSchema, record, AvroCodec::kNull)).code(), code);
  }
}

TEST(HostileManifest, SchemasThatGrowWithoutEndAreHandled) {
  // Each record holds the one before twice: 2^60 values of no bytes at all.
  std::string fields = R"({"name":"f0","type":{"type":"record","name":"a0","fields":[]}})";
  for (int i = 1; i <= 60; ++i) {
    fields += fmt::format(R"(,{{"name":"f{0}","type":{{"type":"record","name":"a{0}","fields":[)"
                          R"({{"name":"x","type":"a{1}"}},{{"name":"y","type":"a{1}"}}]}}}})",
                          i, i - 1);
  }
  const std::string schema =
      fmt::format("{},{}]}}", kLeanSchema.substr(0, kLeanSchema.size() - 2), fields);
  std::string record;
  AvroEncoder encoder(&record);
  encoder.Int(1);
  encoder.Bytes("p");
  encoder.Bytes("parquet");
  for (int i = 0; i < 5; ++i) encoder.Long(0);
  EXPECT_EQ(FuzzManifest(Crafted(schema, record, AvroCodec::kNull)).ToString(), "OK");
  // The same with a byte at the bottom: the data ends long before the walk does.
  const size_t bottom = schema.find("\"fields\":[]");
  std::string deep = schema;
  deep.replace(bottom, 11, R"("fields":[{"name":"b","type":"boolean"}])");
  EXPECT_EQ(FuzzManifest(Crafted(deep, record, AvroCodec::kNull)).code(), Code::kCorruption);
}

}  // namespace
}  // namespace moraine::iceberg
