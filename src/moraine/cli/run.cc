#include "moraine/cli/run.h"

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "moraine/cli/optimizer_command.h"
#include "moraine/cli/server_command.h"

namespace moraine::cli {

int Run(int argc, char** argv) {
  CLI::App app("Moraine: an Iceberg REST catalog that keeps its tables healthy.", "moraine");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("moraine ") + MORAINE_VERSION);
  app.set_help_all_flag("--help-all", "Help of all commands");
  int code = kDone;
  AddServerCommand(app, &code);
  AddOptimizerCommand(app, &code);
  app.add_subcommand("version", "Print the version")->callback([] {
    fmt::print("moraine {}\n", MORAINE_VERSION);
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kUsage;
  }
  return code;
}

}  // namespace moraine::cli
