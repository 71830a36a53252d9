#include "moraine/iceberg/testing/table_rows.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/deletes/deletion_vector.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/testing/rows.h"

namespace moraine::iceberg {
namespace {

/// Reads columns of files, each once.
class LineReader {
 public:
  explicit LineReader(io::FileSystem& files) : files_(files) {}

  Result<const std::vector<std::string>*> Lines(const std::string& location,
                                                std::vector<Field> fields) {
    std::vector<int32_t> ids;
    for (const Field& field : fields) ids.push_back(field.id);
    std::vector<std::string>& lines = read_[{location, ids}];
    if (!lines.empty()) return &lines;
    ReadOptions options;
    options.fields = std::move(fields);
    MORAINE_ASSIGN(const BatchPtr rows, ReadRows(files_, location, std::move(options)));
    const std::string text = RowsText(*rows);
    for (std::string_view line : Split(text, '\n')) lines.emplace_back(line);
    lines.pop_back();  // behind the last line end
    return &lines;
  }

  Result<std::string> Bytes(const std::string& location) {
    Call call = TestCall();
    return io::ReadFile(call, files_, location, int64_t{1} << 30);
  }

 private:
  io::FileSystem& files_;
  std::map<std::pair<std::string, std::vector<int32_t>>, std::vector<std::string>> read_;
};

/// Which rows of one data file are dead.
class DeadRows {
 public:
  DeadRows(LineReader& reader, const TableMetadata& table, const ManifestEntry& data)
      : reader_(reader), table_(table), data_(data) {}

  Status Add(const ManifestEntry& deletes) {
    if (deletes.file.is_deletion_vector()) return AddVector(deletes);
    if (deletes.file.content == FileContent::kPositionDeletes) return AddPositions(deletes);
    const bool global = table_.FindSpec(deletes.file.spec_id)->is_unpartitioned();
    const bool same_partition = deletes.file.spec_id == data_.file.spec_id &&
                                SameTuple(deletes.file.partition, data_.file.partition);
    if (*deletes.sequence_number <= *data_.sequence_number || !(global || same_partition))
      return {};
    std::vector<Field> fields;
    for (int32_t id : deletes.file.equality_ids) {
      const Field* field = table_.CurrentSchema().FindField(id);
      if (field == nullptr) return Unsupported(fmt::format("column {} was dropped", id));
      fields.push_back(*field);
      fields.back().required = false;
    }
    MORAINE_ASSIGN(const auto* keys, reader_.Lines(deletes.file.file_path, fields));
    MORAINE_ASSIGN(const auto* rows, reader_.Lines(data_.file.file_path, fields));
    const std::set<std::string> dead(keys->begin(), keys->end());
    for (size_t row = 0; row < rows->size(); ++row) {
      if (dead.contains((*rows)[row])) rows_.insert(row);
    }
    return {};
  }

  bool Has(size_t row) const { return rows_.contains(row); }

 private:
  Status AddPositions(const ManifestEntry& deletes) {
    // Readers look at nothing else beside a vector.
    if (*deletes.sequence_number < *data_.sequence_number || has_vector_) return {};
    const std::vector<Field> fields = {
        Required(kFilePathFieldId, "file_path", Type::Primitive(TypeKind::kString)),
        Required(kPositionFieldId, "pos", Type::Primitive(TypeKind::kLong))};
    MORAINE_ASSIGN(const auto* lines, reader_.Lines(deletes.file.file_path, fields));
    const std::string begin = data_.file.file_path + ", ";
    for (const std::string& line : *lines) {
      if (line.starts_with(begin)) rows_.insert(std::stoul(line.substr(begin.size())));
    }
    return {};
  }

  Status AddVector(const ManifestEntry& deletes) {
    const DataFile& file = deletes.file;
    if (file.referenced_data_file != data_.file.file_path) return {};
    if (*deletes.sequence_number < *data_.sequence_number || std::exchange(has_vector_, true))
      return Corruption(fmt::format("a vector too many or too old: {}", file.file_path));
    MORAINE_ASSIGN(const std::string bytes, reader_.Bytes(file.file_path));
    MORAINE_ASSIGN(const PositionSet positions,
                   DecodeDeletionVector(std::string_view(bytes).substr(
                       static_cast<size_t>(*file.content_offset),
                       static_cast<size_t>(*file.content_size_in_bytes))));
    for (int64_t position : positions.ToVector()) rows_.insert(static_cast<size_t>(position));
    return {};
  }

  LineReader& reader_;
  const TableMetadata& table_;
  const ManifestEntry& data_;
  std::set<size_t> rows_;
  bool has_vector_ = false;
};

}  // namespace

Result<std::vector<ManifestEntry>> LiveEntries(io::FileSystem& files, const TableMetadata& table) {
  Call call = TestCall();
  std::vector<ManifestEntry> live;
  const Snapshot* snapshot = table.CurrentSnapshot();
  if (snapshot == nullptr) return live;
  MORAINE_ASSIGN(const auto manifests, ReadManifestList(call, files, snapshot->manifest_list));
  for (const ManifestFile& manifest : manifests) {
    const PartitionSpecPtr spec = table.FindSpec(manifest.partition_spec_id);
    MORAINE_TRY(ReadManifest(call, files, manifest, *spec, table.CurrentSchema(), {},
                             [&](ManifestEntry& entry) -> Status {
                               if (entry.is_live()) live.push_back(entry);
                               return {};
                             }));
  }
  return live;
}

Result<std::vector<std::string>> TableRows(io::FileSystem& files, const TableMetadata& table) {
  MORAINE_ASSIGN(const auto entries, LiveEntries(files, table));
  LineReader reader(files);
  std::vector<std::string> rows;
  for (const ManifestEntry& data : entries) {
    if (data.file.content != FileContent::kData) continue;
    DeadRows dead(reader, table, data);
    for (const ManifestEntry& deletes : entries) {
      if (deletes.file.is_deletion_vector()) MORAINE_TRY(dead.Add(deletes));
    }
    for (const ManifestEntry& deletes : entries) {
      const bool is_file = !deletes.file.is_deletion_vector();
      if (is_file && deletes.file.content != FileContent::kData) MORAINE_TRY(dead.Add(deletes));
    }
    MORAINE_ASSIGN(const auto* lines,
                   reader.Lines(data.file.file_path, table.CurrentSchema().fields()));
    for (size_t row = 0; row < lines->size(); ++row) {
      if (!dead.Has(row)) rows.push_back((*lines)[row]);
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace moraine::iceberg
