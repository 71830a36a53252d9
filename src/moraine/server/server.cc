#include "moraine/server/server.h"

#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "moraine/api/service.h"
#include "moraine/base/executor.h"
#include "moraine/base/text.h"
#include "moraine/catalog/catalog.h"
#include "moraine/io/allowed.h"
#include "moraine/net/http_server.h"
#include "moraine/net/uri.h"
#include "moraine/optimizing/service.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"
#include "moraine/server/metrics_page.h"
#include "moraine/server/settings.h"
#include "moraine/worker/optimizer.h"

namespace moraine::server {
namespace {

constexpr Millis kStartLimit{120'000};
constexpr char kDefaultWarehouse[] = "default";

Result<std::string> ReadToken(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  std::string token;
  if (!file || !std::getline(file, token))
    return InvalidArgument(fmt::format("server.token-file: can't read {}", path));
  token = Trim(token);
  if (token.empty())
    return InvalidArgument(fmt::format("server.token-file: the first line of {} is empty", path));
  return token;
}

Result<net::ServerOptions> HttpOptions(const Config& config, MetricsPage& metrics) {
  net::ServerOptions options;
  auto listen = net::ParseHostPort(config.Text("server.listen"));
  if (!listen.ok()) return std::move(listen).status().Annotate("server.listen");
  options.address = listen->host;
  options.port = listen->port;
  MORAINE_ASSIGN(options.guards.bearer_token, ReadToken(config.Text("server.token-file")));
  if (!net::IsLoopback(listen->host) && options.guards.bearer_token.empty()) {
    return InvalidArgument(
        fmt::format("server.listen: {} can be reached from other machines, so a bearer token is "
                    "needed: set server.token-file"
                    " (--token-file), or listen on 127.0.0.1",
                    config.Text("server.listen")));
  }
  options.guards.host_names = config.List("server.host-names");
  options.guards.allowed_origins = config.List("server.allowed-origins");
  options.request_threads = static_cast<size_t>(config.Number("server.request-threads"));
  options.request_queue_limit = static_cast<size_t>(config.Number("server.request-queue"));
  options.request_deadline = config.Duration("server.request-timeout");
  options.body_limit_bytes = static_cast<size_t>(config.Number("server.max-body"));
  options.connection_limit = static_cast<size_t>(config.Number("server.max-connections"));
  options.refuse = rest::RefusalOf;
  options.on_finished = [&metrics](const net::RequestRecord& record) { metrics.Count(record); };
  return options;
}

optimizing::Options OptimizingOptions(const Config& config) {
  optimizing::Options options;
  options.refresh_interval = config.Duration("optimizing.refresh-interval");
  options.heartbeat_interval = config.Duration("optimizing.heartbeat-interval");
  options.heartbeat_timeout = config.Duration("optimizing.heartbeat-timeout");
  options.acknowledge_timeout = config.Duration("optimizing.acknowledge-timeout");
  options.task_timeout = config.Duration("optimizing.task-timeout");
  options.poll_timeout = config.Duration("optimizing.poll-timeout");
  options.backoff_first = config.Duration("optimizing.retry-first");
  options.backoff_last = config.Duration("optimizing.retry-last");
  options.max_input_per_thread_bytes = config.Number("optimizing.max-input-per-thread");
  options.process_retention = config.Duration("optimizing.process-retention");
  return options;
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

}  // namespace

/// In the order in which they are made; destroyed the other way round.
struct Server::Parts {
  Parts(const Env& env_in, const Config& config_in) : env(env_in), config(config_in) {}

  Status OpenAll(Call& call);
  Status Serve();
  void StartOptimizing();

  const Env env;
  const Config config;
  MetricsPage metrics;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<io::FileSystem> files;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<optimizing::Service> optimizing;
  std::unique_ptr<rest::Service> rest;
  std::unique_ptr<api::Service> api;
  net::Router router{rest::RefusalOf};
  std::unique_ptr<net::HttpServer> http;
  std::stop_source stop;
  std::vector<Thread> threads;
};

Status Server::Parts::OpenAll(Call& call) {
  store::StoreOptions store_options;
  store_options.busy_timeout = config.Duration("store.busy-timeout");
  MORAINE_ASSIGN(database, store::OpenDatabase(call, config.Text("store.url"), store_options));
  catalog::Warehouse warehouse;
  warehouse.name = kDefaultWarehouse;
  warehouse.root = config.Text("warehouse.root");
  warehouse.allowed_locations = config.List("warehouse.allowed-locations");
  std::vector<std::string> roots = warehouse.allowed_locations;
  roots.push_back(warehouse.root);
  auto restricted = io::MakeRestrictedFileSystem(io::MakeLocalFileSystem(), roots);
  if (!restricted.ok()) return std::move(restricted).status().Annotate("warehouse.root");
  files = std::move(*restricted);
  catalog::CatalogOptions catalog_options;
  catalog_options.metadata_cache_bytes = config.Number("catalog.metadata-cache");
  catalog_options.max_metadata_bytes = config.Number("catalog.max-metadata");
  catalog = std::make_unique<catalog::Catalog>(*database, *files, catalog_options);
  MORAINE_TRY(catalog->Open(call));
  MORAINE_TRY(catalog->PutWarehouse(call, warehouse));
  optimizing =
      std::make_unique<optimizing::Service>(*catalog, *files, *database, OptimizingOptions(config));
  return optimizing->Open(call);
}

Status Server::Parts::Serve() {
  rest = std::make_unique<rest::Service>(*catalog, rest::ServiceOptions{});
  rest->Register(router);
  api = std::make_unique<api::Service>(*catalog, *files, *optimizing, env.clock.Wall());
  api->Register(router);
  optimizing->queue().OnWork([this] { api->WakePolls(); });
  catalog->OnChange([this] { optimizing->Wake(); });
  router.Add(net::Method::kGet, "/health",
             [](Call&, const net::Request&, const net::PathParams&) -> net::Answer {
               return net::Response::Json(200, R"({"status":"ok"})");
             });
  router.Add(net::Method::kGet, "/metrics",
             [this](Call& call, const net::Request&, const net::PathParams&) -> net::Answer {
               auto text = metrics.Text(call, *optimizing, http->stats());
               if (!text.ok()) return api::ErrorResponse(text.status());
               return net::Response::Text(200, std::move(*text));
             });
  MORAINE_ASSIGN(auto options, HttpOptions(config, metrics));
  MORAINE_ASSIGN(http, net::HttpServer::Start(env, std::move(options), router.AsHandler()));
  return {};
}

void Server::Parts::StartOptimizing() {
  if (!config.Switch("optimizing.enabled")) return;
  threads.emplace_back("optimizing",
                       [this](std::stop_token) { optimizing->Run(env, stop.get_token()); });
  if (config.Number("optimizer.threads") == 0) return;
  worker::OptimizerOptions options;
  options.group = config.Text("optimizer.group");
  options.threads = static_cast<int32_t>(config.Number("optimizer.threads"));
  options.memory_bytes = config.Number("optimizer.memory");
  options.embedded = true;
  options.host = HostName();
  options.pid = getpid();
  threads.emplace_back("optimizer", [this, options](std::stop_token) {
    worker::RunOptimizer(env, stop.get_token(), optimizing->queue(), *files, options);
  });
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() { Stop(); }

Result<std::unique_ptr<Server>> Server::Start(const Env& env, const Config& config) {
  // What needs nothing but the settings is refused before anything is opened.
  MetricsPage unused;
  MORAINE_TRY(HttpOptions(config, unused).status());
  auto parts = std::make_unique<Parts>(env, config);
  Call call(env, kStartLimit);
  MORAINE_TRY(parts->OpenAll(call));
  MORAINE_TRY(parts->Serve());
  parts->StartOptimizing();
  env.log.Info("serving", {{"url", parts->http->base_url()},
                           {"version", MORAINE_VERSION},
                           {"store", config.Text("store.url")},
                           {"warehouse", config.Text("warehouse.root")}});
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

std::string Server::base_url() const { return parts_->http->base_url(); }

void Server::Stop() {
  if (parts_->stop.stop_requested()) return;
  parts_->stop.request_stop();
  parts_->optimizing->Wake();
  parts_->http->Stop(parts_->config.Duration("server.shutdown-grace"));
  for (auto& thread : parts_->threads) thread.Join();
  parts_->env.log.Info("stopped", {});
}

}  // namespace moraine::server
