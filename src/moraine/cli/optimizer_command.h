#pragma once
// `moraine optimizer`: a worker process.

namespace CLI {
class App;
}

namespace moraine::cli {

void AddOptimizerCommand(CLI::App& app, int* exit_code);

}  // namespace moraine::cli
