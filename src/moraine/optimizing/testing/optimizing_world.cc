#include "moraine/optimizing/testing/optimizing_world.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/optimizing/schema.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::optimizing {
namespace {

using iceberg::Type;
using iceberg::TypeKind;
using store::Access;
using store::RunFor;
using store::Transaction;

constexpr char kWarehouse[] = "w";
/// Behind the rows of a file, which is as long as it says.
constexpr char kPadding = ' ';

void MustBeOk(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

catalog::TableName NameOf(const std::string& name) { return {{"ns"}, name}; }

std::string ReadAll(Call& call, io::FileSystem& files, const std::string& path) {
  auto bytes = io::ReadFile(call, files, path, int64_t{1} << 20);
  if (bytes.ok()) return bytes->substr(0, bytes->find(kPadding));
  ADD_FAILURE() << "the table names a file that is not there: " << path;
  return "";
}

}  // namespace

OptimizingWorld::OptimizingWorld(testing::FaultInjector* faults)
    : faults_(faults != nullptr ? faults : &own_faults_) {
  Call call = this->call();
  store_ = store::MakeTestDatabase(call);
  faulty_store_ = std::make_unique<store::FaultyDatabase>(*store_, *faults_);
  faulty_files_ = std::make_unique<io::FaultyFileSystem>(disk_, *faults_);
  engine_ = std::make_unique<catalog::Catalog>(*store_, disk_, catalog::CatalogOptions());
  MustBeOk(engine_->Open(call));
  catalog::Warehouse warehouse;
  warehouse.name = kWarehouse;
  warehouse.root = "file:///wh";
  MustBeOk(engine_->PutWarehouse(call, warehouse));
  MustBeOk(engine_->CreateNamespace(call, kWarehouse, {"ns"}, {}));
  MustBeOk(store::Migrate(call, *store_, "optimizing", Migrations()));
  options_.refresh_interval = Millis(0);
  Restart();
}

void OptimizingWorld::Restart() {
  parts_.reset();
  catalog_ =
      std::make_unique<catalog::Catalog>(*faulty_store_, *faulty_files_, catalog::CatalogOptions());
  parts_ = std::make_unique<Parts>(*catalog_, *faulty_files_, *faulty_store_, options_);
}

int64_t OptimizingWorld::MakeTable(const std::string& name, iceberg::StringMap properties) {
  catalog::CreateTable create;
  create.name = NameOf(name);
  create.schema = iceberg::Schema(
      0,
      {{.id = 1, .name = "id", .required = true, .type = Type::Primitive(TypeKind::kLong)},
       {.id = 2, .name = "data", .required = false, .type = Type::Primitive(TypeKind::kString)}});
  create.spec.fields.push_back({{1}, 1000, "id", iceberg::Transform::Identity()});
  create.properties = {{"self-optimizing.minor.trigger.file-count", "2"},
                       {"self-optimizing.min-plan-interval", "0"},
                       {"self-optimizing.hot-partition-delay", "0"}};
  for (auto& [key, value] : properties) create.properties[key] = value;
  Call call = this->call();
  return engine_->Create(call, kWarehouse, create).value()->table_id;
}

catalog::LoadedTablePtr OptimizingWorld::Load(const std::string& name) {
  Call call = this->call();
  return engine_->Load(call, kWarehouse, NameOf(name)).value();
}

iceberg::DataFile OptimizingWorld::DataFile(const std::string& table, const std::string& name,
                                            int64_t partition) {
  iceberg::DataFile file;
  file.file_path = fmt::format("{}/data/{}.parquet", Load(table)->metadata->location, name);
  file.partition = {iceberg::Value(partition)};
  file.record_count = 10;
  file.file_size_in_bytes = 1000;
  if (!disk_.Has(file.file_path)) disk_.Put(file.file_path, name, 0);
  return file;
}

iceberg::DataFile OptimizingWorld::PositionDeletes(const std::string& table,
                                                   const std::string& name,
                                                   const iceberg::DataFile& about) {
  auto file = DataFile(table, name, 0);
  file.content = iceberg::FileContent::kPositionDeletes;
  file.partition = about.partition;
  file.record_count = 1;
  file.referenced_data_file = about.file_path;
  return file;
}

iceberg::DataFile OptimizingWorld::EqualityDeletes(const std::string& table,
                                                   const std::string& name, int64_t partition) {
  auto file = DataFile(table, name, partition);
  file.content = iceberg::FileContent::kEqualityDeletes;
  file.equality_ids = {1};
  file.record_count = 1;
  return file;
}

Status OptimizingWorld::Commit(const std::string& table, iceberg::SnapshotChanges changes) {
  Call call = this->call();
  auto loaded = Load(table);
  iceberg::SnapshotProducer producer(disk_, std::move(changes));
  MORAINE_ASSIGN(auto prepared, producer.Prepare(call, loaded->metadata));
  return engine_->Commit(call, kWarehouse, NameOf(table), prepared.request, nullptr).status();
}

Status OptimizingWorld::Append(const std::string& table, const std::vector<std::string>& names,
                               int64_t partition) {
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kFastAppend;
  for (const auto& name : names)
    changes.added.push_back({DataFile(table, name, partition), std::nullopt});
  return Commit(table, std::move(changes));
}

Status OptimizingWorld::Remove(const std::string& table, const iceberg::DataFile& file) {
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kDelete;
  changes.removed_data.push_back(iceberg::RemovedFile::Of(file));
  return Commit(table, std::move(changes));
}

Status OptimizingWorld::RollBack(const std::string& table, int64_t snapshot_id) {
  Call call = this->call();
  iceberg::CommitRequest request;
  request.updates = {
      iceberg::update::SetSnapshotRef{iceberg::kMainBranch, {.snapshot_id = snapshot_id}}};
  return engine_->Commit(call, kWarehouse, NameOf(table), request, nullptr).status();
}

Status OptimizingWorld::Expire(const std::string& table, const std::vector<int64_t>& snapshots) {
  Call call = this->call();
  iceberg::CommitRequest request;
  request.updates = {iceberg::update::RemoveSnapshots{snapshots}};
  return engine_->Commit(call, kWarehouse, NameOf(table), request, nullptr).status();
}

Status OptimizingWorld::Tick() {
  Call call = this->call();
  Status first;
  auto note = [&](const Status& status) {
    if (first.ok()) first = status;
  };
  note(parts_->monitor.FeedTick(call).status());
  note(parts_->queue.ReclaimTick(call));
  note(parts_->committer.CommitTick(call).status());
  note(parts_->monitor.RefreshTick(call, 100).status());
  note(parts_->planner.PlanTick(call).status());
  note(parts_->committer.CleanTick(call));
  return first;
}

const std::string& OptimizingWorld::token() {
  if (token_.empty()) {
    Call call = this->call();
    TaskQueue queue(*store_, options_);
    token_ = queue.Register(call, {.threads = 4}).value().token;
  }
  return token_;
}

std::optional<tasks::TaskReport> OptimizingWorld::RunOneTask() {
  Call call = this->call();
  TaskQueue queue(*store_, options_);
  auto handed = queue.TryPoll(call, token(), 0).value();
  if (!handed) return std::nullopt;
  MustBeOk(queue.Acknowledge(call, token(), handed->key));
  auto task = tasks::RewriteTaskFromJson(handed->task_json).value();
  tasks::RewriteOutput output;
  iceberg::DataFile file;
  file.file_path = task.OutputPrefix() + "0.parquet";
  file.partition = task.partition;
  std::string names;
  for (const auto& input : task.rewrite) {
    file.record_count += input.file.record_count;
    file.file_size_in_bytes += input.file.file_size_in_bytes;
    names += (names.empty() ? "" : ",") + ReadAll(call, disk_, input.file.file_path);
  }
  names.resize(static_cast<size_t>(file.file_size_in_bytes), kPadding);
  disk_.Put(file.file_path, names, 0);
  output.data_files = {file};
  tasks::TaskReport report;
  report.token = token();
  report.key = handed->key;
  report.output_json = tasks::RewriteOutputToJson(output, task);
  return report;
}

size_t OptimizingWorld::RunTasks() {
  size_t count = 0;
  while (auto report = RunOneTask()) {
    Call call = this->call();
    MustBeOk(parts_->queue.Report(call, *report));
    ++count;
  }
  return count;
}

std::vector<iceberg::DataFile> OptimizingWorld::LiveFiles(const std::string& table) {
  Call call = this->call();
  catalog::Catalog fresh(*store_, disk_, catalog::CatalogOptions());
  auto loaded = fresh.Load(call, kWarehouse, NameOf(table)).value();
  const auto& metadata = *loaded->metadata;
  std::vector<iceberg::DataFile> live;
  const auto* snapshot = metadata.CurrentSnapshot();
  if (snapshot == nullptr) return live;
  auto manifests = iceberg::ReadManifestList(call, disk_, snapshot->manifest_list).value();
  for (const auto& manifest : manifests) {
    MustBeOk(
        iceberg::ReadManifest(call, disk_, manifest, *metadata.FindSpec(manifest.partition_spec_id),
                              metadata.CurrentSchema(), {}, [&](iceberg::ManifestEntry& entry) {
                                if (entry.is_live()) live.push_back(entry.file);
                                return Status();
                              }));
  }
  return live;
}

std::vector<std::string> OptimizingWorld::Names(const std::string& table) {
  Call call = this->call();
  std::vector<std::string> names;
  for (const auto& file : LiveFiles(table)) {
    std::string text = ReadAll(call, disk_, file.file_path);
    if (file.content != iceberg::FileContent::kData) continue;
    for (auto name : Split(text, ',')) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> OptimizingWorld::Leftovers(const std::string& table) {
  std::set<std::string> live;
  for (const auto& file : LiveFiles(table)) live.insert(file.file_path);
  std::vector<std::string> left;
  std::string folder = Load(table)->metadata->location + "/data/";
  for (const auto& location : disk_.Locations()) {
    if (location.starts_with(folder) && !live.contains(location)) left.push_back(location);
  }
  return left;
}

std::optional<Process> OptimizingWorld::LastProcess() {
  Call call = this->call();
  auto recent = RunFor(call, *store_, Access::kRead, [&](Transaction& t) {
                  return RecentProcesses(t, 0, 1);
                }).value();
  if (recent.empty()) return std::nullopt;
  return recent[0];
}

std::optional<TableState> OptimizingWorld::State(int64_t table_id) {
  Call call = this->call();
  return RunFor(call, *store_, Access::kRead,
                [&](Transaction& t) { return FindTableState(t, table_id); })
      .value();
}

}  // namespace moraine::optimizing
