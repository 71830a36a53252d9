#include "moraine/iceberg/manifest/manifest_reader.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/avro/avro_records.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/entry_decoder.h"

namespace moraine::iceberg {
namespace {

/// Fills what entries leave to their manifest's line in the list (table spec, "Sequence number
/// inheritance", "First row ID inheritance").
class Inheritance {
 public:
  explicit Inheritance(const ManifestFile& manifest)
      : manifest_(manifest), next_row_id_(manifest.first_row_id) {}

  /// Errors: Corruption for an entry that must state what it does not.
  Status Apply(ManifestEntry* entry) {
    entry->file.spec_id = manifest_.partition_spec_id;
    if (!entry->snapshot_id) entry->snapshot_id = manifest_.added_snapshot_id;
    const bool inherits = entry->status == EntryStatus::kAdded || manifest_.sequence_number == 0;
    if (inherits) {
      if (!entry->sequence_number) entry->sequence_number = manifest_.sequence_number;
      if (!entry->file_sequence_number) entry->file_sequence_number = manifest_.sequence_number;
    } else if (!entry->sequence_number && entry->is_live()) {
      // The file's sequence number may be absent: writers before Iceberg 1.0 had no such field.
      return Corruption(
          fmt::format("an existing file has no sequence number: {}", entry->file.file_path));
    }
    return ApplyRowId(entry);
  }

 private:
  Status ApplyRowId(ManifestEntry* entry) {
    DataFile& file = entry->file;
    if (!next_row_id_) {
      // Ids in a manifest that was given none are not assigned yet.
      file.first_row_id.reset();
      return {};
    }
    if (file.first_row_id || !entry->is_live()) return {};
    file.first_row_id = *next_row_id_;
    int64_t next = 0;
    if (__builtin_add_overflow(*next_row_id_, file.record_count, &next)) {
      return Corruption(fmt::format("row ids overflow at file {}", file.file_path));
    }
    next_row_id_ = next;
    return {};
  }

  const ManifestFile& manifest_;
  std::optional<int64_t> next_row_id_;
};

Status CheckContent(ManifestContent content, const DataFile& file) {
  if ((content == ManifestContent::kData) == (file.content == FileContent::kData)) return {};
  return Corruption(fmt::format("expected a manifest of {}, got one with {}",
                                content == ManifestContent::kData ? "data files" : "delete files",
                                file.file_path));
}

/// What the bytes of a file of this size may unpack to, and then take as values: a short hostile
/// file must not make a long answer. No manifest of real files comes near either.
int64_t UnpackLimit(int64_t size, int64_t max_bytes) {
  return std::min(max_bytes, (int64_t{64} << 20) + MultiplyCapped(256, size));
}
int64_t MemoryLimit(int64_t size) {
  return std::min(int64_t{8} << 30, (int64_t{64} << 20) + MultiplyCapped(1024, size));
}

/// Strings that are bounds count as what they add to their bytes in the file.
int64_t MemoryOf(const ManifestEntry& entry) {
  const DataFile& file = entry.file;
  const size_t counts = file.column_sizes.size() + file.value_counts.size() +
                        file.null_value_counts.size() + file.nan_value_counts.size();
  const size_t bounds = file.lower_bounds.size() + file.upper_bounds.size();
  const size_t bytes =
      sizeof(ManifestEntry) + file.file_path.size() + file.partition.size() * sizeof(Value) +
      counts * sizeof(CountMap::value_type) + bounds * sizeof(BoundMap::value_type) +
      (file.split_offsets.size() + file.equality_ids.size()) * sizeof(int64_t);
  return static_cast<int64_t>(bytes);
}

/// Decodes all entries to see whether they can be.
Status Probe(std::string_view bytes, const EntryDecoder& decoder, int64_t max_bytes) {
  MORAINE_ASSIGN(AvroFileReader file, AvroFileReader::Open(bytes));
  ManifestEntry entry;
  return ForEachAvroRecord(&file, max_bytes, [&](AvroCursor& cursor) {
    decoder.Decode(&cursor, &entry);
    return Status::Ok();
  });
}

Status Decode(std::string_view bytes, const ManifestFile& manifest, const PartitionSpec& spec,
              const Schema& schema, const ManifestReadOptions& options,
              const std::function<Status(ManifestEntry&)>& visit, Status* visited) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size > options.max_bytes) {
    return Exhausted(fmt::format("{} bytes are more than the {} allowed", size, options.max_bytes));
  }
  if (manifest.manifest_length > 0 && size != manifest.manifest_length) {
    return Corruption(fmt::format("the manifest list says {} bytes, there are {}",
                                  manifest.manifest_length, size));
  }
  MORAINE_ASSIGN(AvroFileReader file, AvroFileReader::Open(bytes));
  MORAINE_ASSIGN(EntryDecoder decoder, EntryDecoder::Make(file.schema(), spec, schema, options));
  const int64_t unpack_limit = UnpackLimit(size, options.max_bytes);
  if (decoder.may_have_counted_fixed() && !Probe(bytes, decoder, unpack_limit).ok()) {
    decoder.ExpectCountedFixed();
  }
  Inheritance inheritance(manifest);
  ManifestEntry entry;
  int64_t memory_left = MemoryLimit(size);
  return ForEachAvroRecord(&file, unpack_limit, [&](AvroCursor& cursor) -> Status {
    decoder.Decode(&cursor, &entry);
    if (!cursor.ok()) return {};  // the loop says where
    memory_left -= MemoryOf(entry);
    if (memory_left < 0) {
      return Exhausted(fmt::format("the entries of its {} bytes need more than {} in memory", size,
                                   FormatByteSize(MemoryLimit(size))));
    }
    MORAINE_TRY(CheckContent(manifest.content, entry.file));
    MORAINE_TRY(inheritance.Apply(&entry));
    if (!entry.is_live() && !options.deleted_entries) return {};
    *visited = visit(entry);
    return *visited;
  });
}

/// The whole file. The length that the list says saves the store a question; memory follows what is
/// really there.
Result<std::string> Load(Call& call, io::FileSystem& files, const ManifestFile& manifest,
                         int64_t max_bytes) {
  constexpr int64_t kStepBytes = 8 << 20;
  const std::string& path = manifest.manifest_path;
  const int64_t length = manifest.manifest_length;
  if (length <= 0) return io::ReadFile(call, files, path, max_bytes);
  if (length > max_bytes) {
    return Exhausted(
        fmt::format("manifest is larger than {} bytes: {} has {}", max_bytes, path, length));
  }
  MORAINE_ASSIGN(auto reader, files.Open(call, path, length));
  std::string bytes;
  for (int64_t at = 0; at < length;) {
    const int64_t step = std::min(length - at, kStepBytes);
    bytes.resize(static_cast<size_t>(at + step));
    MORAINE_TRY(reader->ReadAt(call, at, std::span(bytes).subspan(static_cast<size_t>(at))));
    at += step;
  }
  return bytes;
}

}  // namespace

Status DecodeManifest(std::string_view bytes, std::string_view name, const ManifestFile& manifest,
                      const PartitionSpec& spec, const Schema& schema,
                      const ManifestReadOptions& options,
                      const std::function<Status(ManifestEntry&)>& visit) {
  Status visited;
  Status status = Decode(bytes, manifest, spec, schema, options, visit, &visited);
  if (!visited.ok()) return visited;  // the visitor's own, as it is
  if (status.ok()) return status;
  return std::move(status).Annotate(fmt::format("reading manifest {}", name));
}

Status ReadManifest(Call& call, io::FileSystem& files, const ManifestFile& manifest,
                    const PartitionSpec& spec, const Schema& schema,
                    const ManifestReadOptions& options,
                    const std::function<Status(ManifestEntry&)>& visit) {
  MORAINE_ASSIGN(std::string bytes, Load(call, files, manifest, options.max_bytes));
  return DecodeManifest(bytes, manifest.manifest_path, manifest, spec, schema, options, visit);
}

}  // namespace moraine::iceberg
