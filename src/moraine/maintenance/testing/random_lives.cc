#include "moraine/maintenance/testing/random_lives.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/maintenance/testing/lives_model.h"
#include "moraine/maintenance/testing/lives_world.h"

namespace moraine::maintenance {
namespace {

using iceberg::DataFile;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using iceberg::Type;
using iceberg::TypeKind;
using upkeep::Action;

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;
/// Of files that a writer has not committed yet: younger than the limit for orphans.
constexpr int64_t kWriterLimitMs = 40 * kHourMs;
constexpr const char* kNames[] = {"a", "b", "c"};

/// A commit that was prepared, and is to be made later.
struct Writer {
  std::string table;
  int64_t table_id = 0;
  std::string branch;
  std::vector<std::string> files;
  LifeRows rows;  ///< that it adds
  std::unique_ptr<iceberg::SnapshotProducer> producer;
  iceberg::CommitRequest request;
  int64_t begun_ms = 0;
};

/// A table that was staged, with rows: made by its commit.
struct Creation {
  std::string name;
  catalog::LoadedTablePtr staged;
  std::vector<std::string> files;
  LifeRows rows;
  iceberg::CommitRequest request;
  int64_t begun_ms = 0;
};

/// A data file with its deletes, as a snapshot has it.
struct LiveFile {
  DataFile file;
  LifeRows rows;  ///< that are not deleted
  std::vector<DataFile> deletes;
};

class Lives {
 public:
  Lives(uint64_t seed, const LivesOptions& options)
      : options_(options),
        random_(seed),
        world_(seed, options.bug),
        model_(world_.disk(), &report_) {}

  LivesReport Live() {
    for (int i = 0; i < 3; ++i) Create();
    Check();
    for (int i = 0; i < options_.steps && report_.faults.empty(); ++i) {
      step_ = i;
      TakeStep();
      Check();
    }
    Call call = world_.call();
    if (report_.faults.empty()) model_.CheckAll(call, world_.now_ms());
    if (report_.faults.empty() && options_.quiet_end) Quiet();
    return std::move(report_);
  }

 private:
  // --- chance
  int64_t Below(int64_t limit) {
    return static_cast<int64_t>(random_.Next() % static_cast<uint64_t>(limit));
  }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  std::string SomeName() { return kNames[Below(std::size(kNames))]; }
  LifeTable* SomeTable() {
    std::vector<LifeTable*> live;
    for (auto& table : model_.tables()) {
      if (table.live) live.push_back(&table);
    }
    if (live.empty()) return nullptr;
    return live[static_cast<size_t>(Below(static_cast<int64_t>(live.size())))];
  }
  std::string SomeBranch(const LifeTable& table) {
    std::vector<std::string> names = {iceberg::kMainBranch};
    for (const auto& [name, ref] : table.last->metadata->refs) {
      if (ref.type == iceberg::SnapshotRef::Type::kBranch) names.push_back(name);
    }
    return names[static_cast<size_t>(Below(static_cast<int64_t>(names.size())))];
  }
  const iceberg::Snapshot* SomeSnapshot(const LifeTable& table) {
    const auto& all = table.last->metadata->snapshots;
    if (all.empty()) return nullptr;
    return all[static_cast<size_t>(Below(static_cast<int64_t>(all.size())))].get();
  }

  // --- notes
  void Note(std::string line) {
    report_.history.push_back(fmt::format("{}: {}", step_, std::move(line)));
  }
  static catalog::TableName NameOf(const std::string& name) { return {{"ns"}, name}; }
  catalog::ObjectRef RefOf(const std::string& name) {
    return {catalog::ObjectKind::kTable, kLivesWarehouse, {"ns"}, name};
  }

  // --- files
  std::string PutRows(const LifeTable& table, const char* kind, const LifeRows& rows) {
    const std::string path =
        fmt::format("{}/data/{}{}.parquet", table.last->metadata->location, kind, ++files_made_);
    world_.disk().Put(path, RowsToBytes(rows), world_.now_ms());
    return path;
  }
  static DataFile FileOf(const std::string& path, const LifeRows& rows, int64_t part) {
    DataFile file;
    file.file_path = path;
    file.partition = {iceberg::Value(part)};
    file.record_count = static_cast<int64_t>(rows.size());
    file.file_size_in_bytes = 1000;
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (const auto& row : rows) {
      low = std::min(low, TimeOfRow(row));
      high = std::max(high, TimeOfRow(row));
    }
    file.value_counts.emplace_back(2, file.record_count);
    file.null_value_counts.emplace_back(2, 0);
    const auto type = Type::Primitive(TypeKind::kLong);
    file.lower_bounds.emplace_back(2, iceberg::ValueToBytes(*type, iceberg::Value(low)));
    file.upper_bounds.emplace_back(2, iceberg::ValueToBytes(*type, iceberg::Value(high)));
    return file;
  }
  DataFile NewFile(const LifeTable& table, LifeRows* all) {
    LifeRows rows;
    const int64_t time = world_.now_ms() - Below(20) * kDayMs;
    for (int i = 0; i < 3; ++i) rows.insert(fmt::format("{}@{}", ++rows_made_, time));
    all->insert(rows.begin(), rows.end());
    return FileOf(PutRows(table, "d", rows), rows, Below(2));
  }
  std::vector<LiveFile> FilesOf(const LifeTable& table, const iceberg::Snapshot* snapshot) {
    std::vector<LiveFile> out;
    if (snapshot == nullptr) return out;
    Call call = world_.call();
    const auto rows_of = [&](const std::string& path) {
      auto bytes = io::ReadFile(call, world_.disk(), path, int64_t{1} << 20);
      return bytes.ok() ? RowsFromBytes(*bytes) : LifeRows();
    };
    iceberg::ScanOptions scan;
    scan.metrics = iceberg::ScanOptions::Metrics::kAll;
    auto planned =
        iceberg::PlanFiles(call, world_.disk(), *table.last->metadata, *snapshot, nullptr, scan,
                           [&](iceberg::FileTask& task) -> Status {
                             LiveFile one{task.file(), rows_of(task.file().file_path), {}};
                             for (const auto& entry : task.deletes) {
                               for (const auto& row : rows_of(entry->file.file_path))
                                 one.rows.erase(row);
                               one.deletes.push_back(entry->file);
                             }
                             out.push_back(std::move(one));
                             return {};
                           });
    if (!planned.ok()) model_.Fault("an engine can't plan: " + planned.status().ToString());
    return out;
  }

  // --- commits of engines
  LifeRows HeadRows(const LifeTable& table, const std::string& branch) {
    const auto* head = table.last->metadata->FindRef(branch);
    const LifeRows* rows = head == nullptr ? nullptr : model_.RowsOf(head->snapshot_id);
    return rows == nullptr ? LifeRows() : *rows;
  }
  void Took(LifeTable* table, const Result<catalog::LoadedTablePtr>& result, const LifeRows* rows) {
    if (!result.ok()) {
      Note("  refused: " + result.status().ToString());
      return;
    }
    Call call = world_.call();
    model_.Changed(call, table, *result, rows);
  }
  void Commit(LifeTable* table, SnapshotChanges changes, const LifeRows& rows) {
    Call call = world_.call();
    iceberg::SnapshotProducer producer(world_.disk(), std::move(changes));
    auto prepared = producer.Prepare(call, table->last->metadata);
    if (!prepared.ok()) {
      model_.Fault("an engine's commit can't be prepared: " + prepared.status().ToString());
      return;
    }
    Took(table,
         world_.engine().Commit(call, kLivesWarehouse, NameOf(table->name), prepared->request,
                                nullptr),
         &rows);
  }
  void Update(LifeTable* table, iceberg::TableUpdate update) {
    Call call = world_.call();
    iceberg::CommitRequest request;
    request.updates.push_back(std::move(update));
    Took(table,
         world_.engine().Commit(call, kLivesWarehouse, NameOf(table->name), request, nullptr),
         nullptr);
  }

  // --- steps of engines
  bool Create() {
    const std::string name = SomeName();
    if (model_.Find(name) != nullptr) return false;
    const catalog::CreateTable create = SomeTableToBe(name);
    Call call = world_.call();
    auto made = world_.engine().Create(call, kLivesWarehouse, create);
    Note(fmt::format("create {} at {}", name, made.ok() ? (*made)->metadata->location : "nowhere"));
    if (!made.ok()) return true;
    AddTable(*made, name, false);
    return true;
  }
  catalog::CreateTable SomeTableToBe(const std::string& name) {
    catalog::CreateTable create;
    create.name = NameOf(name);
    const auto type = Type::Primitive(TypeKind::kLong);
    create.schema = iceberg::Schema(0, {{.id = 1, .name = "id", .required = true, .type = type},
                                        {.id = 2, .name = "seen", .required = true, .type = type},
                                        {.id = 3, .name = "part", .required = true, .type = type}});
    create.spec.fields.push_back({{3}, 1000, "part", iceberg::Transform::Identity()});
    create.properties = {{"format-version", OneIn(3) ? "3" : "2"},
                         {"clean-orphan-file.enabled", "true"}};
    if (OneIn(3)) create.properties["clean-orphan-file.quarantine"] = "false";
    if (OneIn(2)) {
      create.properties["write.metadata.delete-after-commit.enabled"] = "true";
      create.properties["write.metadata.previous-versions-max"] = "3";
    }
    if (OneIn(3)) create.location = "file:///wh/fixed/" + name;
    if (OneIn(3)) {
      for (const auto& table : model_.tables()) {
        if (!table.live && OneIn(2)) create.location = table.last->metadata->location;
      }
    }
    return create;
  }
  /// A table is staged, and rows are written where it is to be: nobody knows of it yet.
  bool BeginCreation() {
    const std::string name = SomeName();
    if (model_.Find(name) != nullptr || creations_.size() > 1) return false;
    catalog::CreateTable create = SomeTableToBe(name);
    create.stage = true;
    Call call = world_.call();
    auto staged = world_.engine().Create(call, kLivesWarehouse, create);
    Note(fmt::format("stage the table {} at {}", name,
                     staged.ok() ? (*staged)->metadata->location : "nowhere"));
    if (!staged.ok()) return true;
    Creation creation{.name = name, .staged = *staged, .begun_ms = world_.now_ms()};
    LifeTable to_be;
    to_be.last = *staged;
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kFastAppend;
    changes.added.push_back({NewFile(to_be, &creation.rows), std::nullopt});
    creation.files.push_back(changes.added[0].file.file_path);
    iceberg::SnapshotProducer producer(world_.disk(), std::move(changes));
    auto prepared = producer.Prepare(call, (*staged)->metadata);
    if (!prepared.ok()) return true;
    for (auto& path : producer.written_files()) creation.files.push_back(path);
    creation.request = CreationRequest(*(*staged)->metadata, prepared->request);
    creations_.push_back(std::move(creation));
    return true;
  }
  static iceberg::CommitRequest CreationRequest(const iceberg::TableMetadata& metadata,
                                                const iceberg::CommitRequest& snapshot) {
    namespace update = iceberg::update;
    iceberg::CommitRequest request;
    request.requirements = {iceberg::requirement::AssertCreate{}};
    request.updates = {update::AssignUuid{metadata.table_uuid},
                       update::UpgradeFormatVersion{metadata.format_version},
                       update::AddSchema{metadata.CurrentSchema(), {}},
                       update::SetCurrentSchema{iceberg::kLastAdded},
                       update::AddPartitionSpec{*metadata.partition_specs[0]},
                       update::SetDefaultSpec{iceberg::kLastAdded},
                       update::AddSortOrder{{}},
                       update::SetDefaultSortOrder{iceberg::kLastAdded},
                       update::SetLocation{metadata.location},
                       update::SetProperties{metadata.properties}};
    request.updates.insert(request.updates.end(), snapshot.updates.begin(), snapshot.updates.end());
    return request;
  }
  bool EndCreation() {
    if (creations_.empty()) return false;
    const Creation creation = std::move(creations_.front());
    creations_.erase(creations_.begin());
    if (model_.Find(creation.name) != nullptr) return true;
    Call call = world_.call();
    auto made = world_.engine().Commit(call, kLivesWarehouse, NameOf(creation.name),
                                       creation.request, nullptr);
    Note(fmt::format("the staged {} is made: {}", creation.name, made.status().ToString()));
    if (!made.ok()) return true;
    AddTable(*made, creation.name, false);
    ++report_.staged;
    model_.Changed(call, &model_.tables().back(), *made, &creation.rows);
    return true;
  }
  void AddTable(const catalog::LoadedTablePtr& made, const std::string& name, bool registered) {
    LifeTable table;
    table.table_id = made->table_id;
    table.name = name;
    table.last = made;
    table.registered = registered;
    for (auto& other : model_.tables()) {
      if (other.last->metadata->location != made->metadata->location) continue;
      other.shared = true;  // it can't come back
      table.shared = true;
    }
    model_.tables().push_back(std::move(table));
  }
  bool Append() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    SnapshotChanges changes;
    changes.operation = OneIn(2) ? SnapshotOperation::kFastAppend : SnapshotOperation::kAppend;
    changes.branch = SomeBranch(*table);
    LifeRows rows = HeadRows(*table, changes.branch);
    for (int64_t i = 1 + Below(3); i > 0; --i)
      changes.added.push_back({NewFile(*table, &rows), std::nullopt});
    Note(fmt::format("append to {} {}", table->name, changes.branch));
    Commit(table, std::move(changes), rows);
    return true;
  }
  bool Overwrite() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const std::string branch = SomeBranch(*table);
    auto live = FilesOf(*table, table->last->metadata->FindRef(branch));
    if (live.empty()) return false;
    const auto& one = live[static_cast<size_t>(Below(static_cast<int64_t>(live.size())))];
    LifeRows rows = HeadRows(*table, branch);
    for (const auto& row : one.rows) rows.erase(row);
    SnapshotChanges changes;
    changes.branch = branch;
    changes.removed_data.push_back(iceberg::RemovedFile::Of(one.file));
    changes.operation = SnapshotOperation::kDelete;
    if (OneIn(2)) {
      changes.operation = SnapshotOperation::kOverwrite;
      changes.added.push_back({NewFile(*table, &rows), std::nullopt});
    }
    Note(fmt::format("overwrite {} in {} {}", one.file.file_path, table->name, branch));
    Commit(table, std::move(changes), rows);
    return true;
  }
  bool DeleteRows() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const std::string branch = SomeBranch(*table);
    auto live = FilesOf(*table, table->last->metadata->FindRef(branch));
    if (live.empty()) return false;
    const auto& one = live[static_cast<size_t>(Below(static_cast<int64_t>(live.size())))];
    if (one.rows.empty()) return false;
    LifeRows rows = HeadRows(*table, branch);
    const std::string gone = *one.rows.begin();
    rows.erase(gone);
    if (table->last->metadata->format_version >= 3 && OneIn(2)) {
      Note(fmt::format("a vector for {} in {} {}", one.file.file_path, table->name, branch));
      return WriteVectors(table, branch, live, rows, gone);
    }
    DataFile deletes = FileOf(PutRows(*table, "x", {gone}), {gone}, 0);
    deletes.partition = one.file.partition;
    deletes.content = iceberg::FileContent::kPositionDeletes;
    if (OneIn(2) || table->last->metadata->format_version >= 3) {
      deletes.content = iceberg::FileContent::kEqualityDeletes;
      deletes.equality_ids = {1};
    } else {
      deletes.referenced_data_file = one.file.file_path;
    }
    ForgetBounds(&deletes);
    SnapshotChanges changes;
    changes.branch = branch;
    changes.operation = SnapshotOperation::kRowDelta;
    changes.checks.starting_snapshot_id = table->last->metadata->FindRef(branch)->snapshot_id;
    changes.added.push_back({deletes, std::nullopt});
    Note(fmt::format("delete a row of {} in {} {}", one.file.file_path, table->name, branch));
    Commit(table, std::move(changes), rows);
    return true;
  }
  static void ForgetBounds(DataFile* file) {
    file->value_counts.clear();
    file->null_value_counts.clear();
    file->lower_bounds.clear();
    file->upper_bounds.clear();
  }
  /// One Puffin file with the deletion vectors of the row's file and of some others, which replace
  /// those that were there.
  bool WriteVectors(LifeTable* table, const std::string& branch, const std::vector<LiveFile>& live,
                    LifeRows rows, const std::string& gone) {
    SnapshotChanges changes;
    changes.branch = branch;
    changes.operation = SnapshotOperation::kRowDelta;
    changes.checks.starting_snapshot_id = table->last->metadata->FindRef(branch)->snapshot_id;
    LifeRows all;
    std::vector<const LiveFile*> hit;
    for (const auto& one : live) {
      if (one.rows.empty() || (!one.rows.contains(gone) && OneIn(2))) continue;
      hit.push_back(&one);
      const std::string row = one.rows.contains(gone) ? gone : *one.rows.begin();
      rows.erase(row);
      all.insert(row);
      for (const auto& deletes : one.deletes) {
        if (!deletes.is_deletion_vector()) continue;
        changes.removed_deletes.push_back(iceberg::RemovedFile::Of(deletes));
        Call call = world_.call();
        auto bytes = io::ReadFile(call, world_.disk(), deletes.file_path, int64_t{1} << 20);
        if (bytes.ok()) all.merge(RowsFromBytes(*bytes));
      }
    }
    const std::string path = PutRows(*table, "v", all);
    for (size_t i = 0; i < hit.size(); ++i) {
      DataFile vector = FileOf(path, all, 0);
      ForgetBounds(&vector);
      vector.partition = hit[i]->file.partition;
      vector.content = iceberg::FileContent::kPositionDeletes;
      vector.format = iceberg::FileFormat::kPuffin;
      vector.referenced_data_file = hit[i]->file.file_path;
      vector.content_offset = static_cast<int64_t>(4 + 40 * i);
      vector.content_size_in_bytes = 40;
      changes.added.push_back({vector, std::nullopt});
    }
    Commit(table, std::move(changes), rows);
    return true;
  }
  /// Files of one partition become one; their deletes stay behind and dangle, or go, too.
  bool Rewrite() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const std::string branch = SomeBranch(*table);
    const auto* head = table->last->metadata->FindRef(branch);
    auto live = FilesOf(*table, head);
    if (live.size() < 2) return false;
    LifeRows rows;
    SnapshotChanges changes;
    changes.branch = branch;
    changes.operation = SnapshotOperation::kRewriteFiles;
    changes.checks.starting_snapshot_id = head->snapshot_id;
    const auto partition = live[0].file.partition;
    const bool takes_deletes = OneIn(2);
    for (const auto& one : live) {
      if (one.file.partition != partition) continue;
      rows.insert(one.rows.begin(), one.rows.end());
      changes.removed_data.push_back(iceberg::RemovedFile::Of(one.file));
      for (const auto& deletes : one.deletes) {
        const bool is_own = deletes.referenced_data_file == one.file.file_path;
        if (is_own && takes_deletes)
          changes.removed_deletes.push_back(iceberg::RemovedFile::Of(deletes));
      }
    }
    if (rows.empty()) return false;
    DataFile file = FileOf(PutRows(*table, "r", rows), rows, 0);
    file.partition = partition;
    changes.added.push_back({file, head->sequence_number});
    Note(
        fmt::format("rewrite {} files of {} {}", changes.removed_data.size(), table->name, branch));
    Commit(table, std::move(changes), HeadRows(*table, branch));
    return true;
  }
  bool SetRef() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const auto* snapshot = SomeSnapshot(*table);
    if (snapshot == nullptr) return false;
    const bool is_tag = OneIn(2);
    const std::string name = fmt::format("{}{}", is_tag ? "tag" : "branch", Below(2));
    iceberg::SnapshotRef ref;
    ref.snapshot_id = snapshot->snapshot_id;
    ref.type = is_tag ? iceberg::SnapshotRef::Type::kTag : iceberg::SnapshotRef::Type::kBranch;
    Note(fmt::format("{} of {} becomes {}", name, table->name, snapshot->snapshot_id));
    Update(table, iceberg::update::SetSnapshotRef{name, ref});
    return true;
  }
  bool DropRef() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    for (const auto& [name, ref] : table->last->metadata->refs) {
      if (name == iceberg::kMainBranch || OneIn(2)) continue;
      Note(fmt::format("{} of {} is dropped", name, table->name));
      Update(table, iceberg::update::RemoveSnapshotRef{name});
      return true;
    }
    return false;
  }
  /// Main becomes any snapshot that is there: an older one, a branch's head, a staged one.
  bool MoveMain() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const auto* snapshot = SomeSnapshot(*table);
    if (snapshot == nullptr) return false;
    Note(fmt::format("main of {} becomes {}", table->name, snapshot->snapshot_id));
    Update(table, iceberg::update::SetSnapshotRef{iceberg::kMainBranch,
                                                  {.snapshot_id = snapshot->snapshot_id}});
    return true;
  }
  bool RollBack() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    catalog::RollbackTarget target;
    target.version = 1 + Below(table->last->version);
    Call call = world_.call();
    catalog::Lifecycle lifecycle(world_.engine());
    auto done = lifecycle.RollBack(call, kLivesWarehouse, NameOf(table->name), target,
                                   catalog::DryRun::kNo);
    Note(fmt::format("{} goes back to version {}: {}", table->name, *target.version,
                     done.status().ToString()));
    if (done.ok()) Took(table, Load(*table), nullptr);
    return true;
  }
  /// A snapshot that no branch has.
  bool Stage() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kFastAppend;
    LifeRows rows = HeadRows(*table, iceberg::kMainBranch);
    changes.added.push_back({NewFile(*table, &rows), std::nullopt});
    Call call = world_.call();
    iceberg::SnapshotProducer producer(world_.disk(), std::move(changes));
    auto prepared = producer.Prepare(call, table->last->metadata);
    if (!prepared.ok()) return false;
    Note("a staged snapshot of " + table->name);
    Update(table, iceberg::update::AddSnapshot{prepared->snapshot}, &rows);
    return true;
  }
  void Update(LifeTable* table, iceberg::TableUpdate update, const LifeRows* rows) {
    Call call = world_.call();
    iceberg::CommitRequest request;
    request.updates.push_back(std::move(update));
    Took(table,
         world_.engine().Commit(call, kLivesWarehouse, NameOf(table->name), request, nullptr),
         rows);
  }
  bool AddStatistics() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const auto* snapshot = SomeSnapshot(*table);
    if (snapshot == nullptr) return false;
    const std::string path = fmt::format("{}/metadata/{}-{}.stats", table->last->metadata->location,
                                         snapshot->snapshot_id, ++files_made_);
    world_.disk().Put(path, "stats", world_.now_ms());
    Note("statistics of " + table->name);
    if (files_made_ % 2 == 0) {
      Update(table, iceberg::update::SetPartitionStatistics{{snapshot->snapshot_id, path, 5, {}}});
    } else {
      Update(table, iceberg::update::SetStatistics{{snapshot->snapshot_id, path, 5}});
    }
    return true;
  }
  bool BeginWriting() {
    LifeTable* table = SomeTable();
    if (table == nullptr || writers_.size() > 2) return false;
    Writer writer;
    writer.table = table->name;
    writer.table_id = table->table_id;
    writer.branch = SomeBranch(*table);
    writer.begun_ms = world_.now_ms();
    SnapshotChanges changes;
    changes.operation = OneIn(2) ? SnapshotOperation::kFastAppend : SnapshotOperation::kAppend;
    changes.branch = writer.branch;
    changes.added.push_back({NewFile(*table, &writer.rows), std::nullopt});
    writer.files.push_back(changes.added[0].file.file_path);
    writer.producer =
        std::make_unique<iceberg::SnapshotProducer>(world_.disk(), std::move(changes));
    Call call = world_.call();
    auto prepared = writer.producer->Prepare(call, table->last->metadata);
    if (!prepared.ok()) return false;
    writer.request = prepared->request;
    for (auto& path : writer.producer->written_files()) writer.files.push_back(path);
    Note(fmt::format("a writer of {} {} begins", writer.table, writer.branch));
    writers_.push_back(std::move(writer));
    return true;
  }
  /// The request as it was prepared; if others were quicker, once more on top of theirs.
  bool EndWriting() {
    if (writers_.empty()) return false;
    Writer writer = std::move(writers_.front());
    writers_.erase(writers_.begin());
    LifeTable* table = model_.Find(writer.table);
    if (table == nullptr || table->table_id != writer.table_id) return false;
    Note(fmt::format("a writer of {} {} commits", writer.table, writer.branch));
    Call call = world_.call();
    for (int attempt = 0; attempt < 2; ++attempt) {
      LifeRows rows = HeadRows(*table, writer.branch);
      rows.insert(writer.rows.begin(), writer.rows.end());
      if (attempt > 0) {
        if (table->last->metadata->FindRef(writer.branch) == nullptr) return true;
        auto prepared = writer.producer->Prepare(call, table->last->metadata);
        if (!prepared.ok()) return true;
        writer.request = prepared->request;
      }
      auto done = world_.engine().Commit(call, kLivesWarehouse, NameOf(table->name), writer.request,
                                         nullptr);
      Took(table, done, &rows);
      if (done.status().code() != Code::kConflict) return true;
    }
    return true;
  }
  bool Garbage() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    world_.disk().Put(
        fmt::format("{}/{}/junk{}.{}", table->last->metadata->location,
                    OneIn(2) ? "data" : "metadata", ++files_made_, OneIn(2) ? "parquet" : "avro"),
        "junk", world_.now_ms() - Below(4) * kDayMs);
    Note("garbage in " + table->name);
    return true;
  }
  bool SetProperty() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    static const std::vector<iceberg::StringMap> kChoices = {
        {{"snapshot.keep.duration", "2h"}},
        {{"snapshot.keep.duration", "3d"}},
        {{"snapshot.keep.min-count", "3"}},
        {{"snapshot.keep.min-count", "1"}},
        {{"history.expire.max-ref-age-ms", "86400000"}},
        {{"history.expire.max-ref-age-ms", "-1"}},
        {{"gc.enabled", "false"}},
        {{"gc.enabled", "true"}},
        {{"tag.auto-create.enabled", "true"}},
        {{"clean-orphan-file.quarantine-hold", "1d"}},
        {{"data-expire.enabled", "true"},
         {"data-expire.field", "seen"},
         {"data-expire.base-on-rule", "CURRENT_TIME"},
         {"data-expire.level", OneIn(2) ? "file" : "partition"},
         {"data-expire.retention-time", "10d"}},
        {{"data-expire.enabled", "false"}},
        {{"table-expire.enabled", "true"}},
    };
    auto choice = kChoices[static_cast<size_t>(Below(static_cast<int64_t>(kChoices.size())))];
    Note(fmt::format("{} gets {}={}", table->name, choice.begin()->first, choice.begin()->second));
    Update(table, iceberg::update::SetProperties{choice});
    return true;
  }

  // --- lives of tables
  bool Drop() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const bool purge = OneIn(2);
    Call call = world_.call();
    Status status = world_.engine().Drop(
        call, kLivesWarehouse, NameOf(table->name),
        purge ? catalog::Catalog::Purge::kRequested : catalog::Catalog::Purge::kNo);
    Note(fmt::format("drop {}{}: {}", table->name, purge ? " and purge" : "", status.ToString()));
    if (!status.ok()) return true;
    table->live = false;
    table->purge = purge;
    table->hold_ends_ms = world_.now_ms() + kLivesDropHold.count();
    return true;
  }
  bool Undrop() {
    for (auto& table : model_.tables()) {
      if (table.live || OneIn(2)) continue;
      const std::string name = OneIn(2) ? table.name : SomeName();
      Call call = world_.call();
      catalog::Lifecycle lifecycle(world_.engine());
      auto dropped = lifecycle.FindDropped(call, catalog::ObjectKind::kTable, table.table_id);
      Status status = dropped.status();
      std::vector<catalog::ObjectRef> left;
      if (status.ok()) {
        status = lifecycle
                     .Undrop(call, *dropped, catalog::TableName{{"ns"}, name}, catalog::DryRun::kNo,
                             &left)
                     .status();
      }
      Note(fmt::format("undrop {} as {}: {}", table.name, name, status.ToString()));
      const bool is_free = model_.Find(name) == nullptr;
      const bool held = world_.now_ms() < table.hold_ends_ms;
      if (!status.ok() && is_free && held && !table.shared)
        model_.Fault("a dropped table does not come back: " + status.ToString());
      if (!status.ok()) return true;
      table.live = true;
      table.name = name;
      table.purge = false;
      Took(&table, Load(table), nullptr);
      model_.CheckAll(call, world_.now_ms());
      return true;
    }
    return false;
  }
  bool Rename() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const std::string name = SomeName();
    Call call = world_.call();
    Status status =
        world_.engine().Rename(call, kLivesWarehouse, NameOf(table->name), NameOf(name));
    Note(fmt::format("{} becomes {}: {}", table->name, name, status.ToString()));
    if (!status.ok() || table->name == name) return true;
    for (auto& writer : writers_) {
      if (writer.table_id == table->table_id) writer.table = name;
    }
    table->name = name;
    Took(table, Load(*table), nullptr);
    return true;
  }
  /// A dropped table's newest metadata file gets a name again.
  bool Register() {
    const std::string name = SomeName();
    if (model_.Find(name) != nullptr) return false;
    for (auto& table : model_.tables()) {
      if (table.live || table.shared || OneIn(2)) continue;
      // One whose purge has begun is nobody's to register.
      Call call = world_.call();
      auto purges = store::RunFor(
          call, world_.server_store(), store::Access::kRead, [&](store::Transaction& t) {
            return RecentRuns(t, table.table_id, upkeep::Action::kPurgeTable, "", 1);
          });
      if (!purges.ok() || !purges->empty()) continue;
      const auto last = table.last;
      auto made =
          world_.engine().Register(call, kLivesWarehouse, NameOf(name), last->metadata_location);
      Note(fmt::format("register the dropped {} as {}: {}", table.name, name,
                       made.status().ToString()));
      if (made.ok()) AddTable(*made, name, true);
      return true;
    }
    return false;
  }

  Result<catalog::LoadedTablePtr> Load(const LifeTable& table) {
    Call call = world_.call();
    return world_.engine().Load(call, kLivesWarehouse, NameOf(table.name));
  }

  // --- steps of Moraine
  void SealFate(Fate& fate, int64_t calls) {
    if (!OneIn(3)) return;
    fate.Seal(static_cast<Fate::Kind>(Below(4)), Below(calls));
  }
  void MakeListingsStale() {
    if (OneIn(4)) world_.files().HideFrom(world_.now_ms() - Below(4) * kDayMs);
    if (OneIn(4)) world_.files().ShowDeleted(true);
  }
  /// While Moraine works an engine does something.
  void MaybeInterrupt(int64_t calls) {
    if (!OneIn(3)) return;
    world_.files().InterruptAfter(Below(calls), [this] {
      Check();
      switch (Below(8)) {
        case 0:
          return static_cast<void>(Append());
        case 1:
          return static_cast<void>(Overwrite());
        case 2:
          return static_cast<void>(Rewrite());
        case 3:
          return static_cast<void>(SetRef());
        case 4:
          return static_cast<void>(MoveMain());
        case 5:
          return static_cast<void>(EndWriting());
        case 6:
          return static_cast<void>(OneIn(2) ? Undrop() : Drop());
        default:
          return static_cast<void>(OneIn(2) ? Stage() : DropRef());
      }
    });
  }
  bool Tick() {
    MakeListingsStale();
    MaybeInterrupt(20);
    SealFate(world_.server_fate(), 60);
    const bool busy = world_.Tick();
    const bool died = world_.server_fate().dead();
    Note(fmt::format("tick{}{}", busy ? "" : " idle", died ? ", dies" : ""));
    report_.crashes += died ? 1 : 0;
    EndStep(died);
    return true;
  }
  bool RunTask() {
    MakeListingsStale();
    MaybeInterrupt(20);
    SealFate(world_.worker_fate(), 30);
    std::string kind;
    const bool lays_by = OneIn(10);
    const bool ran = world_.RunTask(lays_by, &kind);
    if (ran) Note(fmt::format("task {}{}", kind, lays_by ? " is laid by" : ""));
    EndStep(false);
    return ran;
  }
  bool RunLaidBy() {
    if (world_.laid_by() == 0) return false;
    Note("a task that was laid by");
    const bool ran =
        world_.RunLaidBy(static_cast<size_t>(Below(static_cast<int64_t>(world_.laid_by()))));
    EndStep(false);
    return ran;
  }
  void EndStep(bool died) {
    world_.files().HideFrom(std::nullopt);
    world_.files().ShowDeleted(false);
    world_.files().InterruptAfter(-1, nullptr);
    world_.server_fate().Lift();
    world_.worker_fate().Lift();
    if (died || OneIn(20)) world_.Restart();
  }
  bool Ask() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    static constexpr Action kSome[] = {Action::kExpireSnapshots,      Action::kExpireSnapshots,
                                       Action::kCleanOrphanFiles,     Action::kCleanOrphanFiles,
                                       Action::kCleanDanglingDeletes, Action::kRewriteManifests,
                                       Action::kExpireData,           Action::kCreateTags};
    const Action action = kSome[Below(std::size(kSome))];
    Service::Wish wish;
    wish.dry_run = OneIn(10);
    if (action == Action::kCleanOrphanFiles && OneIn(6)) wish.options = R"({"restore":"all"})";
    if (action == Action::kExpireSnapshots && OneIn(3)) wish.options = R"({"max-snapshots":1})";
    Call call = world_.call();
    auto asked = world_.service().Request(call, *table->last, action, wish);
    table->asked_to_expire_data |= action == Action::kExpireData;
    Note(fmt::format("ask {} of {}: {}", upkeep::ActionName(action), table->name,
                     asked.status().ToString()));
    return true;
  }
  bool Hold() {
    LifeTable* table = SomeTable();
    if (table == nullptr) return false;
    const auto* snapshot = SomeSnapshot(*table);
    if (snapshot == nullptr || OneIn(2)) {
      world_.holds.erase(table->table_id);
    } else {
      world_.holds[table->table_id] = snapshot->snapshot_id;
      Note(fmt::format("hold {} of {}", snapshot->snapshot_id, table->name));
    }
    return true;
  }
  bool Wait() {
    static constexpr int64_t kWaits[] = {60'000,       20 * 60'000, kHourMs,
                                         13 * kHourMs, 2 * kDayMs,  8 * kDayMs};
    const int64_t by = kWaits[Below(std::size(kWaits))];
    Note(fmt::format("{} hours pass", by / kHourMs));
    world_.Advance(Millis(by));
    return true;
  }
  /// The server and the worker go on until there is nothing to do.
  bool Settle(int most) {
    for (int i = 0; i < most; ++i) {
      bool busy = world_.Tick();
      std::string kind;
      while (world_.RunTask(false, &kind)) {
        busy = true;
        Check();
      }
      Check();
      if (!busy || !report_.faults.empty()) return true;
    }
    return true;
  }

  void TakeStep() {
    for (int tries = 0; tries < 20; ++tries) {
      if (options_.restless && OneIn(4)) {
        const int64_t which = Below(4);
        if (which == 0 ? Drop() : which == 1 ? Undrop() : which == 2 ? Register() : Wait()) return;
      }
      const int64_t which = Below(100);
      bool done = false;
      if (which < 3)
        done = Create();
      else if (which < 13)
        done = Append();
      else if (which < 17)
        done = Overwrite();
      else if (which < 21)
        done = DeleteRows();
      else if (which < 24)
        done = Rewrite();
      else if (which < 27)
        done = SetRef();
      else if (which < 28)
        done = DropRef();
      else if (which < 30)
        done = MoveMain();
      else if (which < 31)
        done = RollBack();
      else if (which < 33)
        done = OneIn(3) ? BeginCreation() : OneIn(3) ? EndCreation() : Stage();
      else if (which < 36)
        done = BeginWriting();
      else if (which < 39)
        done = EndWriting();
      else if (which < 41)
        done = Garbage();
      else if (which < 44)
        done = SetProperty();
      else if (which < 46)
        done = Drop();
      else if (which < 47)
        done = Undrop();
      else if (which < 48)
        done = Rename();
      else if (which < 49)
        done = Register();
      else if (which < 50)
        done = OneIn(2) ? Hold() : AddStatistics();
      else if (which < 60)
        done = Wait();
      else if (which < 68)
        done = Ask();
      else if (which < 82)
        done = Tick();
      else if (which < 95)
        done = RunTask();
      else if (which < 97)
        done = RunLaidBy();
      else
        done = Settle(3);
      if (done) return;
    }
  }

  // --- checks
  void Check() {
    Call call = world_.call();
    std::erase_if(writers_, [&](const Writer& writer) {
      return writer.begun_ms + kWriterLimitMs < world_.now_ms();
    });
    std::erase_if(creations_, [&](const Creation& creation) {
      return creation.begun_ms + kWriterLimitMs < world_.now_ms();
    });
    for (auto& table : model_.tables()) {
      if (!table.live) continue;
      auto now = Load(table);
      if (!now.ok()) {
        model_.Fault(fmt::format("{} can't be loaded: {}", table.name, now.status().ToString()));
        continue;
      }
      const auto hold = world_.holds.find(table.table_id);
      model_.Maintained(call, &table, *now, hold == world_.holds.end() ? -1 : hold->second);
    }
    std::vector<std::string> others;
    for (const auto& writer : writers_)
      others.insert(others.end(), writer.files.begin(), writer.files.end());
    for (const auto& creation : creations_)
      others.insert(others.end(), creation.files.begin(), creation.files.end());
    model_.CheckDeleted(world_.files().TakeDeleted(), others, world_.now_ms());
  }
  void Quiet() {
    Note("quiet");
    world_.Calm();
    writers_.clear();
    creations_.clear();
    for (auto& table : model_.tables()) {
      if (table.live) Update(&table, iceberg::update::SetProperties{{{"gc.enabled", "true"}}});
    }
    for (int round = 0; round < 6 && report_.faults.empty(); ++round) {
      world_.Advance(Millis(8 * kDayMs));
      Settle(100);
      for (auto& table : model_.tables()) {
        if (!table.live) continue;
        Call call = world_.call();
        static_cast<void>(
            world_.service().Request(call, *table.last, Action::kCleanOrphanFiles, {}));
      }
      Settle(100);
    }
    Call call = world_.call();
    if (report_.faults.empty()) model_.CheckAll(call, world_.now_ms());
    if (report_.faults.empty()) CheckLeftovers();
  }
  /// Of tables that never shared their place.
  void CheckLeftovers() {
    Call call = world_.call();
    const auto named = model_.Named(call, world_.now_ms());
    for (const auto& table : model_.tables()) {
      const bool cleans = table.last->metadata->BoolProperty("gc.enabled", true);
      if (table.shared || !cleans) continue;
      if (table.live) {
        const std::string place = table.last->metadata->location + "/";
        for (const auto& path : world_.disk().Locations()) {
          if (path.starts_with(place) && !named.contains(path))
            model_.Fault(fmt::format("nobody needs {} of {}", path, table.name));
        }
      } else if (table.purge) {
        ++report_.purged;
        for (const auto& path : model_.FilesOf(table)) {
          if (world_.disk().Has(path))
            model_.Fault(fmt::format("nobody needs {} of the dropped {}", path, table.name));
        }
      }
    }
  }

  const LivesOptions options_;
  testing::SeededRandom random_;
  LivesReport report_;
  LivesWorld world_;
  LivesModel model_;
  std::vector<Writer> writers_;
  std::vector<Creation> creations_;
  int step_ = 0;
  int files_made_ = 0;
  int rows_made_ = 0;
};

}  // namespace

LivesReport LiveRandomly(uint64_t seed, const LivesOptions& options) {
  return Lives(seed, options).Live();
}

}  // namespace moraine::maintenance
