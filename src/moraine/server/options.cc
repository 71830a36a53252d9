#include "moraine/server/options.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "moraine/api/service.h"
#include "moraine/base/text.h"
#include "moraine/io/scratch_file.h"
#include "moraine/net/uri.h"
#include "moraine/rest/errors.h"
#include "moraine/server/s3_settings.h"

namespace moraine::server {
namespace {

constexpr char kDefaultWarehouse[] = "default";
constexpr uint16_t kDefaultPort = 1630;

bool IsAddress(const std::string& host) {
  in6_addr address;
  return host == "localhost" || inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

net::ClientLimitOptions ClientLimitsOf(const Config& config) {
  net::ClientLimitOptions limits;
  limits.rate = static_cast<double>(config.Number("server.client-rate"));
  limits.burst = static_cast<double>(config.Number("server.client-burst"));
  limits.requests = static_cast<size_t>(config.Number("server.client-requests"));
  limits.connections = static_cast<size_t>(config.Number("server.client-connections"));
  limits.trusted_proxies = config.List("server.trusted-proxies");
  return limits;
}

Status CheckProxies(const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    if (address != "localhost" && IsAddress(address)) continue;
    return InvalidArgument(
        fmt::format("server.trusted-proxies: expected IP addresses, got {}", address));
  }
  return {};
}

Result<std::string> ReadToken(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  std::string token;
  std::error_code error;
  if (!file || std::filesystem::is_directory(path, error))
    return InvalidArgument(fmt::format("server.token-file: can't read {}", path));
  std::getline(file, token);
  token = Trim(token);
  if (token.empty())
    return InvalidArgument(fmt::format("server.token-file: the first line of {} is empty", path));
  return token;
}

/// "key=value" items of a list. Errors: InvalidArgument naming the setting.
Result<iceberg::StringMap> PairsOf(const Config& config, std::string_view key,
                                   std::string_view prefix) {
  iceberg::StringMap pairs;
  for (const auto& item : config.List(key)) {
    size_t equals = item.find('=');
    if (equals == 0 || equals == item.npos) {
      return InvalidArgument(
          fmt::format("{}: expected PROPERTY=VALUE, got '{}'", key, item.substr(0, 200)));
    }
    pairs[fmt::format("{}{}", prefix, Trim(item.substr(0, equals)))] =
        Trim(std::string_view(item).substr(equals + 1));
  }
  return pairs;
}

catalog::ClientAccess ClientAccessOf(const Config& config) {
  catalog::ClientAccess clients;
  clients.send_credentials = config.Switch("warehouse.send-credentials");
  clients.remote_signing = config.Switch("warehouse.remote-signing");
  for (auto [setting, property] :
       {std::pair("warehouse.client-access-key-id", "s3.access-key-id"),
        std::pair("warehouse.client-secret-access-key", "s3.secret-access-key"),
        std::pair("warehouse.client-session-token", "s3.session-token")}) {
    const std::string& value = config.Text(setting);
    if (!value.empty()) clients.credentials[property] = value;
  }
  return clients;
}

}  // namespace

Result<net::ServerOptions> HttpOptions(const Config& config) {
  net::ServerOptions options;
  const std::string& address = config.Text("server.listen");
  auto listen = net::ParseHostPort(address);
  if (!listen.ok()) return std::move(listen).status().Annotate("server.listen");
  if (!IsAddress(listen->host)) {
    return InvalidArgument(fmt::format(
        "server.listen: expected an IP address or localhost, with a port, got {}", address));
  }
  options.address = listen->host;
  // ":0" asks for any free port; no port at all for the usual one.
  bool any_port = address.ends_with(":0");
  options.port = listen->port == 0 && !any_port ? kDefaultPort : listen->port;
  MORAINE_ASSIGN(options.guards.bearer_token, ReadToken(config.Text("server.token-file")));
  if (!net::IsLoopback(listen->host) && options.guards.bearer_token.empty()) {
    return InvalidArgument(
        fmt::format("server.listen: {} can be reached from other machines, so a bearer token is "
                    "needed: set server.token-file"
                    " (--token-file), or listen on 127.0.0.1",
                    address));
  }
  options.guards.host_names = config.List("server.host-names");
  options.guards.allowed_origins = config.List("server.allowed-origins");
  options.request_threads = static_cast<size_t>(config.Number("server.request-threads"));
  options.request_queue_limit = static_cast<size_t>(config.Number("server.request-queue"));
  options.request_deadline = config.Duration("server.request-timeout");
  options.body_limit_bytes = static_cast<size_t>(config.Number("server.max-body"));
  options.connection_limit = static_cast<size_t>(config.Number("server.max-connections"));
  options.bodies_limit_bytes = static_cast<size_t>(config.Number("server.max-bodies"));
  options.idle_timeout = config.Duration("server.idle-timeout");
  options.header_timeout = config.Duration("server.header-timeout");
  options.body_timeout = config.Duration("server.body-timeout");
  options.write_timeout = config.Duration("server.write-timeout");
  options.client_limits = ClientLimitsOf(config);
  MORAINE_TRY(CheckProxies(options.client_limits.trusted_proxies));
  options.refuse = RefusalOf;
  return options;
}

Result<catalog::StorageKeys> KeysForOptimizers(const Config& config) {
  constexpr char kKey[] = "optimizer.send-storage-credentials";
  const std::string& text = config.Text(kKey);
  if (!text.empty() && text != "true" && text != "false") {
    return InvalidArgument(fmt::format("{}: expected true, false or nothing, got {}", kKey, text));
  }
  MORAINE_ASSIGN(auto listen, net::ParseHostPort(config.Text("server.listen")));
  // Where nobody has to show a token, every process of the machine could ask for them.
  bool is_safe = net::IsLoopback(listen.host) && !config.Text("server.token-file").empty();
  bool sends_keys = text.empty() ? is_safe : text == "true";
  return sends_keys ? catalog::StorageKeys::kWith : catalog::StorageKeys::kWithout;
}

net::Response RefusalOf(const net::Refusal& refusal, std::string_view path) {
  bool iceberg = path == "/iceberg" || path.starts_with("/iceberg/");
  return iceberg ? rest::RefusalOf(refusal, path) : api::RefusalOf(refusal);
}

Result<catalog::Warehouse> WarehouseOf(const Config& config) {
  catalog::Warehouse warehouse;
  warehouse.name = kDefaultWarehouse;
  warehouse.from_settings = true;
  warehouse.root = config.Text("warehouse.root");
  warehouse.allowed_locations = config.List("warehouse.allowed-locations");
  MORAINE_TRY(catalog::CheckedLocation("warehouse.root", warehouse.root).status());
  for (const auto& location : warehouse.allowed_locations) {
    MORAINE_TRY(catalog::CheckedLocation("warehouse.allowed-locations", location).status());
  }
  MORAINE_ASSIGN(warehouse.storage, StorageOf(config));
  warehouse.clients = ClientAccessOf(config);
  MORAINE_ASSIGN(warehouse.defaults, PairsOf(config, "warehouse.table-defaults", "table-default."));
  MORAINE_ASSIGN(warehouse.overrides,
                 PairsOf(config, "warehouse.table-overrides", "table-override."));
  auto checked = catalog::CheckedWarehouse(std::move(warehouse));
  if (!checked.ok()) return std::move(checked).status().Annotate("warehouse");
  return checked;
}

Status CheckSpillFolder(const Config& config) {
  const std::string& folder = config.Text("optimizer.spill-dir");
  if (folder.empty()) return {};
  auto made = io::ScratchFile::Make(folder);
  if (made.ok()) return {};
  return InvalidArgument(fmt::format("optimizer.spill-dir: {}", made.status().message()));
}

scanning::ScanOptions ScanOptionsOf(const Config& config) {
  scanning::ScanOptions options;
  options.page.files = config.Number("scan.files-per-answer");
  options.plan_lifetime = config.Duration("scan.plan-lifetime");
  options.submit_from_bytes = config.Number("scan.submit-from");
  options.list_cache_bytes = config.Number("scan.manifest-list-cache");
  return options;
}

optimizing::Options OptimizingOptions(const Config& config) {
  optimizing::Options options;
  options.refresh_interval = config.Duration("optimizing.refresh-interval");
  options.lease_length = config.Duration("optimizing.lease");
  options.heartbeat_interval = config.Duration("optimizing.heartbeat-interval");
  options.heartbeat_timeout = config.Duration("optimizing.heartbeat-timeout");
  options.acknowledge_timeout = config.Duration("optimizing.acknowledge-timeout");
  options.task_timeout = config.Duration("optimizing.task-timeout");
  options.poll_timeout = config.Duration("optimizing.poll-timeout");
  options.backoff_first = config.Duration("optimizing.retry-first");
  options.backoff_last = config.Duration("optimizing.retry-last");
  options.max_input_per_thread_bytes = config.Number("optimizing.max-input-per-thread");
  options.process_retention = config.Duration("optimizing.process-retention");
  options.feed_retention = config.Duration("events.retention");
  options.job_share = static_cast<double>(config.Number("maintenance.thread-share")) / 100;
  return options;
}

maintenance::Options MaintenanceOptions(const Config& config) {
  maintenance::Options options;
  options.lease_length = config.Duration("optimizing.lease");
  options.task_timeout = config.Duration("optimizing.task-timeout");
  options.backoff_first = config.Duration("maintenance.retry-first");
  options.backoff_last = config.Duration("maintenance.retry-last");
  options.history_retention = config.Duration("maintenance.history-retention");
  options.threads = static_cast<size_t>(config.Number("maintenance.threads"));
  return options;
}

Result<maintenance::ControlOptions> MaintenanceControls(const Config& config) {
  maintenance::ControlOptions options;
  options.task_timeout = config.Duration("optimizing.task-timeout");
  options.holds.default_length = config.Duration("maintenance.hold-length");
  options.holds.most_length = config.Duration("maintenance.hold-most");
  options.holds.warn_after = config.Duration("maintenance.hold-warn-after");
  if (options.holds.default_length > options.holds.most_length)
    return InvalidArgument("maintenance.hold-length: expected at most maintenance.hold-most");
  TimeZones zones;
  auto zone = zones.Find(config.Text("maintenance.time-zone"));
  if (!zone.ok())
    return std::move(zone)
        .status()
        .WithCode(Code::kInvalidArgument)
        .Annotate("maintenance.time-zone");
  options.properties["maintenance.time-zone"] = config.Text("maintenance.time-zone");
  const std::string window = config.Text("maintenance.window");
  if (Status status = maintenance::ParseWindows(window, *zone, zones).status();
      !window.empty() && !status.ok())
    return std::move(status).Annotate("maintenance.window");
  if (!window.empty()) options.properties["maintenance.window"] = window;
  for (upkeep::Action action : upkeep::kActions) {
    if (action == upkeep::Action::kPurgeTable) continue;
    const std::string key = fmt::format("maintenance.{}", upkeep::ActionName(action));
    const std::string text = config.Text(key);
    if (Status status = maintenance::Timetable::Parse(text, *zone, zones).status(); !status.ok())
      return std::move(status).Annotate(key);
    options.properties[maintenance::ScheduleProperty(action)] = text;
  }
  for (const std::string& entry : config.List("maintenance.properties")) {
    const size_t equals = entry.find('=');
    const std::string name(Trim(std::string_view(entry).substr(0, equals)));
    if (equals == std::string::npos || !maintenance::IsPolicyProperty(name))
      return InvalidArgument(
          fmt::format("maintenance.properties: '{}' is no NAME=VALUE of maintenance", entry));
    options.properties[name] = std::string(Trim(std::string_view(entry).substr(equals + 1)));
  }
  return options;
}

Result<events::Options> EventOptions(const Config& config) {
  events::Options options;
  options.source = config.Text("events.source");
  if (options.source.empty() || options.source.find_first_of(" \t\"<>\\") != std::string::npos)
    return InvalidArgument("events.source: expected a URI, such as /moraine");
  options.retention = config.Duration("events.retention");
  options.poll_interval = config.Duration("events.poll-interval");
  options.heartbeat = config.Duration("events.heartbeat-interval");
  options.max_streams = static_cast<size_t>(config.Number("events.max-streams"));
  options.allowed_hosts = config.List("events.webhook-hosts");
  options.delivery_threads = static_cast<size_t>(config.Number("events.webhook-threads"));
  options.delivery_timeout = config.Duration("events.webhook-timeout");
  options.retry_first = config.Duration("events.webhook-retry-first");
  options.retry_last = config.Duration("events.webhook-retry-last");
  options.max_failures = static_cast<int>(config.Number("events.webhook-max-failures"));
  return options;
}

}  // namespace moraine::server
