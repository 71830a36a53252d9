#include "moraine/server/server.h"

#include <atomic>

#include <fmt/format.h>
#include <unistd.h>

#include "moraine/api/service.h"
#include "moraine/base/executor.h"
#include "moraine/catalog/catalog.h"
#include "moraine/catalog/warehouse_files.h"
#include "moraine/events/service.h"
#include "moraine/maintenance/controls.h"
#include "moraine/maintenance/service.h"
#include "moraine/net/http_client.h"
#include "moraine/net/http_server.h"
#include "moraine/optimizing/service.h"
#include "moraine/rest/service.h"
#include "moraine/scanning/scans.h"
#include "moraine/server/metrics_page.h"
#include "moraine/server/options.h"
#include "moraine/server/process_metrics.h"
#include "moraine/server/purge_loop.h"
#include "moraine/server/request_metrics.h"
#include "moraine/worker/optimizer.h"

namespace moraine::server {
namespace {

constexpr Millis kStartLimit{120'000};
/// Clocks of servers and clients may differ.
constexpr Millis kKeyGrace{5 * 60'000};
constexpr Millis kTrimInterval{60'000};
constexpr Millis kTrimLimit{60'000};
constexpr Millis kLastWritesLimit{5'000};
/// Of what receivers of events answer nothing is read but the status.
constexpr size_t kReceiverAnswerBytes = 1 << 20;

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

/// Of this run of this process, for leases: readable, and unlike any other.
std::string RunName(Call& call) {
  return fmt::format("{}:{}:{}", HostName().substr(0, 100), getpid(),
                     MakeUuid(call.random()).substr(0, 8));
}

}  // namespace

/// In the order in which they are made; destroyed the other way round.
struct Server::Parts {
  Parts(const Env& env_in, const Config& config_in) : env(env_in), config(config_in) {
    AddProcessMetrics(metrics);
  }

  Status OpenAll(Call& call, const catalog::Warehouse& warehouse);
  Status OpenMaintenance(Call& call, const std::string& run_name);
  Status OpenEvents(Call& call);
  Status Serve(net::ServerOptions options, catalog::StorageKeys keys);
  void StartEvents();
  void StartOptimizing();
  void StartMaintenance();
  void StartTrimming();

  const Env env;
  const Config config;
  Metrics metrics;
  RequestMetrics request_metrics{metrics};
  MetricsPage metrics_page{metrics};
  std::unique_ptr<store::Database> database;
  catalog::WarehouseFiles warehouse_files;
  io::FileSystem* const files = &warehouse_files.view();
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<optimizing::Service> optimizing;
  std::unique_ptr<maintenance::Controls> controls;
  std::unique_ptr<maintenance::Service> maintenance;
  std::unique_ptr<net::HttpTransport> event_http;
  std::unique_ptr<events::Service> events;
  std::unique_ptr<scanning::Scans> scans;
  std::unique_ptr<rest::Service> rest;
  std::unique_ptr<api::Service> api;
  net::Router router{RefusalOf};
  std::atomic<net::HttpServer*> serving{nullptr};  ///< http, once it is made
  std::unique_ptr<net::HttpServer> http;
  std::atomic<bool> draining{false};
  std::stop_source stop;
  std::vector<Thread> threads;
};

Status Server::Parts::OpenAll(Call& call, const catalog::Warehouse& warehouse) {
  MORAINE_ASSIGN(auto own_files, catalog::OpenWarehouseFiles(warehouse));
  MORAINE_TRY(catalog::ProbeWarehouse(call, *own_files, warehouse));
  store::StoreOptions store_options;
  store_options.busy_timeout = config.Duration("store.busy-timeout");
  store_options.connect_timeout = config.Duration("store.connect-timeout");
  store_options.connections = static_cast<int>(config.Number("store.connections"));
  store_options.metrics = &metrics;
  auto opened = store::OpenDatabase(call, config.Text("store.url"), store_options);
  if (opened.status().code() == Code::kUnsupported) {
    return std::move(opened).status().WithCode(Code::kInvalidArgument).Annotate("store.url");
  }
  if (!opened.ok()) return std::move(opened).status().Annotate("store.url");
  database = std::move(*opened);
  catalog::CatalogOptions catalog_options;
  catalog_options.metadata_cache_bytes = config.Number("catalog.metadata-cache");
  catalog_options.max_metadata_bytes = config.Number("catalog.max-metadata");
  catalog_options.drop_hold = config.Duration("catalog.drop-hold-time");
  catalog_options.history_retention = config.Duration("catalog.history-retention");
  catalog_options.metrics = &metrics;
  catalog = std::make_unique<catalog::Catalog>(*database, *files, catalog_options);
  MORAINE_TRY(catalog->Open(call));
  warehouse_files.Follow(
      [this](Call& asking,
             catalog::WarehouseFiles::Freshness freshness) -> Result<catalog::WarehousesPtr> {
        if (freshness == catalog::WarehouseFiles::Freshness::kNow)
          MORAINE_TRY(catalog->Warehouses(asking).status());
        return catalog->CurrentWarehouses(asking);
      });
  MORAINE_TRY(catalog->PutWarehouse(call, warehouse));
  optimizing::Options optimizing_options = OptimizingOptions(config);
  optimizing_options.metrics = &metrics;
  optimizing_options.server = RunName(call);
  optimizing =
      std::make_unique<optimizing::Service>(*catalog, *files, *database, optimizing_options);
  scans = std::make_unique<scanning::Scans>(*files, *database, ScanOptionsOf(config));
  MORAINE_TRY(scans->Open(call));
  MORAINE_TRY(optimizing->Open(call));
  MORAINE_TRY(OpenMaintenance(call, optimizing_options.server));
  return OpenEvents(call);
}

Status Server::Parts::OpenMaintenance(Call& call, const std::string& run_name) {
  MORAINE_ASSIGN(auto control_options, MaintenanceControls(config));
  control_options.metrics = &metrics;
  controls = std::make_unique<maintenance::Controls>(*catalog, *database, control_options);
  maintenance::Options options = MaintenanceOptions(config);
  options.metrics = &metrics;
  options.server = run_name;
  maintenance = std::make_unique<maintenance::Service>(
      *catalog, *files, *database, optimizing->queue(), options, controls->MakeSeams(),
      maintenance::MakeActions());
  controls->OnAsked([this] { maintenance->Wake(); });
  return maintenance->Open(call);
}

Status Server::Parts::OpenEvents(Call& call) {
  MORAINE_ASSIGN(auto options, EventOptions(config));
  options.metrics = &metrics;
  options.owner = std::to_string(getpid()) + "@" + HostName();
  net::HttpClientOptions client;
  client.response_limit_bytes = kReceiverAnswerBytes;
  event_http = net::MakeHttpClient(client);
  events = std::make_unique<events::Service>(*catalog, *database, *event_http, options);
  AddStreamMetric(metrics, [this] { return events->streams(); });
  return events->Open(call);
}

Status Server::Parts::Serve(net::ServerOptions options, catalog::StorageKeys keys) {
  rest::ServiceOptions rest_options;
  rest_options.idempotency_key_lifetime = config.Duration("catalog.idempotency-key-lifetime");
  rest_options.scans = scans.get();
  rest = std::make_unique<rest::Service>(*catalog, std::move(rest_options));
  rest->Register(router);
  api = std::make_unique<api::Service>(*catalog, *files, *optimizing, env.clock.Wall());
  api->TellOptimizers(keys);
  api->CheckNewWarehouses([](Call& asking, const catalog::Warehouse& warehouse) -> Status {
    MORAINE_ASSIGN(auto own_files, catalog::OpenWarehouseFiles(warehouse));
    return catalog::ProbeWarehouse(asking, *own_files, warehouse);
  });
  api->ServeEvents(*events);
  api->ServeMaintenance(*controls);
  api->Register(router);
  optimizing->queue().OnWork([this] { api->WakePolls(); });
  catalog->OnChange([this] {
    optimizing->Wake();
    maintenance->Wake();
    events->Announce();
  });
  router.Add(net::Method::kGet, "/health",
             [](Call&, const net::Request&, const net::PathParams&) -> net::Answer {
               return net::Response::Json(200, R"({"status":"ok"})");
             });
  router.Add(net::Method::kGet, "/health/ready",
             [this](Call&, const net::Request&, const net::PathParams&) -> net::Answer {
               return draining ? net::Response::Json(503, R"({"status":"stopping"})")
                               : net::Response::Json(200, R"({"status":"ready"})");
             });
  router.Add(net::Method::kGet, "/metrics",
             [this](Call& call, const net::Request&, const net::PathParams&) -> net::Answer {
               auto counts = optimizing::CountAll(call, *database, *catalog);
               const net::HttpServer* server = serving.load();
               // Requests come as soon as the server is made, before anyone has it in hand.
               auto stats = server == nullptr ? net::ServerStats() : server->stats();
               return net::Response::Text(200, metrics_page.Text(counts, stats));
             });
  options.on_refused = [this](std::string_view reason) { request_metrics.CountRefusal(reason); };
  options.quick = [this](const net::Request& request) { return rest->Quick(request); };
  options.on_finished = [this](const net::RequestRecord& record) { request_metrics.Count(record); };
  MORAINE_ASSIGN(http, net::HttpServer::Start(env, std::move(options), router.AsHandler()));
  serving = http.get();
  return {};
}

/// Hears of changes by other servers, and sends events to webhooks.
void Server::Parts::StartEvents() {
  threads.emplace_back("events", [this](std::stop_token) { events->Run(env, stop.get_token()); });
}

/// Forgets the keys of requests that can't come again, and old reports of engines.
void Server::Parts::StartTrimming() {
  threads.emplace_back("purge",
                       [this](std::stop_token) { RunPurges(env, stop.get_token(), *catalog); });
  threads.emplace_back("trimming", [this](std::stop_token) {
    const Millis kept = config.Duration("catalog.idempotency-key-lifetime") + kKeyGrace;
    while (!stop.stop_requested()) {
      Call call(env, kTrimLimit, stop.get_token());
      int64_t before_ms = ToMillis(env.clock.Wall()) - kept.count();
      Status trimmed = catalog->request_keys().Trim(call, before_ms);
      if (!trimmed.ok() && !stop.stop_requested()) {
        env.log.Warn("old request keys stay", {{"error", trimmed.ToString()}});
      }
      before_ms = ToMillis(env.clock.Wall()) - config.Duration("catalog.report-retention").count();
      trimmed = catalog->TrimReports(call, before_ms);
      if (trimmed.ok()) {
        before_ms =
            ToMillis(env.clock.Wall()) - config.Duration("catalog.scan-usage-retention").count();
        trimmed = catalog->TrimScanUsage(call, before_ms);
      }
      if (!trimmed.ok() && !stop.stop_requested()) {
        env.log.Warn("old reports stay", {{"error", trimmed.ToString()}});
      }
      env.clock.SleepFor(kTrimInterval, stop.get_token());
    }
  });
}

void Server::Parts::StartOptimizing() {
  if (!config.Switch("optimizing.enabled")) {
    threads.emplace_back("watch",
                         [this](std::stop_token) { optimizing->Watch(env, stop.get_token()); });
    return;
  }
  threads.emplace_back("optimizing",
                       [this](std::stop_token) { optimizing->Run(env, stop.get_token()); });
  if (config.Number("optimizer.threads") == 0) return;
  worker::OptimizerOptions options;
  options.group = config.Text("optimizer.group");
  options.threads = static_cast<int32_t>(config.Number("optimizer.threads"));
  options.memory_bytes = config.Number("optimizer.memory");
  options.spill_folder = config.Text("optimizer.spill-dir");
  options.embedded = true;
  options.host = HostName();
  options.pid = getpid();
  threads.emplace_back("optimizer", [this, options](std::stop_token) {
    worker::RunOptimizer(env, stop.get_token(), optimizing->queue(), *files, options);
  });
}

void Server::Parts::StartMaintenance() {
  if (!config.Switch("maintenance.enabled")) return;
  threads.emplace_back("maintenance",
                       [this](std::stop_token) { maintenance->Run(env, stop.get_token()); });
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() { Stop(); }

Result<std::unique_ptr<Server>> Server::Start(const Env& env, const Config& config) {
  // What needs nothing but the settings is refused before anything is opened.
  MORAINE_ASSIGN(auto http_options, HttpOptions(config));
  MORAINE_ASSIGN(auto warehouse, WarehouseOf(config));
  MORAINE_TRY(CheckSpillFolder(config));
  MORAINE_TRY(EventOptions(config));
  MORAINE_TRY(MaintenanceControls(config));
  MORAINE_ASSIGN(auto keys, KeysForOptimizers(config));
  auto parts = std::make_unique<Parts>(env, config);
  Call call(env, kStartLimit);
  MORAINE_TRY(parts->OpenAll(call, warehouse));
  MORAINE_TRY(parts->Serve(std::move(http_options), keys));
  parts->StartEvents();
  parts->StartTrimming();
  parts->StartOptimizing();
  parts->StartMaintenance();
  env.log.Info("serving", {{"url", parts->http->base_url()},
                           {"version", MORAINE_VERSION},
                           {"store", store::RedactUrl(config.Text("store.url"))},
                           {"warehouse", config.Text("warehouse.root")}});
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

std::string Server::base_url() const { return parts_->http->base_url(); }

void Server::Stop() {
  if (parts_->stop.stop_requested()) return;
  parts_->draining = true;
  parts_->env.log.Info("stopping", {});
  // Others take over the work at once, while requests are still served here.
  parts_->stop.request_stop();
  parts_->optimizing->Wake();
  parts_->maintenance->Wake();
  parts_->events->Announce();
  parts_->env.clock.SleepFor(parts_->config.Duration("server.drain-delay"), {});
  parts_->http->Stop(parts_->config.Duration("server.shutdown-grace"));
  for (auto& thread : parts_->threads) thread.Join();
  // What scans asked for in the last seconds waits in the catalog; nothing is older than the epoch.
  Call last(parts_->env, kLastWritesLimit);
  static_cast<void>(parts_->catalog->TrimScanUsage(last, 0));
  parts_->env.log.Info("stopped", {});
}

}  // namespace moraine::server
