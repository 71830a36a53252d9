#pragma once
// The command line: commands, flags, help texts. The only door to CLI11.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "moraine/cli/commands.h"

namespace moraine::cli {

struct World;

/// What a command line asks for. Exactly one of text, remote, alone and local holds.
struct Invocation {
  std::string text;  ///< help or version: print it
  ClientOptions client;
  std::function<Status(Session&)> remote;  ///< a command against a server
  std::function<Status(World&)> alone;     ///< a command that needs no server of ours
  std::function<Status(Console&)> local;   ///< a process of its own
  bool no_color = false;
};

/// Errors: InvalidArgument with the message and where to find help.
Result<Invocation> ParseArguments(const std::vector<std::string>& arguments);

}  // namespace moraine::cli
