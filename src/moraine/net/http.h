#pragma once
// HTTP messages as plain values: what protocol modules (rest, api) take and give, with no socket in
// sight. net/http_server.h serves a Handler, net/http_client.h sends a Request.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"

namespace moraine::net {

enum class Method { kGet, kHead, kPost, kPut, kDelete, kOptions, kPatch };
std::string_view MethodName(Method method);
std::optional<Method> MethodFromName(std::string_view name);

/// Names compare without case; order is kept; a name may repeat.
class Headers {
 public:
  void Add(std::string name, std::string value);
  void Set(std::string name, std::string value);
  /// The first value, or nothing.
  std::optional<std::string_view> Get(std::string_view name) const;
  /// How often the name stands here.
  size_t Count(std::string_view name) const;
  void Reserve(size_t count) { fields_.reserve(count); }
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  Method method = Method::kGet;
  /// The path as sent, still percent-encoded, without the query: "/iceberg/v1/namespaces/a%1Fb".
  std::string path;
  /// Decoded query parameters in order.
  std::vector<std::pair<std::string, std::string>> query;
  Headers headers;
  std::string body;
  std::string peer;  ///< "127.0.0.1:50312", empty outside a server

  /// The first query parameter of this name.
  std::optional<std::string_view> Query(std::string_view name) const;
};

/// A body: immutable shared bytes, so that caches are sent without a copy.
using SharedBytes = std::shared_ptr<const std::string>;

struct Response;
struct Later;
using Answer = std::variant<Response, std::shared_ptr<Later>>;

struct Response {
  int status = 200;
  Headers headers;
  /// Pieces sent one after the other; a cached metadata file stands between two small own pieces.
  std::vector<SharedBytes> body;
  /// The pattern of the route that answered, for metrics; net::Router sets it.
  std::string route;
  /// kNever: sent as it is, even to a client that accepts gzip (large cached bytes, compressed
  /// bytes).
  enum class Compression { kAllowed, kNever };
  Compression compression = Compression::kAllowed;

  /// Set for a body whose length nobody knows yet, such as a stream of events: body is its first
  /// part, and this makes the next one. Runs on the request pool, one at a time, and only when the
  /// client has taken what came before, so a slow reader costs no memory. Of its answer only body
  /// and next count; one without next is the last, one with an error status cuts the connection,
  /// Later waits. Not called any more once the server stops: the stream ends then.
  std::function<Answer(Call&)> next;

  static Response Json(int status, std::string body);
  static Response Text(int status, std::string body);
  static Response Empty(int status);
  size_t BodySize() const;
  /// All pieces in one string; for tests.
  std::string BodyText() const;
};

/// Why a request was refused before any handler saw it: bad syntax, a guard, no such route, a full
/// queue.
struct Refusal {
  int status = 400;
  std::string message;
  Headers headers;  ///< such as Allow, Retry-After, WWW-Authenticate
};

/// Makes the answer to a refusal in the form of the protocol that owns the path ("" when the
/// request line was unreadable). Thread-safe, does not block.
using RefusalFormatter = std::function<Response(const Refusal&, std::string_view path)>;

/// {"error": {"message", "type", "code"}}: the Iceberg form, for paths that nobody else owns.
Response FormatRefusal(const Refusal& refusal, std::string_view path);

/// Wakes a parked request. A handler that has to wait for an event answers Later: the connection is
/// parked at no thread's cost until Wake() is called or the time is over; then resume runs on the
/// request pool. resume may answer Later again.
class Waiter {
 public:
  /// Thread-safe, any number of times, before or after parking; never blocks.
  virtual void Wake() = 0;
  virtual ~Waiter() = default;
};

struct Later {
  /// At the latest then, by the call's clock, resume runs with timed_out.
  MonoTime until;
  /// kTimedOut is also given when the server stops: answer with what there is.
  enum class Reason { kWoken, kTimedOut };
  /// Its Call is a new one (same principal and trace id, a fresh deadline). The Request lives until
  /// the answer was sent, so resume may refer to it. Dropped without being run when the client goes
  /// away. None, in what ServerOptions::quick gives: the handler runs.
  std::function<Answer(Call&, Reason)> resume;
  /// Given once by the server when the connection is parked; whoever makes the event calls Wake().
  std::function<void(std::shared_ptr<Waiter>)> on_parked;
  /// If given: tried first when the request is woken, on the I/O thread, so it must not block. What
  /// it gives is the answer.
  std::function<std::optional<Response>()> ready;
};

/// Thread-safe; runs on a thread of the request pool and may block until the call's deadline.
using Handler = std::function<Answer(Call&, const Request&)>;

/// The HTTP status of a code, by the table of docs/guide errors (rest has its own on commit
/// routes).
int HttpStatusOf(Code code);
/// The code of a status that means one of them; nothing for the others, whose meaning depends on
/// who asks.
std::optional<Code> CodeOfHttpStatus(int status);

/// "Not Found"; "" for a status that has no name.
std::string_view StatusReason(int status);

/// Answers a handler's Later by waiting in place, within the call's deadline: for tests and simple
/// callers.
Response AnswerNow(Call& call, Answer answer);

}  // namespace moraine::net
