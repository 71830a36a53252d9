#pragma once
// The HTTP server: sockets on one or two I/O threads, handlers on a bounded pool of request
// threads.
//
// A connection costs a thread only while its handler runs. A request is read whole (within limits
// and times) before it takes a place in the queue, a parked one (Later) waits in the event loop,
// and answers are sent from shared bytes without a copy. Guards (guard.h) decide on the header
// alone, so a stranger can't make the server hold a body. Used by server/; protocol modules only
// know http.h.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/net/client_limits.h"
#include "moraine/net/guard.h"
#include "moraine/net/http.h"

namespace moraine::net {

/// One finished request, for metrics. Refused ones have no route.
struct RequestRecord {
  Method method;
  int status;
  const std::string& route;  ///< the pattern, "" when there was none
  std::chrono::nanoseconds
      duration;           ///< from the complete header to the last byte handed to the kernel
  size_t request_bytes;   ///< of the body as received
  size_t response_bytes;  ///< of the body as sent
};

/// Why requests and connections are turned away: a limit of the server's (connections, queue,
/// bodies) or of one client's (rate, client-requests, client-connections), the size of a message,
/// its time, or what it says (guard, syntax).
inline constexpr std::string_view kRefusalReasons[] = {
    "connections", "queue",       "bodies", "rate",  "client-requests", "client-connections",
    "body-size",   "header-size", "slow",   "guard", "syntax"};

struct ServerOptions {
  std::string address = "127.0.0.1";  ///< an IP address or "localhost"
  uint16_t port = 0;                  ///< 0: any free one
  size_t io_threads = 1;
  size_t request_threads = 8;
  size_t request_queue_limit = 1024;

  size_t header_limit_bytes = 64 << 10;
  size_t body_limit_bytes = 64 << 20;  ///< of a request, before and after gunzip
  /// Of all request bodies being received or worked on; more get 503.
  size_t bodies_limit_bytes = 1 << 30;
  size_t connection_limit = 10'000;  ///< more get 503

  std::chrono::milliseconds request_deadline{60'000};  ///< each run of a handler or of a resume
  std::chrono::milliseconds idle_timeout{75'000};      ///< between requests
  std::chrono::milliseconds header_timeout{10'000};    ///< from the first byte to the whole header
  /// For a whole body, and a second more for each 16 KiB received.
  std::chrono::milliseconds body_timeout{30'000};
  /// Without a byte of progress; and for a whole answer, with a second more for each 16 KiB that
  /// the client took.
  std::chrono::milliseconds write_timeout{30'000};
  /// When the server stops, a client that is about to use its idle connection still gets an answer,
  /// which says that it is the last.
  std::chrono::milliseconds farewell{200};

  /// JSON and text bodies above this are compressed when the client accepts gzip. SIZE_MAX: never.
  size_t gzip_threshold_bytes = 1024;

  ClientLimitOptions client_limits;
  GuardOptions guards;
  RefusalFormatter refuse = FormatRefusal;
  /// Tried first, on the I/O thread, for GET and HEAD that passed the guards: must not block nor
  /// throw. Answers are sent as they are, without compression; one that is parked with Later costs
  /// no thread if its `ready` gives the answer.
  std::function<std::optional<Answer>(const Request&)> quick;
  /// Called on an I/O thread for every finished request: must not block.
  std::function<void(const RequestRecord&)> on_finished;
  /// Called for every request or connection that a limit refused, with the limit: one of
  /// kRefusalReasons. Must not block.
  std::function<void(std::string_view reason)> on_refused;
};

struct ServerStats {
  size_t connections;
  size_t parked;
  size_t running;  ///< handlers queued or at work
  size_t body_bytes;
};

class HttpServer {
 public:
  /// Binds, listens and serves. Raises the process's soft limit of open files if the connection
  /// limit needs it. env must outlive the server. Errors: InvalidArgument (not an address),
  /// AlreadyExists (the port is taken), Unavailable (else).
  static Result<std::unique_ptr<HttpServer>> Start(const Env& env, ServerOptions options,
                                                   Handler handler);
  ~HttpServer();

  /// "127.0.0.1" and the port really bound.
  const std::string& address() const;
  uint16_t port() const;
  std::string base_url() const;  ///< "http://127.0.0.1:1630"
  ServerStats stats() const;

  /// Stops accepting, resumes parked requests as timed out, closes idle connections after a moment,
  /// gives running requests up to grace to finish, then asks them to stop through their Call,
  /// closes every connection and joins. Idempotent; the destructor calls it with no grace. Not from
  /// a handler.
  void Stop(std::chrono::nanoseconds grace);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace moraine::net
