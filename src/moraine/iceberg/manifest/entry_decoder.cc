#include "moraine/iceberg/manifest/entry_decoder.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_schema.h"

namespace moraine::iceberg {
namespace {

using namespace manifest_id;  // NOLINT: the ids are this file's vocabulary
using Path = std::vector<const AvroField*>;

constexpr uint64_t kMaxListItems = 1 << 22;  // row groups of a file; bounds hostile files

enum class Wire : uint8_t { kInteger, kText, kIntegers, kCounts, kBounds };
struct EntryField {
  int32_t id;
  std::string_view name;
  Wire wire;
  bool in_data_file;
  bool required;
};
constexpr std::array<EntryField, 25> kFields = {{
    // Records, gone into.
    {kDataFile, "data_file", Wire::kText, false, true},
    {kPartition, "partition", Wire::kText, true, false},
    // Values.
    {kStatus, "status", Wire::kInteger, false, true},
    {kSnapshotId, "snapshot_id", Wire::kInteger, false, false},
    {kSequenceNumber, "sequence_number", Wire::kInteger, false, false},
    {kFileSequenceNumber, "file_sequence_number", Wire::kInteger, false, false},
    {kContent, "content", Wire::kInteger, true, false},
    {kFilePath, "file_path", Wire::kText, true, true},
    {kFileFormat, "file_format", Wire::kText, true, true},
    {kRecordCount, "record_count", Wire::kInteger, true, true},
    {kFileSize, "file_size_in_bytes", Wire::kInteger, true, true},
    {kColumnSizes, "column_sizes", Wire::kCounts, true, false},
    {kValueCounts, "value_counts", Wire::kCounts, true, false},
    {kNullValueCounts, "null_value_counts", Wire::kCounts, true, false},
    {kNanValueCounts, "nan_value_counts", Wire::kCounts, true, false},
    {kLowerBounds, "lower_bounds", Wire::kBounds, true, false},
    {kUpperBounds, "upper_bounds", Wire::kBounds, true, false},
    {kKeyMetadata, "key_metadata", Wire::kText, true, false},
    {kSplitOffsets, "split_offsets", Wire::kIntegers, true, false},
    {kEqualityIds, "equality_ids", Wire::kIntegers, true, false},
    {kSortOrderId, "sort_order_id", Wire::kInteger, true, false},
    {kFirstRowId, "first_row_id", Wire::kInteger, true, false},
    {kReferencedDataFile, "referenced_data_file", Wire::kText, true, false},
    {kContentOffset, "content_offset", Wire::kInteger, true, false},
    {kContentSize, "content_size_in_bytes", Wire::kInteger, true, false},
}};

/// By id where the file has ids, else by name.
const EntryField* FindEntryField(const AvroField& field, bool in_data_file) {
  for (const EntryField& known : kFields) {
    if (known.in_data_file != in_data_file) continue;
    if (field.field_id ? *field.field_id == known.id : field.name == known.name) return &known;
  }
  return nullptr;
}

bool IsWanted(const EntryField& field, const ManifestReadOptions& options) {
  if (field.wire == Wire::kCounts) return options.counts;
  return field.wire != Wire::kBounds || options.bounds;
}

AvroWant WantPartitionField(const PartitionSpec& spec, const AvroField& field, int first_slot) {
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    const PartitionField& known = spec.fields[i];
    if (field.field_id ? *field.field_id == known.field_id : field.name == known.name) {
      return AvroWant::Read(first_slot + static_cast<int>(i));
    }
  }
  return AvroWant::Skip();
}

bool IsInteger(AvroKind kind) { return kind == AvroKind::kInt || kind == AvroKind::kLong; }

bool FitsWire(const AvroSchema& file, const AvroNode& node, Wire wire) {
  switch (wire) {
    case Wire::kInteger:
      return IsInteger(node.kind);
    case Wire::kText:
      return node.kind == AvroKind::kString || node.kind == AvroKind::kBytes;
    case Wire::kIntegers:
      return node.kind == AvroKind::kArray && IsInteger(file.node(node.children[0]).kind);
    default:
      return node.kind == AvroKind::kArray;
  }
}

std::string_view WireName(Wire wire) {
  switch (wire) {
    case Wire::kInteger:
      return "an int or a long";
    case Wire::kText:
      return "a string or bytes";
    default:
      return "an array";
  }
}

bool ParseFormat(std::string_view text, FileFormat* format) {
  for (FileFormat known :
       {FileFormat::kParquet, FileFormat::kAvro, FileFormat::kOrc, FileFormat::kPuffin}) {
    if (text == FileFormatName(known)) {
      *format = known;
      return true;
    }
  }
  const std::string lower = ToLowerAscii(text);
  for (FileFormat known :
       {FileFormat::kParquet, FileFormat::kAvro, FileFormat::kOrc, FileFormat::kPuffin}) {
    if (lower == ToLowerAscii(FileFormatName(known))) {
      *format = known;
      return true;
    }
  }
  return false;
}

template <typename T>
void ReadIntegers(AvroCursor* cursor, std::vector<T>* out) {
  out->clear();
  while (const uint64_t count = cursor->ReadBlockCount(1)) {
    if (out->size() + count > kMaxListItems) return cursor->Fail();
    for (uint64_t i = 0; i < count; ++i) {
      const int64_t value = cursor->ReadLong();
      if (!cursor->ok() || value != static_cast<T>(value)) return cursor->Fail();
      out->push_back(static_cast<T>(value));
    }
  }
}

/// An enum of values 0 to most.
template <typename E>
void ReadCode(AvroCursor* cursor, int64_t most, E* out) {
  const int64_t value = cursor->ReadLong();
  if (value < 0 || value > most) return cursor->Fail();
  *out = static_cast<E>(value);
}

/// A size or count.
int64_t ReadClaim(AvroCursor* cursor) {
  const int64_t value = cursor->ReadLong();
  if (value < 0 || value > kMaxClaim) cursor->Fail();
  return value;
}

}  // namespace

Result<EntryDecoder> EntryDecoder::Make(const AvroSchema& file, const PartitionSpec& spec,
                                        const Schema& schema, const ManifestReadOptions& options) {
  EntryDecoder decoder(options);
  MORAINE_TRY(decoder.Resolve(file, spec, schema));
  return decoder;
}

Status EntryDecoder::Resolve(const AvroSchema& file, const PartitionSpec& spec,
                             const Schema& schema) {
  std::vector<int32_t> found;
  const auto select = [&](const Path& path, const AvroField& field) {
    if (path.size() >= 2) return WantPartitionField(spec, field, kPartitionSlot);
    const EntryField* known = FindEntryField(field, path.size() == 1);
    if (known == nullptr || !IsWanted(*known, *options_)) return AvroWant::Skip();
    found.push_back(known->id);
    if (known->id == kDataFile || known->id == kPartition) return AvroWant::Descend();
    return AvroWant::Read(known->id);
  };
  MORAINE_ASSIGN(program_, AvroProgram::Compile(file, file.root(), select));
  for (const EntryField& field : kFields) {
    if (field.required && std::find(found.begin(), found.end(), field.id) == found.end()) {
      return Corruption(fmt::format("manifest field {} ({}) is missing", field.name, field.id));
    }
  }
  const std::vector<TypePtr> types = PartitionTypes(spec, schema);
  partition_.resize(spec.fields.size());
  partition_found_.resize(spec.fields.size());
  for (const AvroStep& step : program_.steps()) {
    if (step.slot < 0) continue;
    if (step.slot < kPartitionSlot) {
      MORAINE_TRY(CheckStep(file, step));
      continue;
    }
    const auto i = static_cast<size_t>(step.slot - kPartitionSlot);
    MORAINE_ASSIGN(partition_[i], PartitionValueReader::Make(*types[i], file.node(step.type.node),
                                                             spec.fields[i].name));
    partition_found_[i] = true;
  }
  all_partition_found_ =
      std::find(partition_found_.begin(), partition_found_.end(), false) == partition_found_.end();
  return {};
}

Status EntryDecoder::CheckStep(const AvroSchema& file, const AvroStep& step) {
  for (const EntryField& field : kFields) {
    if (field.id != step.slot) continue;
    const AvroNode& node = file.node(step.type.node);
    if (!FitsWire(file, node, field.wire)) {
      return Corruption(fmt::format("manifest field {} ({}): expected {}, got Avro {}", field.name,
                                    field.id, WireName(field.wire), AvroKindName(node.kind)));
    }
    if (field.wire != Wire::kCounts && field.wire != Wire::kBounds) return {};
    const auto values = field.wire == Wire::kCounts ? ColumnMapReader::Values::kCounts
                                                    : ColumnMapReader::Values::kBounds;
    MORAINE_ASSIGN(ColumnMapReader map,
                   ColumnMapReader::Make(file, step.type.node, values, field.name));
    maps_.emplace_back(field.id, std::move(map));
    reads_lower_ = reads_lower_ || field.id == kLowerBounds;
    reads_upper_ = reads_upper_ || field.id == kUpperBounds;
    return {};
  }
  return Internal("a manifest step has no field");
}

bool EntryDecoder::may_have_counted_fixed() const {
  return std::any_of(partition_.begin(), partition_.end(),
                     [](const PartitionValueReader& field) { return field.may_be_counted(); });
}

void EntryDecoder::ExpectCountedFixed() {
  for (PartitionValueReader& field : partition_) {
    if (field.may_be_counted()) field.ExpectCounted();
  }
}

void EntryDecoder::Decode(AvroCursor* cursor, ManifestEntry* entry) const {
  Reset(entry);
  for (const AvroStep& step : program_.steps()) {
    if (step.is_skip()) {
      program_.Skip(step, cursor);
      continue;
    }
    const bool present = ReadPresence(step.type, cursor);
    if (step.slot >= kPartitionSlot) {
      const auto i = static_cast<size_t>(step.slot - kPartitionSlot);
      Value& value = entry->file.partition[i];
      present ? partition_[i].Read(cursor, &value) : void(value = std::monostate());
    } else if (present) {
      ReadField(step, cursor, entry);
    } else {
      switch (step.slot) {
        case AvroStep::kEnterSlot:
        case kStatus:
        case kFilePath:
        case kFileFormat:
        case kRecordCount:
        case kFileSize:
          return cursor->Fail();  // required
        case kLowerBounds:
          entry->file.lower_bounds.clear();
          break;
        case kUpperBounds:
          entry->file.upper_bounds.clear();
          break;
        default:
          break;  // Reset made it empty
      }
    }
  }
}

void EntryDecoder::Reset(ManifestEntry* entry) const {
  entry->snapshot_id.reset();
  entry->sequence_number.reset();
  entry->file_sequence_number.reset();
  DataFile& file = entry->file;
  file.content = FileContent::kData;
  file.partition.resize(partition_.size());
  if (!all_partition_found_) {
    for (size_t i = 0; i < partition_.size(); ++i) {
      if (!partition_found_[i]) file.partition[i] = std::monostate();
    }
  }
  // Bounds that are read keep the memory of their strings till then.
  if (!reads_lower_) file.lower_bounds.clear();
  if (!reads_upper_) file.upper_bounds.clear();
  for (CountMap* map :
       {&file.column_sizes, &file.value_counts, &file.null_value_counts, &file.nan_value_counts}) {
    map->clear();
  }
  file.key_metadata.reset();
  file.split_offsets.clear();
  file.equality_ids.clear();
  file.sort_order_id.reset();
  file.first_row_id.reset();
  file.referenced_data_file.reset();
  file.content_offset.reset();
  file.content_size_in_bytes.reset();
}

void EntryDecoder::ReadField(const AvroStep& step, AvroCursor* cursor, ManifestEntry* entry) const {
  DataFile& file = entry->file;
  switch (step.slot) {
    case AvroStep::kEnterSlot:
      return;
    case kStatus:
      return ReadCode(cursor, 2, &entry->status);
    case kSnapshotId:
      entry->snapshot_id = cursor->ReadLong();
      return;
    case kSequenceNumber:
      entry->sequence_number = cursor->ReadLong();
      return;
    case kFileSequenceNumber:
      entry->file_sequence_number = cursor->ReadLong();
      return;
    case kContent:
      return ReadCode(cursor, 2, &file.content);
    case kFilePath:
      file.file_path = cursor->ReadBytes();
      return;
    case kFileFormat:
      if (!ParseFormat(cursor->ReadBytes(), &file.format)) cursor->Fail();
      return;
    case kRecordCount:
      file.record_count = ReadClaim(cursor);
      return;
    case kFileSize:
      file.file_size_in_bytes = ReadClaim(cursor);
      return;
    case kSplitOffsets:
      return ReadIntegers(cursor, &file.split_offsets);
    case kSortOrderId:
      file.sort_order_id = cursor->ReadInt();
      return;
    case kColumnSizes:
    case kValueCounts:
    case kNullValueCounts:
    case kNanValueCounts:
    case kLowerBounds:
    case kUpperBounds:
      return ReadMap(step.slot, cursor, &file);
    default:
      return ReadRare(step, cursor, &file);
  }
}

void EntryDecoder::ReadRare(const AvroStep& step, AvroCursor* cursor, DataFile* file) const {
  switch (step.slot) {
    case kKeyMetadata:
      file->key_metadata = cursor->ReadBytes();
      return;
    case kEqualityIds:
      return ReadIntegers(cursor, &file->equality_ids);
    case kFirstRowId:
      file->first_row_id = cursor->ReadLong();
      return;
    case kReferencedDataFile:
      file->referenced_data_file = cursor->ReadBytes();
      return;
    case kContentOffset:
      file->content_offset = ReadClaim(cursor);
      return;
    case kContentSize:
      file->content_size_in_bytes = ReadClaim(cursor);
      return;
    default:
      return cursor->Fail();
  }
}

void EntryDecoder::ReadMap(int slot, AvroCursor* cursor, DataFile* file) const {
  const ColumnMapReader* reader = nullptr;
  for (const auto& [id, map] : maps_) {
    if (id == slot) reader = &map;
  }
  const std::vector<int32_t>& columns = options_->columns;
  switch (slot) {
    case kColumnSizes:
      return reader->Read(cursor, columns, &file->column_sizes);
    case kValueCounts:
      return reader->Read(cursor, columns, &file->value_counts);
    case kNullValueCounts:
      return reader->Read(cursor, columns, &file->null_value_counts);
    case kNanValueCounts:
      return reader->Read(cursor, columns, &file->nan_value_counts);
    case kLowerBounds:
      return reader->Read(cursor, columns, &file->lower_bounds);
    default:
      return reader->Read(cursor, columns, &file->upper_bounds);
  }
}

}  // namespace moraine::iceberg
