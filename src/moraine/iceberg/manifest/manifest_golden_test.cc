// Manifests and manifest lists that PyIceberg wrote, decoded and compared with what PyIceberg reads
// in them (tests/golden/manifest).

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/manifest_dump.h"

namespace moraine::iceberg {
namespace {

const std::string kPyIceberg = MORAINE_TEST_DATA_DIR "/golden/manifest/";
const std::string kJava = MORAINE_TEST_DATA_DIR "/golden/manifest_java/";

std::string Load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The dump must have all members of the expectation; the other implementation may know less.
bool Covers(const Json& dump, const Json& expected) {
  for (const auto& [key, value] : expected.as_object()) {
    const Json* found = dump.Find(key);
    if (found == nullptr || *found != value) return false;
  }
  return true;
}

void ExpectSame(const std::vector<Json>& dumps, const std::string& expected_path) {
  const auto expected = Json::Parse(Load(expected_path));
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  ASSERT_EQ(dumps.size(), expected->as_array().size()) << expected_path;
  for (size_t i = 0; i < dumps.size(); ++i) {
    const Json& want = expected->as_array()[i];
    EXPECT_TRUE(Covers(dumps[i], want)) << dumps[i].ToString() << "\nexpected\n" << want.ToString();
  }
}

struct Decoded {
  ManifestHeader header;
  std::vector<ManifestEntry> entries;
};

/// Reads the manifest with this line of the list (what a reader of the table has).
Decoded DecodeFile(const std::string& path, ManifestFile line) {
  const std::string bytes = Load(path);
  auto header = ReadManifestHeader(bytes);
  EXPECT_TRUE(header.ok()) << header.status().ToString();
  Decoded decoded{.header = *header, .entries = {}};
  line.manifest_length = static_cast<int64_t>(bytes.size());
  line.partition_spec_id = header->spec->spec_id;
  const Status status = DecodeManifest(bytes, path, line, *header->spec, *header->schema,
                                       {.deleted_entries = true}, [&](ManifestEntry& entry) {
                                         decoded.entries.push_back(entry);
                                         return Status::Ok();
                                       });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return decoded;
}

std::vector<Json> DumpAll(const Decoded& decoded) {
  const auto types = PartitionTypes(*decoded.header.spec, *decoded.header.schema);
  std::vector<Json> dumps;
  for (const ManifestEntry& entry : decoded.entries) dumps.push_back(DumpEntry(entry, types));
  return dumps;
}

void ExpectList(const std::string& folder, const std::string& name) {
  const auto lines = DecodeManifestList(Load(folder + name + ".avro"), name);
  ASSERT_TRUE(lines.ok()) << lines.status().ToString();
  std::vector<Json> dumps;
  for (const ManifestFile& line : *lines) dumps.push_back(DumpLine(line));
  ExpectSame(dumps, folder + name + ".json");
}

class PyIcebergManifest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, PyIcebergManifest,
                         ::testing::Values("v1_partitioned_gzip", "v1_plain_gzip",
                                           "v2_partitioned_gzip", "v2_partitioned_null",
                                           "v2_partitioned_snappy", "v2_partitioned_zstd",
                                           "v2_plain_gzip"),
                         [](const auto& info) { return info.param; });

TEST_P(PyIcebergManifest, ReadsAsItsWriterDoes) {
  const int64_t sequence_number = GetParam().starts_with("v1") ? 0 : 9;
  const Decoded decoded = DecodeFile(kPyIceberg + GetParam() + ".avro",
                                     {.sequence_number = sequence_number, .added_snapshot_id = 7});
  ExpectSame(DumpAll(decoded), kPyIceberg + GetParam() + ".json");
}

TEST(PyIcebergManifestList, ReadsAsItsWriterDoes) {
  ExpectList(kPyIceberg, "list_v1");
  ExpectList(kPyIceberg, "list_v2");
}

TEST(JavaManifest, ReadsAsItsWriterDoes) {
  for (int version = 1; version <= 3; ++version) {
    const std::string list = fmt::format("list_v{}", version);
    ExpectList(kJava, list);
    const auto lines = DecodeManifestList(Load(kJava + list + ".avro"), list);
    ASSERT_TRUE(lines.ok());
    for (const ManifestFile& line : *lines) {
      const std::string name = line.manifest_path.substr(line.manifest_path.rfind('/') + 1);
      const Decoded decoded = DecodeFile(kJava + name, line);
      ExpectSame(DumpAll(decoded), kJava + name.substr(0, name.size() - 5) + ".json");
    }
  }
}

TEST(JavaManifest, FixedValuesWithALengthInFrontAreRead) {
  const Decoded decoded =
      DecodeFile(kJava + "v2_fixed.avro", {.sequence_number = 9, .added_snapshot_id = 7});
  ExpectSame(DumpAll(decoded), kJava + "v2_fixed.json");
}

/// An Avro schema without what only people read, names of fixed types numbered away.
Json Bare(const Json& json) {
  if (json.is_array()) {
    Json array = Json::MakeArray();
    for (const Json& item : json.as_array()) array.Push(Bare(item));
    return array;
  }
  if (!json.is_object()) return json;
  Json object = Json::MakeObject();
  const Json* type = json.Find("type");
  const bool is_fixed = type != nullptr && *type == Json("fixed");
  for (const auto& [key, value] : json.as_object()) {
    if (key != "doc" && !(is_fixed && key == "name")) object.Set(key, Bare(value));
  }
  return object;
}

/// Ours spells a second use of a named type out, for readers that know no references.
void SpellOut(Json* json, std::map<std::string, Json>* named) {
  if (json->is_array()) {
    for (Json& item : json->as_array()) SpellOut(&item, named);
  } else if (json->is_object()) {
    const Json* type = json->Find("type");
    if (type != nullptr && *type == Json("fixed")) {
      named->emplace(json->Find("name")->as_string(), *json);
    }
    for (auto& [key, value] : json->as_object()) {
      if (key != "name") SpellOut(&value, named);
    }
  } else if (json->is_string()) {
    const auto found = named->find(json->as_string());
    if (found != named->end()) *json = found->second;
  }
}

void ExpectSameHeader(const std::string& ours, const std::string& java) {
  const auto our_file = AvroFileReader::Open(ours);
  const auto java_file = AvroFileReader::Open(java);
  ASSERT_TRUE(our_file.ok() && java_file.ok());
  Json expected = Json::Parse(java_file->schema_text()).value();
  std::map<std::string, Json> named;
  SpellOut(&expected, &named);
  const Json got = Json::Parse(our_file->schema_text()).value();
  EXPECT_TRUE(Bare(got) == Bare(expected)) << Bare(got).ToPrettyString() << "\nexpected\n"
                                           << Bare(expected).ToPrettyString();
  for (const auto& [key, value] : java_file->metadata()) {
    const auto found = our_file->FindMetadata(key);
    ASSERT_TRUE(found.has_value()) << key;
    if (key == "avro.schema" || key == "iceberg.schema") continue;
    const auto want = Json::Parse(value);
    if (want.ok()) {
      EXPECT_TRUE(Json::Parse(*found).value() == *want) << key << ": " << *found << "\n" << value;
    } else {
      EXPECT_EQ(*found, value) << key;
    }
  }
}

TEST(JavaManifest, OursHasTheSameSchemaAndHeader) {
  for (const std::string name : {"v1_data", "v2_data", "v2_deletes", "v3_data", "v3_deletes"}) {
    const Decoded decoded = DecodeFile(
        kJava + name + ".avro",
        {.content = name.ends_with("data") ? ManifestContent::kData : ManifestContent::kDeletes,
         .sequence_number = name.starts_with("v1") ? 0 : 9,
         .added_snapshot_id = 7});
    ManifestWriter writer(
        decoded.header.schema, decoded.header.spec,
        {.format_version = decoded.header.format_version,
         .content = name.ends_with("data") ? ManifestContent::kData : ManifestContent::kDeletes,
         .snapshot_id = 7});
    for (const ManifestEntry& entry : decoded.entries) ASSERT_TRUE(writer.Add(entry).ok());
    ExpectSameHeader(writer.FinishToBytes().value().first, Load(kJava + name + ".avro"));
  }
}

TEST(JavaManifestList, OursHasTheSameSchemaHeaderAndLines) {
  for (int version = 1; version <= 3; ++version) {
    const std::string java = Load(fmt::format("{}list_v{}.avro", kJava, version));
    const auto lines = DecodeManifestList(java, "java");
    ASSERT_TRUE(lines.ok());
    ManifestListOptions options{.format_version = version, .snapshot_id = 7};
    if (version >= 2) options.parent_snapshot_id = 5;
    if (version >= 2) options.sequence_number = 9;
    if (version >= 3) options.first_row_id = 1000;
    const auto ours = EncodeManifestList(*lines, options);
    ASSERT_TRUE(ours.ok()) << ours.status().ToString();
    ExpectSameHeader(ours->first, java);
    EXPECT_EQ(DecodeManifestList(ours->first, "ours").value(), *lines);
  }
}

}  // namespace
}  // namespace moraine::iceberg
