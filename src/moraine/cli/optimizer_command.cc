#include "moraine/cli/optimizer_command.h"

#include <cstdio>
#include <fstream>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "moraine/base/executor.h"
#include "moraine/base/text.h"
#include "moraine/cli/run.h"
#include "moraine/cli/signals.h"
#include "moraine/io/allowed.h"
#include "moraine/net/http_client.h"
#include "moraine/net/uri.h"
#include "moraine/worker/http_task_transport.h"
#include "moraine/worker/optimizer.h"

namespace moraine::cli {
namespace {

constexpr char kExamples[] = R"(Examples:
  moraine optimizer --server http://127.0.0.1:1630 --threads 4 --memory 1GiB
  moraine optimizer --server http://10.0.0.5:1630 --token-file token --group nightly
It needs the same files as the server: run it where the warehouse can be reached.)";

struct Flags {
  std::string server = "http://127.0.0.1:1630";
  std::string group = "default";
  int32_t threads = 1;
  std::string memory = "512MiB";
  std::string token_file;
  std::string log_level = "info";
  std::vector<std::string> allowed_locations;
};

Result<std::string> ReadToken(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  std::string token;
  if (!file || !std::getline(file, token))
    return InvalidArgument(fmt::format("--token-file: can't read {}", path));
  return std::string(Trim(token));
}

Status Optimize(const Flags& flags) {
  constexpr int64_t kLeastMemory = int64_t{64} << 20;
  worker::OptimizerOptions options;
  options.group = flags.group;
  options.threads = flags.threads;
  MORAINE_ASSIGN(options.memory_bytes, ParseByteSize(flags.memory));
  if (options.memory_bytes < kLeastMemory) {
    return InvalidArgument(
        fmt::format("--memory: {} is too little, expected at least 64MiB", flags.memory));
  }
  if (auto url = net::ParseUrl(flags.server); !url.ok())
    return std::move(url).status().Annotate("--server");
  MORAINE_ASSIGN(auto token, ReadToken(flags.token_file));
  MORAINE_ASSIGN(auto level, LogLevelFromName(flags.log_level));
  MORAINE_ASSIGN(auto logger, OpenLogger({.level = level}));
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) == 0) options.host = host;
  options.pid = getpid();
  auto files = io::MakeLocalFileSystem();
  if (!flags.allowed_locations.empty()) {
    MORAINE_ASSIGN(files, io::MakeRestrictedFileSystem(std::move(files), flags.allowed_locations));
  }
  auto http = net::MakeHttpClient({});
  auto transport = worker::MakeHttpTaskTransport(*http, flags.server, token);
  BlockStopSignals();
  Env env = SystemEnv(*logger);
  Thread loop("optimizer", [&](std::stop_token stop) {
    worker::RunOptimizer(env, std::move(stop), *transport, *files, options);
  });
  WaitForStopSignal();
  loop.RequestStop();
  loop.Join();
  return {};
}

}  // namespace

void AddOptimizerCommand(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  auto* command =
      app.add_subcommand("optimizer", "Run an optimizer process: takes tasks from a server");
  command->footer(kExamples);
  command->add_option("--server", flags->server, "The server's URL")
      ->capture_default_str()
      ->envname("MORAINE_SERVER");
  command->add_option("--group", flags->group, "Resource group")->capture_default_str();
  command->add_option("--threads", flags->threads, "Tasks at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command->add_option("--memory", flags->memory, "Memory of each thread")->capture_default_str();
  command->add_option("--token-file", flags->token_file, "File with the server's bearer token")
      ->type_name("FILE");
  command
      ->add_option("--allowed-location", flags->allowed_locations,
                   "Only touch files below these (repeatable)")
      ->type_name("URL");
  command->add_option("--log-level", flags->log_level, "debug, info, warn or error")
      ->capture_default_str();
  command->callback([flags, exit_code, command] {
    if (!command->get_subcommands().empty()) return;
    Status status = Optimize(*flags);
    if (!status.ok()) fmt::print(stderr, "moraine optimizer: {}\n", status.message());
    *exit_code = status.ok() ? kDone : status.code() == Code::kInvalidArgument ? kUsage : kFailed;
  });
}

}  // namespace moraine::cli
