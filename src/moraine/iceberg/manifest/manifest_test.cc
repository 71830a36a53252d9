// Manifests and manifest lists written by ours and read back, for every version, type and null
// case.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/manifest_samples.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

std::vector<ManifestEntry> DecodeAll(std::string_view bytes, const ManifestFile& line,
                                     const PartitionSpec& spec, const Schema& schema,
                                     ManifestReadOptions options = {.deleted_entries = true}) {
  std::vector<ManifestEntry> entries;
  const Status status =
      DecodeManifest(bytes, "m.avro", line, spec, schema, options, [&](ManifestEntry& entry) {
        entries.push_back(entry);
        return Status::Ok();
      });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return entries;
}

class EveryVersion : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Manifest, EveryVersion, ::testing::Values(1, 2, 3));

TEST_P(EveryVersion, KeepsEveryPartitionTypeAndNull) {
  const int version = GetParam();
  const ManifestSample sample = AllTypesSample();
  for (AvroCodec codec :
       {AvroCodec::kNull, AvroCodec::kDeflate, AvroCodec::kZstd, AvroCodec::kSnappy}) {
    ManifestWriter writer(sample.schema, sample.spec,
                          {.format_version = version, .codec = codec, .snapshot_id = 7});
    for (const ManifestEntry& entry : sample.entries) ASSERT_TRUE(writer.Add(entry).ok());
    EXPECT_EQ(writer.entry_count(), static_cast<int64_t>(sample.entries.size()));
    auto finished = writer.FinishToBytes();
    ASSERT_TRUE(finished.ok()) << finished.status().ToString();
    auto [bytes, line] = *finished;
    EXPECT_EQ(line.manifest_length, static_cast<int64_t>(bytes.size()));
    line.sequence_number = version == 1 ? 0 : 9;
    const auto entries = DecodeAll(bytes, line, *sample.spec, *sample.schema);
    ASSERT_EQ(entries.size(), sample.entries.size());
    for (size_t i = 0; i < entries.size(); ++i) {
      ManifestEntry expected = ExpectedAfterRead(sample.entries[i], version, line);
      EXPECT_EQ(entries[i], expected) << "entry " << i << " version " << version;
    }
  }
}

TEST_P(EveryVersion, ManifestListKeepsItsLines) {
  const int version = GetParam();
  std::vector<ManifestFile> lines = SampleLines(version);
  ManifestListOptions options{.format_version = version, .snapshot_id = 7, .sequence_number = 9};
  if (version == 3) options.first_row_id = 1000;
  auto encoded = EncodeManifestList(lines, options);
  ASSERT_TRUE(encoded.ok()) << encoded.status().ToString();
  auto decoded = DecodeManifestList(encoded->first, "list.avro");
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  int64_t next_row_id = 1000;
  for (ManifestFile& line : lines) {
    if (version == 1) {
      line.sequence_number = line.min_sequence_number = 0;
      continue;
    }
    if (line.sequence_number < 0) line.sequence_number = 9;
    if (line.min_sequence_number < 0) line.min_sequence_number = 9;
    if (version < 3 || line.content == ManifestContent::kDeletes || line.first_row_id) continue;
    line.first_row_id = next_row_id;
    next_row_id += *line.added_rows_count + *line.existing_rows_count;
  }
  EXPECT_EQ(*decoded, lines);
  EXPECT_EQ(encoded->second.next_row_id,
            version == 3 ? std::optional<int64_t>(next_row_id) : std::nullopt);
  EXPECT_EQ(encoded->second.length, static_cast<int64_t>(encoded->first.size()));
}

TEST(Manifest, DeleteFilesKeepTheirFields) {
  const ManifestSample sample = DeletesSample();
  ManifestWriter writer(
      sample.schema, sample.spec,
      {.format_version = 3, .content = ManifestContent::kDeletes, .snapshot_id = 7});
  for (const ManifestEntry& entry : sample.entries) {
    const Status status = writer.Add(entry);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  auto finished = writer.FinishToBytes();
  ASSERT_TRUE(finished.ok());
  auto [bytes, line] = *finished;
  line.sequence_number = 9;
  const auto entries = DecodeAll(bytes, line, *sample.spec, *sample.schema);
  ASSERT_EQ(entries.size(), sample.entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i], ExpectedAfterRead(sample.entries[i], 3, line)) << i;
  }
}

TEST(Manifest, FilesAreWrittenOnceAndReadBack) {
  testing::TestEnv env;
  Call call = env.call();
  io::MemoryFileSystem files;
  const ManifestSample sample = PlainSample(10, 0);
  ManifestWriter writer(sample.schema, sample.spec, {.snapshot_id = 7});
  for (const ManifestEntry& entry : sample.entries) ASSERT_TRUE(writer.Add(entry).ok());
  auto line = writer.Finish(call, files, "/memory/m.avro");
  ASSERT_TRUE(line.ok()) << line.status().ToString();
  const ManifestListOptions options{.snapshot_id = 7, .sequence_number = 9};
  const auto written = WriteManifestList(call, files, "/memory/list.avro", {*line}, options);
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->length, files.Stat(call, "/memory/list.avro")->size_bytes);
  EXPECT_EQ(WriteManifestList(call, files, "/memory/list.avro", {*line}, options).status().code(),
            Code::kAlreadyExists);
  auto lines = ReadManifestList(call, files, "/memory/list.avro");
  ASSERT_TRUE(lines.ok()) << lines.status().ToString();
  ASSERT_EQ(lines->size(), 1u);
  ManifestFile& read = lines->front();
  EXPECT_EQ(read.manifest_path, "/memory/m.avro");
  EXPECT_EQ(read.sequence_number, 9);
  EXPECT_EQ(read.min_sequence_number, 9);
  int count = 0;
  const auto visit = [&](ManifestEntry& entry) {
    EXPECT_EQ(entry.sequence_number, 9);
    ++count;
    return Status::Ok();
  };
  const auto read_all = [&](const ManifestReadOptions& how) {
    return ReadManifest(call, files, read, *sample.spec, *sample.schema, how, visit);
  };
  EXPECT_EQ(read_all({}), Status::Ok());
  EXPECT_EQ(count, 10);
  EXPECT_EQ(read_all({.max_bytes = 100}).code(), Code::kExhausted);
  // The list says more than there is: no memory for it.
  read.manifest_length = int64_t{1} << 29;
  EXPECT_EQ(read_all({}).code(), Code::kCorruption);
  read.manifest_path = "/memory/none.avro";
  EXPECT_EQ(read_all({}).code(), Code::kNotFound);
}

TEST(CappedSum, StopsAtTheEnds) {
  EXPECT_EQ(AddCapped(2, 3), 5);
  EXPECT_EQ(AddCapped(INT64_MAX, 1), INT64_MAX);
  EXPECT_EQ(AddCapped(-INT64_MAX, -1), -INT64_MAX);
  EXPECT_EQ(AddCapped(INT64_MIN, -1), -INT64_MAX);
  EXPECT_EQ(MultiplyCapped(-3, 4), -12);
  EXPECT_EQ(MultiplyCapped(INT64_MAX, 2), INT64_MAX);
  EXPECT_EQ(MultiplyCapped(INT64_MIN, -1), INT64_MAX);
  EXPECT_EQ(MultiplyCapped(INT64_MAX, -2), -INT64_MAX);
}

}  // namespace
}  // namespace moraine::iceberg
