// moraine server and moraine optimizer: processes that run until a signal stops them.

#include <memory>

#include <fmt/format.h>
#include <unistd.h>

#include "moraine/base/text.h"
#include "moraine/cli/commands.h"
#include "moraine/cli/optimizer_fence.h"
#include "moraine/cli/signals.h"
#include "moraine/io/s3_options.h"
#include "moraine/io/scratch_file.h"
#include "moraine/server/s3_settings.h"
#include "moraine/server/server.h"
#include "moraine/server/settings.h"
#include "moraine/worker/http_task_transport.h"
#include "moraine/worker/optimizer.h"

namespace moraine::cli {
namespace {

constexpr int64_t kLeastThreadMemory = int64_t{64} << 20;

Result<std::unique_ptr<Logger>> OpenLog(const LogFlags& flags) {
  LogOptions options;
  MORAINE_ASSIGN(options.level, LogLevelFromName(flags.level));
  if (flags.format != "text" && flags.format != "json") {
    return InvalidArgument(fmt::format("log format: expected text or json, got {}", flags.format));
  }
  options.format = flags.format == "json" ? LogFormat::kJson : LogFormat::kText;
  options.file = flags.file;
  return OpenLogger(options);
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

}  // namespace

Status RunServerProcess(Console& console, const ServerFlags& flags) {
  if (flags.print_config) {
    console.out(Config(server::Settings()).SampleYaml());
    return {};
  }
  MORAINE_ASSIGN(auto config, server::LoadSettings({flags.config_file, flags.values}));

  StopOnSignals signals;
  MORAINE_ASSIGN(auto log, OpenLog({config.Text("log.level"), config.Text("log.format"),
                                    config.Text("log.file")}));
  Env env = SystemEnv(*log);
  MORAINE_ASSIGN(auto server, server::Server::Start(env, config));
  signals.Wait();
  log->Info("stopping", {});
  server->Stop();
  return {};
}

Status RunOptimizerProcess(const OptimizerFlags& flags) {
  worker::OptimizerOptions options;
  options.group = flags.group;
  options.threads = flags.threads;
  auto memory = ParseByteSize(flags.memory);
  if (!memory.ok()) return std::move(memory).status().Annotate("--memory");
  if (*memory < kLeastThreadMemory) {
    return InvalidArgument(
        fmt::format("--memory: expected at least 64MiB a thread, got {}", flags.memory));
  }
  options.memory_bytes = *memory;
  options.spill_folder = flags.spill_folder;
  if (!flags.spill_folder.empty()) {
    auto made = io::ScratchFile::Make(flags.spill_folder);
    if (!made.ok()) {
      return InvalidArgument(fmt::format("--spill-dir: {}", made.status().message()));
    }
  }
  options.host = HostName();
  options.pid = getpid();
  std::vector<std::string> servers;
  for (auto text : Split(flags.connection.server, ',')) {
    servers.emplace_back(Trim(text));
    auto url = net::ParseUrl(servers.back());
    if (!url.ok()) return std::move(url).status().Annotate("--server");
  }
  MORAINE_ASSIGN(auto token, ReadTokenFile(flags.connection.token_file));
  MORAINE_ASSIGN(auto config, server::LoadSettings({flags.config_file, {}}));
  iceberg::StringMap s3 = server::S3Properties(config);
  MORAINE_TRY(io::S3OptionsOf(s3).status());
  OptimizerFence::Options fence_options{.allowed_locations = flags.allowed_locations,
                                        .s3 = std::move(s3),
                                        .server = flags.connection.server,
                                        .sends_token = !token.empty()};
  Status locations = OptimizerFence::Check(fence_options);
  if (!locations.ok()) return std::move(locations).Annotate("--allowed-location");

  StopOnSignals signals;
  MORAINE_ASSIGN(auto log, OpenLog(flags.log));
  Env env = SystemEnv(*log);
  net::HttpClientOptions http_options;
  http_options.idle_connections = static_cast<size_t>(flags.threads) + 2;
  auto http = net::MakeHttpClient(http_options);
  auto transport = worker::MakeHttpTaskTransport(*http, std::move(servers), token);
  log->Info("optimizer starts", {{"server", flags.connection.server},
                                 {"group", flags.group},
                                 {"threads", flags.threads},
                                 {"version", MORAINE_VERSION}});
  std::stop_source stop;
  std::stop_callback on_signal(signals.token(), [&] { stop.request_stop(); });
  OptimizerFence fence(*transport, std::move(fence_options), stop);
  worker::RunOptimizer(env, stop.get_token(), fence.transport(), fence.files(), options);
  log->Info("optimizer stopped", {});
  return fence.outcome();
}

}  // namespace moraine::cli
