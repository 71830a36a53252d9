#include "moraine/iceberg/testing/manifest_fuzz.h"

#include "moraine/base/check.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/manifest_samples.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kMaxBytes = 16 << 20;

void CheckCode(const Status& status) {
  MORAINE_CHECK(status.ok() || status.code() == Code::kCorruption ||
                    status.code() == Code::kExhausted || status.code() == Code::kUnsupported,
                status.ToString());
}

Status Decode(std::string_view bytes, const ManifestSample& sample, const ManifestFile& line,
              ManifestReadOptions options, std::vector<ManifestEntry>* entries) {
  options.max_bytes = kMaxBytes;
  const Status status = DecodeManifest(bytes, "fuzz", line, *sample.spec, *sample.schema, options,
                                       [&](ManifestEntry& entry) {
                                         if (entries->size() < 1000) entries->push_back(entry);
                                         return Status::Ok();
                                       });
  CheckCode(status);
  return status;
}

/// What could be read can be written, or is refused as an argument.
void WriteAgain(const ManifestSample& sample, const std::vector<ManifestEntry>& entries) {
  ManifestWriter writer(sample.schema, sample.spec,
                        {.format_version = 3, .codec = AvroCodec::kNull});
  for (const ManifestEntry& entry : entries) {
    const Status status = writer.Add(entry);
    MORAINE_CHECK(status.ok() || status.code() == Code::kInvalidArgument, status.ToString());
  }
  MORAINE_CHECK(writer.FinishToBytes().ok(), "a manifest that was read cannot be written");
}

}  // namespace

Status FuzzManifest(std::string_view bytes) {
  static const ManifestSample sample = AllTypesSample();
  const ManifestFile line{
      .partition_spec_id = 3, .sequence_number = 9, .added_snapshot_id = 7, .first_row_id = 100};
  std::vector<ManifestEntry> entries;
  std::vector<ManifestEntry> few;
  const Status status = Decode(bytes, sample, line, {.deleted_entries = true}, &entries);
  const Status lean =
      Decode(bytes, sample, line,
             {.counts = false, .bounds = false, .deleted_entries = true, .columns = {2}}, &few);
  // What is passed over is not looked into, so the lean reader may only find less wrong.
  MORAINE_CHECK(lean.ok() || !status.ok(), lean.ToString());
  if (!entries.empty()) WriteAgain(sample, entries);
  return status;
}

Status FuzzManifestList(std::string_view bytes) {
  const auto lines = DecodeManifestList(bytes, "fuzz");
  CheckCode(lines.status());
  if (!lines.ok()) return lines.status();
  const auto written = EncodeManifestList(*lines, {.format_version = 1, .codec = AvroCodec::kNull});
  MORAINE_CHECK(written.ok() || written.status().code() == Code::kInvalidArgument,
                written.status().ToString());
  return {};
}

}  // namespace moraine::iceberg
