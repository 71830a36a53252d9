#pragma once
// The commands of the binary. No logic of their own: they read flags, call the modules, print.

namespace moraine::cli {

/// Exit codes that scripts can rely on.
enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kNotFound = 3, kUnreachable = 4 };

/// Runs one command line; returns an exit code.
int Run(int argc, char** argv);

}  // namespace moraine::cli
