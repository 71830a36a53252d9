#pragma once
// `moraine server`.

namespace CLI {
class App;
}

namespace moraine::cli {

/// The exit code is written when the command has run. app and exit_code must outlive the parsing.
void AddServerCommand(CLI::App& app, int* exit_code);

}  // namespace moraine::cli
