#include "moraine/cli/run.h"

#include <exception>

#include <fmt/format.h>

#include "moraine/cli/arguments.h"
#include "moraine/cli/signals.h"

namespace moraine::cli {
namespace {

enum class Reached { kNo, kYes };

int ExitCode(const Status& status, Reached reached) {
  if (status.ok()) return kExitOk;
  if (reached == Reached::kNo) return kExitUnreachable;
  switch (status.code()) {
    case Code::kInvalidArgument:
      return kExitUsage;
    case Code::kNotFound:
      return kExitNotFound;
    case Code::kCancelled:
      return kExitInterrupted;
    case Code::kCommitUnknown:
      return kExitUnknown;
    default:
      return kExitFailed;
  }
}

/// Where the names are that there are; by what was asked for.
std::string_view HintFor(std::string_view path) {
  struct Hint {
    std::string_view part;
    std::string_view hint;  ///< empty: the message says enough
  };
  constexpr Hint kHints[] = {
      {"/holds/", ""},
      {"/blockers/", ""},
      {"/actions/", ""},
      {"/maintenance/runs/", "\n`moraine maintenance runs` shows the newest"},
      {"/processes/", "\n`moraine process list` shows the newest"},
      {"/webhooks/", "\n`moraine webhook list` shows those that there are"},
      {"/dropped", "\n`moraine catalog dropped` shows what can be brought back"},
      {"/undrop", "\n`moraine catalog dropped` shows what can be brought back"},
      {"/purge", "\n`moraine catalog dropped` shows what can be brought back"},
      {"/tables/", "\n`moraine table list` shows those that there are"},
      {"/namespaces/", "\n`moraine catalog namespaces` shows those that there are"},
      {"/warehouses/", "\n`moraine catalog warehouses` shows those that there are"},
  };
  for (const auto& [part, hint] : kHints) {
    const size_t at = path.find(part);
    if (at == path.npos) continue;
    const size_t end = at + part.size();
    if (part.ends_with('/') || end == path.size() || path[end] == '/') return hint;
  }
  return "";
}

int Fail(Console& console, const Status& status, int code) {
  std::string text;
  for (auto line = status.message(); !line.empty();) {
    size_t end = line.find('\n');
    text += Printable(line.substr(0, end)) + "\n";
    line = end == std::string_view::npos ? "" : line.substr(end + 1);
  }
  if (text.empty()) text = std::string(CodeName(status.code())) + "\n";
  console.err("moraine: " + text);
  return code;
}

int RunCommand(World& world, const Invocation& invocation) {
  auto token = ReadTokenFile(invocation.client.token_file);
  if (!token.ok()) return Fail(world.console, token.status(), kExitUsage);
  auto url = net::ParseUrl(invocation.client.server);
  if (!url.ok())
    return Fail(world.console, std::move(url).status().Annotate("--server"), kExitUsage);
  Client client(world.env, world.stop, world.http, invocation.client.server, *token);
  Session session{client, world.console, invocation.client.json};
  Status status = invocation.remote(session);
  if (status.ok()) return kExitOk;
  Reached reached = client.reached() ? Reached::kYes : Reached::kNo;
  if (status.code() == Code::kNotFound) {
    status = NotFound(fmt::format("{}{}", status.message(), HintFor(client.refused_path())));
  }
  return Fail(world.console, status, ExitCode(status, reached));
}

int RunAlone(World& world, const Invocation& invocation) {
  Status status = invocation.alone(world);
  if (status.ok()) return kExitOk;
  Reached reached = status.code() == Code::kUnavailable ? Reached::kNo : Reached::kYes;
  return Fail(world.console, status, ExitCode(status, reached));
}

}  // namespace

int RunRemote(World& world, const std::vector<std::string>& arguments) {
  auto invocation = ParseArguments(arguments);
  if (!invocation.ok()) return Fail(world.console, invocation.status(), kExitUsage);
  if (invocation->no_color) world.console.colours = false;
  if (invocation->remote) return RunCommand(world, *invocation);
  if (invocation->alone) return RunAlone(world, *invocation);
  world.console.out(invocation->text);
  return kExitOk;
}

int Run(int argc, const char* const* argv) {
  Console console = Console::Standard();
  try {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    auto invocation = ParseArguments(arguments);
    if (!invocation.ok()) return Fail(console, invocation.status(), kExitUsage);
    if (invocation->no_color) console.colours = false;
    if (invocation->local) {
      Status status = invocation->local(console);
      return status.ok() ? kExitOk : Fail(console, status, ExitCode(status, Reached::kYes));
    }
    if (!invocation->remote && !invocation->alone) {
      console.out(invocation->text);
      return kExitOk;
    }
    StopOnSignals signals;
    Env env = SystemEnv(NullLogger());
    auto http = net::MakeHttpClient({});
    World world{env, signals.token(), *http, console};
    return invocation->alone ? RunAlone(world, *invocation) : RunCommand(world, *invocation);
  } catch (const std::exception& error) {
    console.err(fmt::format("moraine: {}\n", error.what()));
    return kExitFailed;
  }
}

}  // namespace moraine::cli
