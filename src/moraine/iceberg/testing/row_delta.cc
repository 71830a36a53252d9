#include "moraine/iceberg/testing/row_delta.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/random.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/deletes/deletion_vector.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/iceberg/testing/table_rows.h"

namespace moraine::iceberg {
namespace {

class DeltaWriter {
 public:
  DeltaWriter(Call& call, io::FileSystem& files, const TableMetadata& table)
      : call_(call), files_(files), table_(table) {}

  Status Add(const RowDeltaPart& part, SnapshotChanges* changes) {
    std::map<std::string, PositionSet> positions;
    for (const auto& [path, dead] : part.positions) {
      positions[path].AddMany(dead);
      changes->checks.required_data_files.push_back(path);
    }
    if (!part.rows.empty()) {
      WriteOptions options = OptionsFor(table_.CurrentSchema().fields());
      const DataFile file = WriteRows(files_, NewLocation("data"),
                                      MakeRows(options.schema->fields(), part.rows), options);
      if (!part.dropped.empty()) positions[file.file_path].AddMany(part.dropped);
      Take(part, file, changes);
    }
    if (!part.keys.empty()) MORAINE_TRY(AddKeys(part, changes));
    if (table_.format_version >= 3) return AddVectors(part, std::move(positions), changes);
    if (!positions.empty()) {
      MORAINE_ASSIGN(DataFile file, WritePositionDeletes(call_, files_, NewLocation("positions"),
                                                         positions, OptionsFor({})));
      Take(part, std::move(file), changes);
    }
    return {};
  }

 private:
  WriteOptions OptionsFor(std::vector<Field> fields) {
    WriteOptions options;
    options.schema = MakeSchema(std::move(fields));
    options.properties = table_.properties;
    return options;
  }

  std::string NewLocation(std::string_view kind) {
    return fmt::format("{}/data/{}-{}.parquet", table_.location, kind, MakeUuid(call_.random()));
  }

  Status AddKeys(const RowDeltaPart& part, SnapshotChanges* changes) {
    std::vector<Field> fields;
    std::vector<int32_t> ids;
    for (const std::string& name : part.key_columns) {
      const Field* field = table_.CurrentSchema().FindField(name);
      if (field == nullptr) return InvalidArgument(fmt::format("no column {}", name));
      fields.push_back(*field);
      ids.push_back(field->id);
    }
    MORAINE_ASSIGN(DataFile file,
                   WriteEqualityDeletes(call_, files_, NewLocation("keys"),
                                        {MakeRows(fields, part.keys)}, ids, OptionsFor(fields)));
    Take(part, std::move(file), changes);
    return {};
  }

  /// With what the vectors hold that the files have already, which go.
  Status AddVectors(const RowDeltaPart& part, std::map<std::string, PositionSet> positions,
                    SnapshotChanges* changes) {
    if (positions.empty()) return {};
    MORAINE_ASSIGN(const auto entries, LiveEntries(files_, table_));
    for (const ManifestEntry& entry : entries) {
      if (!entry.file.is_deletion_vector()) continue;
      const auto more = positions.find(*entry.file.referenced_data_file);
      if (more == positions.end()) continue;
      MORAINE_ASSIGN(const std::string bytes,
                     io::ReadFile(call_, files_, entry.file.file_path, int64_t{1} << 30));
      MORAINE_ASSIGN(const PositionSet known,
                     DecodeDeletionVector(std::string_view(bytes).substr(
                         static_cast<size_t>(*entry.file.content_offset),
                         static_cast<size_t>(*entry.file.content_size_in_bytes))));
      more->second.Merge(known);
      changes->removed_deletes.push_back(RemovedFile::Of(entry.file));
    }
    MORAINE_ASSIGN(std::vector<DataFile> vectors,
                   WriteDeletionVectors(call_, files_, NewLocation("vectors"), positions));
    for (DataFile& file : vectors) Take(part, std::move(file), changes);
    return {};
  }

  static void Take(const RowDeltaPart& part, DataFile file, SnapshotChanges* changes) {
    file.spec_id = part.spec_id;
    file.partition = part.partition;
    changes->added.push_back({std::move(file), std::nullopt});
  }

  Call& call_;
  io::FileSystem& files_;
  const TableMetadata& table_;
};

}  // namespace

Result<SnapshotChanges> WriteRowDelta(Call& call, io::FileSystem& files, const TableMetadata& table,
                                      const std::vector<RowDeltaPart>& parts,
                                      std::optional<int64_t> starting) {
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kRowDelta;
  changes.checks.starting_snapshot_id = starting;
  DeltaWriter writer(call, files, table);
  for (const RowDeltaPart& part : parts) MORAINE_TRY(writer.Add(part, &changes));
  return changes;
}

}  // namespace moraine::iceberg
