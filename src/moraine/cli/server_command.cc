#include "moraine/cli/server_command.h"

#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "moraine/cli/run.h"
#include "moraine/cli/signals.h"
#include "moraine/server/server.h"
#include "moraine/server/settings.h"

namespace moraine::cli {
namespace {

constexpr char kExamples[] = R"(Examples:
  moraine server                                   on 127.0.0.1:1630, in /var/lib/moraine
  moraine server --listen 127.0.0.1:1700 --store sqlite:////srv/m/moraine.db --warehouse file:///srv/m/warehouse
  moraine server --config moraine.yaml --optimizer-threads 4
  moraine server --print-config > moraine.yaml     a commented file with every setting

Every setting can also come from the environment: server.listen is MORAINE_SERVER_LISTEN.)";

struct Flags {
  std::string config_file;
  bool print_config = false;
  /// Setting and flag: flags win over the environment, which wins over the file.
  std::vector<std::pair<std::string, std::string>> settings;
};

Status ReadSettings(const Flags& flags, Config* config) {
  if (!flags.config_file.empty()) MORAINE_TRY(config->LoadFile(flags.config_file));
  MORAINE_TRY(config->LoadEnvironment());
  for (const auto& [key, value] : flags.settings) {
    MORAINE_TRY(config->Set(key, value, "flag"));
  }
  return {};
}

Result<std::unique_ptr<Logger>> LoggerOf(const Config& config) {
  LogOptions options;
  MORAINE_ASSIGN(options.level, LogLevelFromName(config.Text("log.level")));
  if (config.Text("log.format") == "json") options.format = LogFormat::kJson;
  options.file = config.Text("log.file");
  return OpenLogger(options);
}

int Fail(const Status& status) {
  fmt::print(stderr, "moraine server: {}\n", status.message());
  return status.code() == Code::kInvalidArgument || status.code() == Code::kNotFound ? kUsage
                                                                                     : kFailed;
}

int RunServer(const Flags& flags) {
  Config config(server::Settings());
  if (flags.print_config) {
    fmt::print("{}", config.SampleYaml());
    return kDone;
  }
  if (Status read = ReadSettings(flags, &config); !read.ok()) return Fail(read);
  auto logger = LoggerOf(config);
  if (!logger.ok()) return Fail(logger.status());
  BlockStopSignals();
  Env env = SystemEnv(**logger);
  auto server = server::Server::Start(env, config);
  if (!server.ok()) return Fail(server.status());
  WaitForStopSignal();
  (*server)->Stop();
  return kDone;
}

}  // namespace

void AddServerCommand(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  auto* command =
      app.add_subcommand("server", "Run the server: catalog, optimizing, embedded optimizer");
  command->footer(kExamples);
  command->add_option("--config", flags->config_file, "YAML file with settings")->type_name("FILE");
  command->add_flag("--print-config", flags->print_config,
                    "Print a commented sample of all settings and exit");
  auto setting = [&](const std::string& flag, const std::string& key, const std::string& type,
                     const std::string& help) {
    command
        ->add_option_function<std::string>(
            flag,
            [flags, key](const std::string& value) { flags->settings.emplace_back(key, value); },
            help)
        ->type_name(type);
  };
  setting("--listen", "server.listen", "HOST:PORT", "Where to serve (default 127.0.0.1:1630)");
  setting("--store", "store.url", "URL", "Where state lives: sqlite:///FILE");
  setting("--warehouse", "warehouse.root", "URL", "Where tables live: file:///DIR");
  setting("--optimizer-threads", "optimizer.threads", "N",
          "Threads of the embedded optimizer; 0: none");
  setting("--optimizer-memory", "optimizer.memory", "SIZE",
          "Memory of each of them, such as 512MiB");
  setting("--token-file", "server.token-file", "FILE", "Bearer token that requests must carry");
  setting("--log-level", "log.level", "LEVEL", "debug, info, warn or error");
  setting("--log-file", "log.file", "FILE", "Log there instead of on standard error");
  command->callback([flags, exit_code] { *exit_code = RunServer(*flags); });
}

}  // namespace moraine::cli
