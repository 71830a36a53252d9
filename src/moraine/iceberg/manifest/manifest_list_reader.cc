#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/avro/avro_program.h"
#include "moraine/iceberg/avro/avro_records.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/manifest_schema.h"

namespace moraine::iceberg {
namespace {

using namespace manifest_id;  // NOLINT: the ids are this file's vocabulary
using Path = std::vector<const AvroField*>;

constexpr int64_t kMaxListBytes = int64_t{1} << 30;
// A short hostile file could unpack to many short lines, each of which is large in memory.
constexpr size_t kMaxManifests = 1 << 20;
constexpr uint64_t kMaxSummaries = 1 << 12;  // fields of a partition spec

/// What a list of this size may unpack to, or take in memory; 64 KiB of real lines take a tenth.
int64_t SizeLimit(size_t size) {
  return std::min(kMaxListBytes,
                  (int64_t{64} << 20) + MultiplyCapped(256, static_cast<int64_t>(size)));
}

int64_t MemoryOf(const ManifestFile& line) {
  size_t bytes = sizeof(ManifestFile) + line.manifest_path.size();
  if (line.key_metadata) bytes += line.key_metadata->size();
  if (line.partitions) {
    bytes += line.partitions->capacity() * sizeof(FieldSummary);
    for (const FieldSummary& summary : *line.partitions) {
      if (summary.lower_bound) bytes += summary.lower_bound->size();
      if (summary.upper_bound) bytes += summary.upper_bound->size();
    }
  }
  return static_cast<int64_t>(bytes);
}

/// Errors: Corruption for numbers that cannot be.
Status CheckLine(ManifestFile* line) {
  if (line->manifest_length < 0 || line->manifest_length > kMaxClaim) {
    return Corruption(fmt::format("manifest {} has a length of {} bytes", line->manifest_path,
                                  line->manifest_length));
  }
  for (auto* count :
       {&line->added_files_count, &line->existing_files_count, &line->deleted_files_count}) {
    if (*count && **count < 0) count->reset();  // some mark so that they do not know
  }
  for (auto* rows :
       {&line->added_rows_count, &line->existing_rows_count, &line->deleted_rows_count}) {
    if (*rows && **rows < 0) rows->reset();
    if (*rows && **rows > kMaxClaim * 1024) {
      return Corruption(fmt::format("manifest {} claims {} rows", line->manifest_path, **rows));
    }
  }
  return {};
}

enum class Wire : uint8_t { kInteger, kText, kBoolean, kArray };
struct ListField {
  int32_t id;
  std::string_view name;
  Wire wire;
  bool required;
};
constexpr std::array<ListField, 16> kFields = {{
    {kManifestPath, "manifest_path", Wire::kText, true},
    {kManifestLength, "manifest_length", Wire::kInteger, true},
    {kPartitionSpecId, "partition_spec_id", Wire::kInteger, true},
    {kManifestContent, "content", Wire::kInteger, false},
    {kManifestSequenceNumber, "sequence_number", Wire::kInteger, false},
    {kMinSequenceNumber, "min_sequence_number", Wire::kInteger, false},
    {kAddedSnapshotId, "added_snapshot_id", Wire::kInteger, false},
    {kAddedFilesCount, "added_files_count", Wire::kInteger, false},
    {kExistingFilesCount, "existing_files_count", Wire::kInteger, false},
    {kDeletedFilesCount, "deleted_files_count", Wire::kInteger, false},
    {kPartitions, "partitions", Wire::kArray, false},
    {kAddedRowsCount, "added_rows_count", Wire::kInteger, false},
    {kExistingRowsCount, "existing_rows_count", Wire::kInteger, false},
    {kDeletedRowsCount, "deleted_rows_count", Wire::kInteger, false},
    {kManifestKeyMetadata, "key_metadata", Wire::kText, false},
    {kManifestFirstRowId, "first_row_id", Wire::kInteger, false},
}};
constexpr std::array<ListField, 4> kSummaryFields = {{
    {kContainsNull, "contains_null", Wire::kBoolean, true},
    {kContainsNan, "contains_nan", Wire::kBoolean, false},
    {kLowerBound, "lower_bound", Wire::kText, false},
    {kUpperBound, "upper_bound", Wire::kText, false},
}};

bool FitsWire(AvroKind kind, Wire wire) {
  switch (wire) {
    case Wire::kInteger:
      return kind == AvroKind::kInt || kind == AvroKind::kLong;
    case Wire::kText:
      return kind == AvroKind::kString || kind == AvroKind::kBytes;
    case Wire::kBoolean:
      return kind == AvroKind::kBoolean;
    case Wire::kArray:
      return kind == AvroKind::kArray;
  }
  return false;
}

/// Compiles a record whose fields of interest are these, by id (by name where the file has no ids).
template <size_t n>
Result<AvroProgram> CompileFields(const AvroSchema& file, int root,
                                  const std::array<ListField, n>& known) {
  const auto find = [&](const AvroField& field) {
    return std::find_if(known.begin(), known.end(), [&](const ListField& k) {
      return field.field_id ? *field.field_id == k.id : field.name == k.name;
    });
  };
  MORAINE_ASSIGN(AvroProgram program,
                 AvroProgram::Compile(file, root, [&](const Path&, const AvroField& field) {
                   const auto found = find(field);
                   return found == known.end() ? AvroWant::Skip() : AvroWant::Read(found->id);
                 }));
  for (const ListField& field : known) {
    bool found = false;
    for (const AvroStep& step : program.steps()) {
      if (step.slot != field.id) continue;
      found = true;
      const AvroKind kind = file.node(step.type.node).kind;
      if (!FitsWire(kind, field.wire)) {
        return Corruption(fmt::format("manifest list field {} ({}) has Avro type {}", field.name,
                                      field.id, AvroKindName(kind)));
      }
    }
    if (field.required && !found) {
      return Corruption(
          fmt::format("manifest list field {} ({}) is missing", field.name, field.id));
    }
  }
  return program;
}

class ListDecoder {
 public:
  static Result<ListDecoder> Make(const AvroSchema& file) {
    ListDecoder decoder;
    MORAINE_ASSIGN(decoder.line_, CompileFields(file, file.root(), kFields));
    for (const AvroStep& step : decoder.line_.steps()) {
      if (step.slot != kPartitions) continue;
      const std::optional<AvroOptional> item =
          AsOptional(file, file.node(step.type.node).children[0]);
      if (!item) return Corruption("manifest list field partitions holds a union");
      decoder.item_ = *item;
      MORAINE_ASSIGN(decoder.summary_, CompileFields(file, item->node, kSummaryFields));
    }
    return decoder;
  }

  void Decode(AvroCursor* cursor, ManifestFile* line) const {
    for (const AvroStep& step : line_.steps()) {
      if (step.is_skip()) {
        line_.Skip(step, cursor);
      } else if (ReadPresence(step.type, cursor)) {
        ReadField(step.slot, cursor, line);
      } else if (step.slot <= kPartitionSpecId) {
        return cursor->Fail();  // required
      }
    }
  }

 private:
  void ReadField(int slot, AvroCursor* cursor, ManifestFile* line) const {
    switch (slot) {
      case kManifestPath:
        line->manifest_path = cursor->ReadBytes();
        return;
      case kManifestLength:
        line->manifest_length = cursor->ReadLong();
        return;
      case kPartitionSpecId:
        line->partition_spec_id = cursor->ReadInt();
        return;
      case kManifestContent: {
        const int64_t content = cursor->ReadLong();
        if (content < 0 || content > 1) return cursor->Fail();
        line->content = static_cast<ManifestContent>(content);
        return;
      }
      case kManifestSequenceNumber:
        line->sequence_number = cursor->ReadLong();
        return;
      case kMinSequenceNumber:
        line->min_sequence_number = cursor->ReadLong();
        return;
      case kAddedSnapshotId:
        line->added_snapshot_id = cursor->ReadLong();
        return;
      case kAddedFilesCount:
        line->added_files_count = cursor->ReadInt();
        return;
      case kExistingFilesCount:
        line->existing_files_count = cursor->ReadInt();
        return;
      case kDeletedFilesCount:
        line->deleted_files_count = cursor->ReadInt();
        return;
      case kAddedRowsCount:
        line->added_rows_count = cursor->ReadLong();
        return;
      case kExistingRowsCount:
        line->existing_rows_count = cursor->ReadLong();
        return;
      case kDeletedRowsCount:
        line->deleted_rows_count = cursor->ReadLong();
        return;
      case kPartitions:
        return ReadSummaries(cursor, &line->partitions.emplace());
      case kManifestKeyMetadata:
        line->key_metadata = cursor->ReadBytes();
        return;
      case kManifestFirstRowId:
        line->first_row_id = cursor->ReadLong();
        return;
      default:
        return cursor->Fail();
    }
  }

  void ReadSummaries(AvroCursor* cursor, std::vector<FieldSummary>* out) const {
    while (const uint64_t count = cursor->ReadBlockCount(1)) {
      if (out->size() + count > kMaxSummaries) return cursor->Fail();
      for (uint64_t i = 0; i < count; ++i) {
        if (!ReadPresence(item_, cursor)) return cursor->Fail();
        ReadSummary(cursor, &out->emplace_back());
        if (!cursor->ok()) return;
      }
    }
  }

  void ReadSummary(AvroCursor* cursor, FieldSummary* out) const {
    for (const AvroStep& step : summary_.steps()) {
      if (step.is_skip()) {
        summary_.Skip(step, cursor);
        continue;
      }
      const bool present = ReadPresence(step.type, cursor);
      if (!present && step.slot == kContainsNull) return cursor->Fail();  // required
      if (!present) continue;
      switch (step.slot) {
        case kContainsNull:
          out->contains_null = cursor->ReadBool();
          break;
        case kContainsNan:
          out->contains_nan = cursor->ReadBool();
          break;
        case kLowerBound:
          out->lower_bound = cursor->ReadBytes();
          break;
        default:
          out->upper_bound = cursor->ReadBytes();
      }
    }
  }

  AvroProgram line_;
  AvroProgram summary_;
  AvroOptional item_;
};

Result<std::vector<ManifestFile>> Decode(std::string_view bytes) {
  MORAINE_ASSIGN(AvroFileReader file, AvroFileReader::Open(bytes));
  MORAINE_ASSIGN(ListDecoder decoder, ListDecoder::Make(file.schema()));
  std::vector<ManifestFile> lines;
  const int64_t limit = SizeLimit(bytes.size());
  int64_t memory_left = limit;
  MORAINE_TRY(ForEachAvroRecord(&file, limit, [&](AvroCursor& cursor) -> Status {
    if (lines.size() == kMaxManifests) {
      return Exhausted(fmt::format("more than {} manifests", kMaxManifests));
    }
    decoder.Decode(&cursor, &lines.emplace_back());
    if (!cursor.ok()) return {};  // the loop says where
    memory_left -= MemoryOf(lines.back());
    if (memory_left < 0) {
      return Exhausted(fmt::format("the lines of its {} bytes need more than {} in memory",
                                   bytes.size(), FormatByteSize(limit)));
    }
    return CheckLine(&lines.back());
  }));
  return lines;
}

}  // namespace

Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes,
                                                     std::string_view name) {
  Result<std::vector<ManifestFile>> lines = Decode(bytes);
  if (lines.ok()) return lines;
  return std::move(lines).status().Annotate(fmt::format("reading manifest list {}", name));
}

Result<std::vector<ManifestFile>> ReadManifestList(Call& call, io::FileSystem& files,
                                                   const std::string& location) {
  MORAINE_ASSIGN(std::string bytes, io::ReadFile(call, files, location, kMaxListBytes));
  return DecodeManifestList(bytes, location);
}

}  // namespace moraine::iceberg
