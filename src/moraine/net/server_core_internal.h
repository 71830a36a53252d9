#pragma once
// What a connection does that needs no socket: running a handler on the pool, and deciding how long
// a read may take. Used by http_connection.cc and http_server.cc.

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/net/http_server.h"
#include "moraine/net/request_parser.h"

namespace moraine::net {

/// What all connections of a server share. Held by the server and by each connection, since a pool
/// task may outlive either.
struct ServerCore {
  ServerCore(const Env& env_in, ServerOptions options_in, Handler handler_in)
      : env(env_in),
        options(std::move(options_in)),
        handler(std::move(handler_in)),
        clients(options.client_limits),
        pool({.name = "request",
              .threads = options.request_threads,
              .queue_limit = options.request_queue_limit}) {}

  const Env env;
  const ServerOptions options;
  const Handler handler;
  ClientLimits clients;
  ThreadPool pool;
  std::stop_source stop;  ///< of every Call
  std::atomic<bool> stopping{false};
  std::atomic<size_t> parked{0};
  std::atomic<size_t> running{0};
  std::atomic<size_t> body_bytes{0};
  std::atomic<size_t> connections{0};

  void Refused(std::string_view reason) const {
    if (options.on_refused) options.on_refused(reason);
  }
};

/// A refusal that is over in a moment: with Retry-After, in whole seconds.
Refusal Busy(int status, std::string message,
             std::chrono::nanoseconds wait = std::chrono::seconds(1));

/// The request that a part of a handler is run for.
struct HandlerRun {
  const Request& request;
  const std::string& trace_id;
  std::string* principal;  ///< who asked, as the handler found out; kept for a resume
};
/// Runs a part of a handler on a thread of the pool; what escapes from it becomes a 500.
Answer RunHandlerPart(const ServerCore& core, const HandlerRun& run,
                      const std::function<Answer(Call&)>& work);

/// Unpacks a compressed body in place.
std::optional<Refusal> DecodeBody(Request* request, size_t limit_bytes);

/// What a connection that reads waits for.
enum class ReadPhase { kNone, kIdle, kHeader, kBody };
/// buffered: bytes have come that the parser has not consumed.
enum class Buffered { kNo, kYes };
ReadPhase PhaseOf(const RequestParser& parser, Buffered buffered);
/// How long a client may take to read an answer of which so many bytes are gone.
std::chrono::nanoseconds TimeForAnswer(const ServerOptions& options, size_t sent_bytes);
/// How long the phase may take, with so much of the body read.
std::chrono::nanoseconds TimeFor(const ServerOptions& options, ReadPhase phase, size_t body_bytes);

}  // namespace moraine::net
