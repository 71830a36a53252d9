// Manifests and manifest lists that PyIceberg wrote, decoded and compared with what PyIceberg reads
// in them (tests/golden/manifest).

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/testing/manifest_dump.h"

namespace moraine::iceberg {
namespace {

std::string Load(const std::string& name) {
  std::ifstream in(MORAINE_TEST_DATA_DIR "/golden/manifest/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void ExpectSame(const std::vector<Json>& dumps, const std::string& expected_name) {
  const auto expected = Json::Parse(Load(expected_name));
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  ASSERT_EQ(dumps.size(), expected->as_array().size());
  for (size_t i = 0; i < dumps.size(); ++i) {
    const Json& want = expected->as_array()[i];
    EXPECT_TRUE(dumps[i] == want) << dumps[i].ToString() << "\nexpected\n" << want.ToString();
  }
}

class GoldenManifest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(PyIceberg, GoldenManifest,
                         ::testing::Values("v1_partitioned_gzip", "v1_plain_gzip",
                                           "v2_partitioned_gzip", "v2_partitioned_null",
                                           "v2_partitioned_snappy", "v2_partitioned_zstd",
                                           "v2_plain_gzip"),
                         [](const auto& info) { return info.param; });

TEST_P(GoldenManifest, ReadsWhatPyIcebergReads) {
  const std::string bytes = Load(GetParam() + ".avro");
  const auto header = ReadManifestHeader(bytes);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  ManifestFile line{.manifest_length = static_cast<int64_t>(bytes.size()),
                    .partition_spec_id = header->spec->spec_id,
                    .sequence_number = header->format_version == 1 ? 0 : 9,
                    .added_snapshot_id = 7};
  const std::vector<TypePtr> types = PartitionTypes(*header->spec, *header->schema);
  std::vector<Json> dumps;
  const Status status = DecodeManifest(bytes, GetParam(), line, *header->spec, *header->schema,
                                       {.deleted_entries = true}, [&](ManifestEntry& entry) {
                                         dumps.push_back(DumpEntry(entry, types));
                                         return Status::Ok();
                                       });
  ASSERT_TRUE(status.ok()) << status.ToString();
  ExpectSame(dumps, GetParam() + ".json");
}

TEST(GoldenManifestList, ReadsWhatPyIcebergReads) {
  for (const std::string name : {"list_v1", "list_v2"}) {
    const auto lines = DecodeManifestList(Load(name + ".avro"), name);
    ASSERT_TRUE(lines.ok()) << lines.status().ToString();
    std::vector<Json> dumps;
    for (const ManifestFile& line : *lines) dumps.push_back(DumpLine(line));
    ExpectSame(dumps, name + ".json");
  }
}

}  // namespace
}  // namespace moraine::iceberg
