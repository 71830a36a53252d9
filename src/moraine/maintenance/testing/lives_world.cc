#include "moraine/maintenance/testing/lives_world.h"

#include <utility>

#include "moraine/base/check.h"
#include "moraine/catalog/lifecycle.h"
#include "moraine/maintenance/schema.h"
#include "moraine/optimizing/schema.h"
#include "moraine/store/testing/test_database.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::maintenance {
namespace {

void MustBeOk(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

/// An action that is asked with what a bug has changed.
class BuggyAction final : public Action {
 public:
  BuggyAction(std::unique_ptr<Action> inner, const PlantedBug& bug)
      : inner_(std::move(inner)), bug_(bug) {}
  upkeep::Action action() const override { return inner_->action(); }
  Result<Step> Start(Call& call, const RunContext& context) override {
    RunContext changed = context;
    bug_.context(action(), &changed);
    return inner_->Start(call, changed);
  }
  Result<Step> Continue(Call& call, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    RunContext changed = context;
    bug_.context(action(), &changed);
    return inner_->Continue(call, changed, results);
  }

 private:
  const std::unique_ptr<Action> inner_;
  const PlantedBug& bug_;
};

catalog::CatalogOptions OptionsOfCatalog() {
  catalog::CatalogOptions options;
  options.drop_hold = kLivesDropHold;
  return options;
}

}  // namespace

LivesWorld::LivesWorld(uint64_t seed, const PlantedBug& bug) : random_(seed), bug_(bug) {
  Call call = this->call();
  store_ = store::MakeTestDatabase(call);
  server_store_ = std::make_unique<FatefulDatabase>(*store_, server_fate_);
  engine_ = std::make_unique<catalog::Catalog>(*store_, files_, OptionsOfCatalog());
  MustBeOk(engine_->Open(call));
  catalog::Warehouse warehouse;
  warehouse.name = kLivesWarehouse;
  warehouse.root = "file:///wh";
  MustBeOk(engine_->PutWarehouse(call, warehouse));
  MustBeOk(engine_->CreateNamespace(call, kLivesWarehouse, {"ns"}, {}));
  MustBeOk(store::Migrate(call, *store_, "optimizing", optimizing::Migrations()));
  MustBeOk(store::Migrate(call, *store_, "maintenance", Migrations()));
  worker_queue_ = std::make_unique<optimizing::TaskQueue>(*store_, optimizing::Options());
  Restart();
}

void LivesWorld::Restart() {
  server_fate_.Lift();
  service_.reset();
  cleaner_.reset();
  catalog_ = std::make_unique<catalog::Catalog>(*server_store_, server_files_, OptionsOfCatalog());
  queue_ = std::make_unique<optimizing::TaskQueue>(*server_store_, optimizing::Options());
  shards_ = std::make_unique<store::Shards>(*server_store_, store::ShardOptions());
  cleaner_ =
      std::make_unique<optimizing::AttemptCleaner>(server_files_, *shards_, optimizing::Options());
  Seams seams;
  seams.holds_of = [this](Call&, const catalog::LoadedTable& table,
                          int64_t) -> Result<std::vector<upkeep::SnapshotHold>> {
    std::vector<upkeep::SnapshotHold> out;
    const auto found = holds.find(table.table_id);
    if (found != holds.end()) out.push_back({"held", {found->second}, std::nullopt});
    return out;
  };
  auto actions = MakeActions();
  if (bug_.context) {
    for (auto& action : actions) action = std::make_unique<BuggyAction>(std::move(action), bug_);
  }
  service_ = std::make_unique<Service>(*catalog_, server_files_, *server_store_, *queue_, Options(),
                                       std::move(seams), std::move(actions));
}

bool LivesWorld::Tick() {
  Call call = this->call();
  static_cast<void>(queue_->ReclaimTick(call));
  auto busy = service_->Tick(call);
  static_cast<void>(cleaner_->Tick(call));
  static_cast<void>(catalog::Lifecycle(*catalog_).PurgeTick(call));
  return busy.ok() && *busy;
}

bool LivesWorld::TakeToken() {
  Call call = this->call();
  if (!token_.empty() && worker_queue_->Heartbeat(call, {token_, {}}).ok()) return true;
  auto registered = worker_queue_->Register(call, {.threads = 4});
  if (!registered.ok()) return false;
  token_ = registered->token;
  return true;
}

bool LivesWorld::RunTask(bool laid_by, std::string* kind) {
  if (!TakeToken()) return false;
  Call call = this->call();
  auto handed = worker_queue_->TryPoll(call, token_, 0);
  if (!handed.ok() || !*handed) return false;
  if (!worker_queue_->Acknowledge(call, token_, (*handed)->key).ok()) return false;
  *kind = tasks::KindOfTask((*handed)->task_json).value();
  if (laid_by) {
    laid_by_.push_back(**handed);
  } else {
    Run(**handed);
  }
  return true;
}

bool LivesWorld::RunLaidBy(size_t which) {
  if (which >= laid_by_.size()) return false;
  const tasks::HandedTask handed = laid_by_[which];
  laid_by_.erase(laid_by_.begin() + static_cast<std::ptrdiff_t>(which));
  Run(handed);
  return true;
}

void LivesWorld::Run(const tasks::HandedTask& handed) {
  Call call = this->call();
  auto task = tasks::MaintenanceTaskFromJson(handed.task_json).value();
  if (bug_.task) bug_.task(&task);
  files_.on_open = bug_.read;
  auto output = upkeep::RunMaintenanceTask(call, worker_files_, task, {}, nullptr);
  files_.on_open = nullptr;
  if (worker_fate_.dead()) {
    token_.clear();
  } else {
    tasks::TaskReport report{token_, handed.key, std::nullopt, "", ""};
    if (output.ok()) {
      report.output_json = tasks::MaintenanceOutputToJson(*output);
    } else {
      report.error_code = CodeName(output.status().code());
      report.error = output.status().message();
    }
    static_cast<void>(worker_queue_->Report(call, report));
  }
  worker_fate_.Lift();
}

void LivesWorld::Calm() {
  laid_by_.clear();
  holds.clear();
  worker_fate_.Lift();
  files_.HideFrom(std::nullopt);
  files_.ShowDeleted(false);
  Restart();
}

}  // namespace moraine::maintenance
