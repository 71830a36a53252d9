#include "moraine/iceberg/testing/test_table.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/io/location.h"

namespace moraine::iceberg {

namespace {

constexpr int64_t kStartMs = 1'767'225'600'000;

void Describe(const TypePtr& type, int32_t id, Value low, Value high, DataFile* file) {
  file->value_counts.emplace_back(id, file->record_count);
  file->null_value_counts.emplace_back(id, 0);
  file->lower_bounds.emplace_back(id, ValueToBytes(*type, low));
  file->upper_bounds.emplace_back(id, ValueToBytes(*type, high));
}

std::string_view StatusText(EntryStatus status) {
  return status == EntryStatus::kAdded     ? "added"
         : status == EntryStatus::kDeleted ? "deleted"
                                           : "existing";
}

}  // namespace

std::string ShortName(const std::string& path) {
  std::string name(io::BaseName(path));
  return name.substr(0, name.find('.'));
}

TestTable::TestTable(io::FileSystem& files, const TestTableOptions& options) : files_(files) {
  TableCreation creation;
  creation.table_uuid = "a3c1f6de-7f4d-4f0c-9d6e-0e5b8a3f2b11";
  creation.location = "file:///warehouse/t";
  creation.format_version = options.format_version;
  auto type = [](TypeKind kind) { return Type::Primitive(kind); };
  creation.schema = Schema(0, {{1, "id", false, type(TypeKind::kLong)},
                               {2, "day", false, type(TypeKind::kInt)},
                               {3, "name", false, type(TypeKind::kString)}});
  if (options.partitioned)
    creation.spec.fields.push_back({{2}, 1000, "day", Transform::Identity()});
  creation.properties = options.properties;
  creation.now_ms = kStartMs;
  metadata_ = std::make_shared<const TableMetadata>(MakeTableMetadata(creation).value());
}

const Snapshot& TestTable::current() const {
  MORAINE_CHECK(metadata_->CurrentSnapshot() != nullptr, "the test table is empty");
  return *metadata_->CurrentSnapshot();
}

Status TestTable::Apply(const CommitRequest& request) {
  MORAINE_TRY(CheckRequirements(metadata_.get(), request.requirements));
  ApplyContext context;
  context.now_ms = metadata_->last_updated_ms + 1000;
  context.base_metadata_location =
      fmt::format("{}/metadata/{:05}.metadata.json", metadata_->location, commits_);
  MORAINE_ASSIGN(TableMetadata next, ApplyUpdates(*metadata_, request.updates, context));
  metadata_ = std::make_shared<const TableMetadata>(std::move(next));
  ++commits_;
  return {};
}

CommitDoor TestTable::door() {
  CommitDoor door;
  door.load = [this](Call&) -> Result<TablePtr> { return metadata_; };
  door.commit = [this](Call&, const CommitRequest& request) -> Result<TablePtr> {
    if (auto before = std::exchange(before_commit, nullptr)) before();
    MORAINE_TRY(Apply(request));
    if (auto after = std::exchange(after_commit, nullptr)) MORAINE_TRY(after());
    return metadata_;
  };
  return door;
}

Result<CommitOutcome> TestTable::Commit(Call& call, SnapshotChanges changes) {
  SnapshotProducer producer(files_, std::move(changes));
  return CommitWithRetry(call, files_, producer, door());
}

Status TestTable::Change(Call& call, SnapshotOperation operation,
                         const std::vector<DataFile>& added, const std::vector<DataFile>& removed,
                         std::optional<int64_t> sequence) {
  SnapshotChanges changes;
  changes.operation = operation;
  for (const DataFile& file : added) changes.added.push_back({file, sequence});
  for (const DataFile& file : removed) changes.removed_data.push_back(RemovedFile::Of(file));
  if (const auto* head = metadata_->CurrentSnapshot())
    changes.checks.starting_snapshot_id = head->snapshot_id;
  return Commit(call, std::move(changes)).status();
}

RowDeltaPart TestTable::Rows(int32_t day, std::string rows) const {
  RowDeltaPart part;
  part.spec_id = metadata_->default_spec_id;
  part.partition = {Value(day)};
  part.rows = std::move(rows);
  return part;
}

Status TestTable::CommitRows(Call& call, const std::vector<RowDeltaPart>& parts) {
  std::optional<int64_t> head;
  if (const auto* at = metadata_->CurrentSnapshot()) head = at->snapshot_id;
  MORAINE_ASSIGN(auto changes, WriteRowDelta(call, files_, *metadata_, parts, head));
  return Commit(call, std::move(changes)).status();
}

Result<std::string> TestTable::WriteMetadata(Call& call) {
  std::string location =
      fmt::format("{}/metadata/v{}.metadata.json", metadata_->location, ++metadata_files_);
  MORAINE_TRY(io::WriteFile(call, files_, location, TableMetadataToJson(*metadata_)));
  return location;
}

Status TestTable::Append(Call& call, const std::vector<std::string>& names, int32_t day,
                         SnapshotOperation operation) {
  SnapshotChanges changes;
  changes.operation = operation;
  for (const std::string& name : names) changes.added.push_back({Data(name, day), std::nullopt});
  return Commit(call, std::move(changes)).status();
}

DataFile TestTable::Data(const std::string& name, int32_t day) const {
  DataFile file;
  file.file_path = Path(name);
  file.spec_id = metadata_->default_spec_id;
  if (!metadata_->DefaultSpec().fields.empty()) file.partition = {Value(day)};
  file.record_count = 100;
  file.file_size_in_bytes = 1000;
  file.sort_order_id = 0;
  Describe(Type::Primitive(TypeKind::kLong), 1, int64_t{0}, int64_t{99}, &file);
  Describe(Type::Primitive(TypeKind::kInt), 2, day, day, &file);
  return file;
}

DataFile TestTable::PositionDeletes(const std::string& name, const std::string& about,
                                    int32_t day) const {
  DataFile file;
  file.content = FileContent::kPositionDeletes;
  file.file_path = Path(name);
  file.spec_id = metadata_->default_spec_id;
  if (!metadata_->DefaultSpec().fields.empty()) file.partition = {Value(day)};
  file.record_count = 5;
  file.file_size_in_bytes = 50;
  if (!about.empty()) file.referenced_data_file = Path(about);
  return file;
}

DataFile TestTable::EqualityDeletes(const std::string& name, int32_t day, int64_t low,
                                    int64_t high) const {
  DataFile file = PositionDeletes(name, "", day);
  file.content = FileContent::kEqualityDeletes;
  file.equality_ids = {1};
  file.sort_order_id = 0;
  Describe(Type::Primitive(TypeKind::kLong), 1, low, high, &file);
  return file;
}

DataFile TestTable::DeletionVector(const std::string& puffin, const std::string& about, int32_t day,
                                   int64_t offset) const {
  DataFile file = PositionDeletes(puffin, about, day);
  file.format = FileFormat::kPuffin;
  file.content_offset = offset;
  file.content_size_in_bytes = 40;
  return file;
}

Result<std::vector<std::string>> TestTable::Scan(Call& call, const std::string& filter,
                                                 const std::string& branch) const {
  std::vector<std::string> lines;
  const Snapshot* snapshot = metadata_->FindRef(branch);
  if (snapshot == nullptr) return lines;
  ExpressionPtr expression;
  if (!filter.empty()) {
    MORAINE_ASSIGN(expression, ParseFilter(filter));
  }
  auto visit = [&](FileTask& task) -> Status {
    std::string deletes;
    for (const DeleteEntryPtr& one : task.deletes) {
      deletes += (deletes.empty() ? "" : ",") + ShortName(one->file.file_path);
    }
    lines.push_back(fmt::format("{} seq={} deletes=[{}]", ShortName(task.file().file_path),
                                task.sequence_number(), deletes));
    return {};
  };
  MORAINE_TRY(PlanFiles(call, files_, *metadata_, *snapshot, expression, {}, visit));
  std::sort(lines.begin(), lines.end());
  return lines;
}

Result<std::vector<ManifestFile>> TestTable::Manifests(Call& call) const {
  return LoadManifests(call, files_, *metadata_, current());
}

Result<std::vector<std::string>> TestTable::Entries(Call& call) const {
  MORAINE_ASSIGN(std::vector<ManifestFile> manifests, Manifests(call));
  std::vector<std::string> lines;
  ManifestReadOptions options;
  options.deleted_entries = true;
  for (const ManifestFile& manifest : manifests) {
    MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(*metadata_, manifest));
    MORAINE_TRY(ReadManifest(call, files_, manifest, *spec, metadata_->CurrentSchema(), options,
                             [&](ManifestEntry& entry) -> Status {
                               lines.push_back(fmt::format(
                                   "{} {} {} seq={} file_seq={} {}",
                                   manifest.content == ManifestContent::kData ? "data" : "deletes",
                                   StatusText(entry.status), ShortName(entry.file.file_path),
                                   entry.sequence_number.value_or(-1),
                                   entry.file_sequence_number.value_or(-1),
                                   entry.snapshot_id == current().snapshot_id ? "mine" : "older"));
                               return {};
                             }));
  }
  return lines;
}

}  // namespace moraine::iceberg
