#include "moraine/maintenance/testing/maintenance_world.h"

#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/check.h"
#include "moraine/maintenance/schema.h"
#include "moraine/optimizing/schema.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr char kWarehouse[] = "w";

void MustBeOk(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

catalog::TableName NameOf(const std::string& name) { return {{"ns"}, name}; }

class ScriptedAction final : public Action {
 public:
  explicit ScriptedAction(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  upkeep::Action action() const override { return script_->action; }
  Result<Step> Start(Call&, const RunContext& context) override { return script_->start(context); }
  Result<Step> Continue(Call&, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    return script_->go_on(context, results);
  }

 private:
  const std::shared_ptr<Script> script_;
};

}  // namespace

MaintenanceWorld::MaintenanceWorld(testing::FaultInjector* faults)
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
  MustBeOk(store::Migrate(call, *store_, "optimizing", optimizing::Migrations()));
  MustBeOk(store::Migrate(call, *store_, "maintenance", Migrations()));
  script_->start = [](const RunContext&) -> Result<Step> {
    return Step(Nothing{"nothing is old enough", std::nullopt});
  };
  Restart();
}

std::unique_ptr<Service> MaintenanceWorld::MakeService(catalog::Catalog& catalog,
                                                       store::Database& database,
                                                       optimizing::TaskQueue& queue,
                                                       io::FileSystem& files) {
  std::vector<std::unique_ptr<Action>> actions;
  actions.push_back(std::make_unique<ScriptedAction>(script_));
  return std::make_unique<Service>(catalog, files, database, queue, options_, seams_,
                                   std::move(actions));
}

void MaintenanceWorld::Restart() {
  service_.reset();
  catalog_ =
      std::make_unique<catalog::Catalog>(*faulty_store_, *faulty_files_, catalog::CatalogOptions());
  queue_ = std::make_unique<optimizing::TaskQueue>(*store_, optimizing::Options());
  service_ = MakeService(*catalog_, *faulty_store_, *queue_, *faulty_files_);
}

std::unique_ptr<Service> MaintenanceWorld::AnotherService() {
  return MakeService(*engine_, *store_, *queue_, disk_);
}

catalog::LoadedTablePtr MaintenanceWorld::MakeTable(const std::string& name,
                                                    iceberg::StringMap properties) {
  catalog::CreateTable create;
  create.name = NameOf(name);
  create.schema =
      iceberg::Schema(0, {{.id = 1,
                           .name = "id",
                           .required = true,
                           .type = iceberg::Type::Primitive(iceberg::TypeKind::kLong)}});
  create.properties = std::move(properties);
  Call call = this->call();
  return engine_->Create(call, kWarehouse, create).value();
}

catalog::LoadedTablePtr MaintenanceWorld::Load(const std::string& name) {
  Call call = this->call();
  return engine_->Load(call, kWarehouse, NameOf(name)).value();
}

Status MaintenanceWorld::SetProperty(const std::string& table, const std::string& key,
                                     const std::string& value) {
  Call call = this->call();
  iceberg::CommitRequest request;
  request.updates.emplace_back(iceberg::update::SetProperties{{{key, value}}});
  return engine_->Commit(call, kWarehouse, NameOf(table), request, nullptr).status();
}

Status MaintenanceWorld::Drop(const std::string& table, catalog::Catalog::Purge purge) {
  Call call = this->call();
  return engine_->Drop(call, kWarehouse, NameOf(table), purge);
}

void MaintenanceWorld::Settle() {
  for (int i = 0; i < 50; ++i) {
    Call call = this->call();
    auto busy = service_->Tick(call);
    ASSERT_TRUE(busy.ok()) << busy.status().ToString();
    if (!*busy) return;
  }
  ADD_FAILURE() << "the service does not come to rest";
}

size_t MaintenanceWorld::RunTasks(
    const std::function<Result<tasks::MaintenanceOutput>(const tasks::MaintenanceTask&)>& answer) {
  Call call = this->call();
  if (token_.empty()) token_ = queue_->Register(call, {}).value().token;
  (void)queue_->Heartbeat(call, {token_, {}});
  for (size_t done = 0;; ++done) {
    auto handed = queue_->TryPoll(call, token_, 0).value();
    if (!handed) return done;
    MustBeOk(queue_->Acknowledge(call, token_, handed->key));
    const auto task = tasks::MaintenanceTaskFromJson(handed->task_json).value();
    Result<tasks::MaintenanceOutput> output = tasks::MaintenanceOutput{.result = "{}"};
    if (answer) output = answer(task);
    tasks::TaskReport report{token_, handed->key, std::nullopt, "", ""};
    if (output.ok()) {
      report.output_json = tasks::MaintenanceOutputToJson(*output);
    } else {
      report.error_code = CodeName(output.status().code());
      report.error = output.status().message();
    }
    MustBeOk(queue_->Report(call, report));
  }
}

std::string MaintenanceWorld::Ask(const std::string& table, bool dry_run) {
  Call call = this->call();
  auto asked = service_->Request(call, *Load(table), script_->action, {.dry_run = dry_run});
  EXPECT_TRUE(asked.ok()) << asked.status().ToString();
  return asked.ok() ? *asked : "";
}

std::optional<Schedule> MaintenanceWorld::ScheduleOf(int64_t table_id) {
  Call call = this->call();
  return RunFor(call, *store_, Access::kRead,
                [&](Transaction& t) { return FindSchedule(t, table_id, script_->action); })
      .value();
}

std::vector<MaintenanceRun> MaintenanceWorld::Runs() {
  Call call = this->call();
  return RunFor(call, *store_, Access::kRead,
                [&](Transaction& t) { return RecentRuns(t, 0, {}, "", 1'000); })
      .value();
}

std::vector<DeletionRow> MaintenanceWorld::Deletions() {
  Call call = this->call();
  return RunFor(call, *store_, Access::kRead,
                [&](Transaction& t) { return RecentDeletions(t, 0, 1'000); })
      .value();
}

int64_t MaintenanceWorld::Count(const std::string& table) {
  Call call = this->call();
  return RunFor(call, *store_, Access::kRead,
                [&](Transaction& t) -> Result<int64_t> {
                  MORAINE_ASSIGN(auto rows,
                                 t.Query(fmt::format("SELECT COUNT(*) FROM {}", table), {}));
                  return rows.at(0).Int(0);
                })
      .value();
}

}  // namespace moraine::maintenance
