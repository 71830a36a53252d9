// Writes manifests and manifest lists for test_manifest_bytes.py: `write_manifests GOLDEN OUT`
// decodes the manifests of PyIceberg in GOLDEN and writes their entries again in every version and
// codec, and a list of them, each beside the JSON that a reader should find.

#include <fstream>
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/manifest_dump.h"
#include "moraine/iceberg/testing/manifest_samples.h"

namespace moraine::iceberg {
namespace {

std::string Load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void Store(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

struct Source {
  ManifestHeader header;
  std::vector<ManifestEntry> entries;
};

Result<Source> ReadSource(const std::string& path) {
  const std::string bytes = Load(path);
  MORAINE_ASSIGN(ManifestHeader header, ReadManifestHeader(bytes));
  Source source{.header = std::move(header), .entries = {}};
  const ManifestFile line{.partition_spec_id = source.header.spec->spec_id,
                          .sequence_number = 9,
                          .added_snapshot_id = 7};
  MORAINE_TRY(DecodeManifest(bytes, path, line, *source.header.spec, *source.header.schema,
                             {.deleted_entries = true}, [&](ManifestEntry& entry) {
                               source.entries.push_back(entry);
                               return Status::Ok();
                             }));
  return source;
}

/// What a reader finds when the manifest has sequence number 9 (0 in version 1).
Json Expected(const std::vector<ManifestEntry>& entries, int version,
              const std::vector<TypePtr>& types) {
  Json dumps = Json::MakeArray();
  for (ManifestEntry entry : entries) {
    if (version == 1) entry.sequence_number = entry.file_sequence_number = 0;
    if (!entry.snapshot_id) entry.snapshot_id = 7;
    if (!entry.sequence_number) entry.sequence_number = 9;
    if (!entry.file_sequence_number) entry.file_sequence_number = 9;
    dumps.Push(DumpEntry(entry, types));
  }
  return dumps;
}

Result<ManifestFile> Write(const Source& source, const ManifestWriterOptions& options,
                           const std::string& out, const std::string& name) {
  ManifestWriter writer(source.header.schema, source.header.spec, options);
  for (const ManifestEntry& entry : source.entries) MORAINE_TRY(writer.Add(entry));
  MORAINE_ASSIGN(auto finished, writer.FinishToBytes());
  const auto types = PartitionTypes(*source.header.spec, *source.header.schema);
  Store(out + "/" + name + ".avro", finished.first);
  Store(out + "/" + name + ".json",
        Expected(source.entries, options.format_version, types).ToString());
  finished.second.manifest_path = "s3://bucket/" + name + ".avro";
  return std::move(finished.second);
}

Status WriteList(std::vector<ManifestFile> lines, int version, const std::string& out) {
  ManifestListOptions options{
      .format_version = version,
      .snapshot_id = 7,
      .sequence_number = 9,
      .first_row_id = version == 3 ? std::optional<int64_t>(0) : std::nullopt};
  MORAINE_ASSIGN(auto encoded, EncodeManifestList(lines, options));
  const std::string name = fmt::format("list_v{}", version);
  Store(out + "/" + name + ".avro", encoded.first);
  Json dumps = Json::MakeArray();
  int64_t next_row_id = 0;
  for (ManifestFile& line : lines) {
    line.sequence_number = version == 1 ? 0 : 9;
    if (version == 1) line.min_sequence_number = 0;
    if (line.min_sequence_number < 0) line.min_sequence_number = 9;
    if (version == 3 && line.content == ManifestContent::kData) {
      line.first_row_id = next_row_id;
      next_row_id += *line.added_rows_count + *line.existing_rows_count;
    }
    dumps.Push(DumpLine(line));
  }
  Store(out + "/" + name + ".json", dumps.ToString());
  return {};
}

Status WriteAll(const std::string& golden, const std::string& out) {
  MORAINE_ASSIGN(const Source partitioned, ReadSource(golden + "/v2_partitioned_null.avro"));
  MORAINE_ASSIGN(Source plain, ReadSource(golden + "/v2_plain_gzip.avro"));
  for (ManifestEntry& entry : plain.entries) {
    if (entry.status != EntryStatus::kAdded) continue;
    entry.snapshot_id.reset();
    entry.sequence_number.reset();
    entry.file_sequence_number.reset();
  }
  const std::pair<AvroCodec, const char*> codecs[] = {{AvroCodec::kNull, "null"},
                                                      {AvroCodec::kDeflate, "deflate"},
                                                      {AvroCodec::kZstd, "zstd"},
                                                      {AvroCodec::kSnappy, "snappy"}};
  for (int version = 1; version <= 3; ++version) {
    std::vector<ManifestFile> lines;
    for (const auto& [codec, codec_name] : codecs) {
      const ManifestWriterOptions options{
          .format_version = version, .codec = codec, .snapshot_id = 7};
      for (const Source* source : {&partitioned, &std::as_const(plain)}) {
        const char* kind = source == &plain ? "plain" : "partitioned";
        const std::string name = fmt::format("v{}_{}_{}", version, kind, codec_name);
        MORAINE_ASSIGN(ManifestFile line, Write(*source, options, out, name));
        lines.push_back(std::move(line));
      }
    }
    if (version >= 2) {
      ManifestSample sample = DeletesSample();
      if (version == 2) sample.entries.pop_back();  // a deletion vector
      Source deletes{.header = {.schema = sample.schema, .spec = sample.spec},
                     .entries = std::move(sample.entries)};
      MORAINE_ASSIGN(
          ManifestFile line,
          Write(deletes,
                {.format_version = version, .content = ManifestContent::kDeletes, .snapshot_id = 7},
                out, fmt::format("v{}_deletes_deflate", version)));
      lines.push_back(std::move(line));
    }
    MORAINE_TRY(WriteList(std::move(lines), version, out));
  }
  return {};
}

}  // namespace
}  // namespace moraine::iceberg

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const moraine::Status status = moraine::iceberg::WriteAll(argv[1], argv[2]);
  if (status.ok()) return 0;
  std::cerr << status.ToString() << "\n";
  return 1;
}
