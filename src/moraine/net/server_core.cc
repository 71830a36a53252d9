#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "moraine/base/gzip.h"
#include "moraine/base/text.h"
#include "moraine/net/server_core_internal.h"

namespace moraine::net {
namespace {

constexpr size_t kSlowestBytesPerSecond = 16 << 10;

/// What escaped from work, or "".
std::string RunCatching(const std::function<Answer(Call&)>& work, Call& call, Answer* answer) {
  try {
    *answer = work(call);
    const auto* later = std::get_if<std::shared_ptr<Later>>(answer);
    if (later == nullptr || (*later && (*later)->resume)) return "";
    return "a handler parked a request without a way to resume it";
  } catch (const std::exception& error) {
    return fmt::format("exception: {}", error.what());
  } catch (...) {
    return "an unknown exception";
  }
}

}  // namespace

Refusal Busy(int status, std::string message, std::chrono::nanoseconds wait) {
  Refusal refusal{status, std::move(message), {}};
  auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  refusal.headers.Add("Retry-After", std::to_string(std::max<int64_t>(1, seconds)));
  return refusal;
}

Answer RunHandlerPart(const ServerCore& core, const HandlerRun& run,
                      const std::function<Answer(Call&)>& work) {
  Call call(core.env, core.options.request_deadline, core.stop.get_token());
  call.set_trace_id(run.trace_id);
  call.set_principal(*run.principal);
  const std::string& path = run.request.path;
  // Those still in the queue when the grace of a stop is over are not begun.
  if (call.stop().stop_requested()) {
    return core.options.refuse(Busy(503, "the server is stopping"), path);
  }
  Answer answer;
  std::string escaped = RunCatching(work, call, &answer);
  *run.principal = call.principal();
  if (escaped.empty()) return answer;
  core.env.log.Error("a request handler failed",
                     {{"error", escaped}, {"path", path}, {"trace", run.trace_id}});
  return core.options.refuse({500, "internal error, see the log for trace " + run.trace_id, {}},
                             path);
}

std::optional<Refusal> DecodeBody(Request* request, size_t limit_bytes) {
  if (request->body.empty()) return std::nullopt;
  std::string coding = ToLowerAscii(request->headers.Get("Content-Encoding").value_or("identity"));
  if (coding == "identity") return std::nullopt;
  if (coding != "gzip" && coding != "x-gzip") {
    return Refusal{415, "the only Content-Encoding known here is gzip", {}};
  }
  Result<std::string> text = GzipDecompress(request->body, limit_bytes);
  if (!text.ok()) {
    int status = text.status().code() == Code::kExhausted ? 413 : 400;
    return Refusal{status, std::string(text.status().message()), {}};
  }
  request->body = std::move(*text);
  return std::nullopt;
}

ReadPhase PhaseOf(const RequestParser& parser, Buffered buffered) {
  if (parser.stage() != RequestParser::Stage::kHeader) return ReadPhase::kBody;
  bool has_begun = buffered == Buffered::kYes || parser.has_begun();
  return has_begun ? ReadPhase::kHeader : ReadPhase::kIdle;
}

std::chrono::nanoseconds TimeForAnswer(const ServerOptions& options, size_t sent_bytes) {
  return options.write_timeout + std::chrono::seconds(sent_bytes / kSlowestBytesPerSecond);
}

std::chrono::nanoseconds TimeFor(const ServerOptions& options, ReadPhase phase, size_t body_bytes) {
  switch (phase) {
    case ReadPhase::kBody:
      return options.body_timeout + std::chrono::seconds(body_bytes / kSlowestBytesPerSecond);
    case ReadPhase::kHeader:
      return options.header_timeout;
    default:
      return options.idle_timeout;
  }
}

}  // namespace moraine::net
