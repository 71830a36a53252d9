#pragma once
// The HTTP client: one request, one answer, within a Call. HttpTransport is the seam that tests and
// simulators replace (net/testing has one that calls a Handler without a socket).
//
// Who calls: workers, the console, clients of external catalogs and of object stores.

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/net/http.h"

namespace moraine::net {

/// Memory of the caller for the body of an answer.
struct BodySink {
  std::span<char> into;
  size_t received = 0;  ///< bytes that the transport put there
};

/// Thread-safe.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  /// Sends request to base_url + request.path + query and waits for the whole answer, whatever its
  /// status. Redirects are not followed. The call's trace id goes along as X-Request-ID.
  ///
  /// Errors say whether the request may have been carried out:
  ///   InvalidArgument  not sent: the URL or a header is malformed
  ///   Unavailable      not sent (no such host, refused, TLS), or a GET, HEAD or OPTIONS whose
  ///   answer was
  ///                    lost: safe to send again
  ///   CommitUnknown    another method whose answer was lost after sending began: may have been
  ///   done Deadline, Cancelled  out of time or stopped; sent or not is unknown Exhausted the
  ///   answer is larger than the limit (CommitUnknown for the other methods)
  virtual Result<Response> Send(Call& call, std::string_view base_url, const Request& request) = 0;

  /// As Send; the body of a success (2xx) that fits goes into the sink, not into the response. One
  /// that does not fit, and those of other statuses, are in the response as ever.
  virtual Result<Response> SendInto(Call& call, std::string_view base_url, const Request& request,
                                    BodySink* sink);
};

struct HttpClientOptions {
  size_t response_limit_bytes = 256 << 20;
  std::chrono::milliseconds connect_timeout{10'000};
  /// Connections kept for later requests, over all hosts; each costs a socket and about 100 KB.
  size_t idle_connections = 8;
  /// An idle connection older than this is not used again: below every server's own idle timeout.
  std::chrono::seconds idle_connection_age{30};
  std::string user_agent = "moraine";
  std::string ca_file;  ///< PEM; empty: the machine's own
  /// kAsStored: answers are asked for as they are stored, never compressed: for parts of files.
  enum class Answers { kCompressed, kAsStored };
  Answers answers = Answers::kCompressed;
};

/// Over libcurl: HTTP/1.1 with kept connections, TLS with verification, gzip, proxies from the
/// environment (never for loopback). A stop of the call ends a transfer at once.
std::unique_ptr<HttpTransport> MakeHttpClient(const HttpClientOptions& options);

}  // namespace moraine::net
