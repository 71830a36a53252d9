#pragma once
// The entry of the binary: a command line in, an exit code out.
//
// Exit codes, by the failure's code alone whatever the command: 0 done, 1 failed, 2 wrong usage, 3
// not found, 4 a server or catalog can't be reached, 5 a commit whose outcome is
// not known; 130 when a signal ended a command that was waiting.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/cli/console.h"
#include "moraine/net/http_client.h"

namespace moraine::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitUnreachable = 4;
inline constexpr int kExitUnknown = 5;
inline constexpr int kExitInterrupted = 130;

/// Called by main() with its own parameters. Never throws.
int Run(int argc, const char* const* argv);

/// What the commands need of the world; tests give their own.
struct World {
  const Env& env;
  std::stop_token stop;
  net::HttpTransport& http;
  Console& console;
};
/// Runs a command against a server, help or version. arguments: without the program's name.
int RunRemote(World& world, const std::vector<std::string>& arguments);

}  // namespace moraine::cli
