#include "moraine/net/http_client.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstring>
#include <optional>
#include <stop_token>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::net {
namespace {

/// Initialises libcurl once; it is never cleaned up, since threads may still use it at exit.
bool InitCurl() {
  static const bool ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ok;
}

bool IsSafe(Method method) {
  return method == Method::kGet || method == Method::kHead || method == Method::kOptions;
}

bool IsFieldName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
  });
}

bool IsFieldValue(std::string_view value) {
  return value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos;
}

struct SlistDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistDeleter>;

void Append(Slist* list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list->get(), line.c_str());
  MORAINE_CHECK(longer != nullptr, "out of memory");
  (void)list->release();
  list->reset(longer);
}

Result<Slist> FieldLines(const Call& call, const Request& request) {
  Slist lines;
  for (const auto& [name, value] : request.headers.all()) {
    if (!IsFieldName(name) || !IsFieldValue(value)) {
      return InvalidArgument(fmt::format("malformed HTTP header: {}", PercentEncode(name, " -_")));
    }
    // libcurl drops "name:", and sends "name;" as a header without a value.
    Append(&lines, value.empty() ? name + ";" : name + ": " + value);
  }
  if (!call.trace_id().empty() && !request.headers.Get("X-Request-ID") &&
      IsFieldValue(call.trace_id())) {
    Append(&lines, "X-Request-ID: " + call.trace_id());
  }
  // No "100 Continue" round trip before a larger body.
  Append(&lines, "Expect:");
  if (!request.headers.Get("Content-Type")) Append(&lines, "Content-Type:");
  return lines;
}

/// What the callbacks of one transfer fill in.
struct Transfer {
  size_t limit_bytes = 0;
  bool too_large = false;
  int sends = 0;  ///< how often libcurl began to send the request
  bool refused_resend = false;
  Response response;
  std::string body;
  int status = 0;
  BodySink* sink = nullptr;
  bool fills_sink = false;
};

/// What the answer says of its length, as far as it is worth believing before it came.
size_t ExpectedBytes(const Transfer& transfer) {
  constexpr int64_t kMost = 32 << 20;
  Result<int64_t> length =
      ParseInt64(transfer.response.headers.Get("Content-Length").value_or("0"));
  if (!length.ok()) return 0;
  return std::min(static_cast<size_t>(std::clamp<int64_t>(*length, 0, kMost)),
                  transfer.limit_bytes);
}

bool FitsSink(const Transfer& transfer) {
  Result<int64_t> length =
      ParseInt64(transfer.response.headers.Get("Content-Length").value_or("none"));
  return transfer.status / 100 == 2 && length.ok() && *length >= 0 &&
         !transfer.response.headers.Get("Content-Encoding") &&
         static_cast<uint64_t>(*length) <= transfer.sink->into.size();
}

/// Bytes taken: all, or none where there is no room, which ends the transfer.
size_t Fill(BodySink* sink, const char* data, size_t bytes) {
  if (bytes > sink->into.size() - sink->received) return 0;
  std::memcpy(sink->into.data() + sink->received, data, bytes);
  sink->received += bytes;
  return bytes;
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  size_t bytes = size * count;
  if (transfer->body.empty() && transfer->sink != nullptr && transfer->sink->received == 0) {
    transfer->fills_sink = FitsSink(*transfer);
  }
  if (transfer->fills_sink) return Fill(transfer->sink, data, bytes);
  if (transfer->body.size() + bytes > transfer->limit_bytes) {
    transfer->too_large = true;
    return 0;
  }
  if (transfer->body.empty()) transfer->body.reserve(ExpectedBytes(*transfer));
  transfer->body.append(data, bytes);
  return bytes;
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    // A new status line: what came before was a 1xx, or a proxy's.
    transfer->response.headers = {};
    size_t blank = line.find(' ');
    Result<int64_t> status = ParseInt64(blank == line.npos ? "" : line.substr(blank + 1, 3));
    transfer->status = status.ok() ? static_cast<int>(*status) : 0;
    return line.size();
  }
  size_t colon = line.find(':');
  if (colon != line.npos) {
    transfer->response.headers.Add(std::string(Trim(line.substr(0, colon))),
                                   std::string(Trim(line.substr(colon + 1))));
  }
  return line.size();
}

/// libcurl silently sends a request again when a kept connection turns out dead after sending; the
/// first one may have been carried out. Only the first time is allowed.
int OnBeforeSend(void* user, char*, char*, int, int) {
  auto* transfer = static_cast<Transfer*>(user);
  if (transfer->sends++ == 0) return CURL_PREREQFUNC_OK;
  transfer->refused_resend = true;
  return CURL_PREREQFUNC_ABORT;
}

/// One easy handle in a multi of its own, which keeps the connections; used by one thread at a
/// time.
class Session {
 public:
  Session() : multi_(curl_multi_init()), easy_(curl_easy_init()) {
    MORAINE_CHECK(multi_ != nullptr && easy_ != nullptr, "out of memory");
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 2L);
  }
  Session(const Session&) = delete;
  ~Session() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }

  template <typename T>
  void Set(CURLoption option, T value) {
    CURLcode outcome = curl_easy_setopt(easy_, option, value);
    if (outcome != CURLE_OK && refused_.empty()) refused_ = curl_easy_strerror(outcome);
  }
  /// Why an option was not taken, or "".
  const std::string& refused() const { return refused_; }
  void Reset() {
    curl_easy_reset(easy_);
    refused_.clear();
  }

  /// Runs the transfer that was set up; nothing when the stop came first.
  std::optional<CURLcode> Run(const std::stop_token& stop) {
    curl_multi_add_handle(multi_, easy_);
    std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi_); });
    std::optional<CURLcode> outcome;
    while (!outcome && !stop.stop_requested()) {
      int running = 0;
      if (curl_multi_perform(multi_, &running) != CURLM_OK) break;
      outcome = Finished();
      if (!outcome) curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
    }
    curl_multi_remove_handle(multi_, easy_);
    return outcome;
  }

  long status() const {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

 private:
  std::optional<CURLcode> Finished() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    return std::nullopt;
  }

  CURLM* multi_;
  CURL* easy_;
  std::string refused_;
};

class CurlClient final : public HttpTransport {
 public:
  explicit CurlClient(HttpClientOptions options) : options_(std::move(options)) { InitCurl(); }

  Result<Response> Send(Call& call, std::string_view base_url, const Request& request) override {
    return SendInto(call, base_url, request, nullptr);
  }

  Result<Response> SendInto(Call& call, std::string_view base_url, const Request& request,
                            BodySink* sink) override {
    MORAINE_TRY(call.Check());
    if (sink != nullptr) sink->received = 0;
    MORAINE_ASSIGN(Url base, ParseUrl(base_url));
    MORAINE_ASSIGN(std::string url, FullUrl(base_url, request));
    MORAINE_ASSIGN(Slist lines, FieldLines(call, request));
    if (!InitCurl()) return Internal("libcurl could not be initialised");

    std::unique_ptr<Session> session = TakeSession();
    Transfer transfer{.limit_bytes = options_.response_limit_bytes, .sink = sink};
    SetUp(session.get(), call, base, url, lines.get(), request, &transfer);
    if (!session->refused().empty()) {
      return InvalidArgument(fmt::format("libcurl refused the request: {}", session->refused()));
    }
    std::optional<CURLcode> outcome = session->Run(call.stop());
    auto status = static_cast<int>(session->status());
    session->Reset();
    GiveBack(std::move(session));

    std::string where = fmt::format("{} {}{}", MethodName(request.method), base_url, request.path);
    if (outcome != CURLE_OK) return Failure(call, outcome, transfer, request.method, where);
    transfer.response.status = status;
    if (!transfer.body.empty()) {
      transfer.response.body.push_back(
          std::make_shared<const std::string>(std::move(transfer.body)));
    }
    return std::move(transfer.response);
  }

 private:
  static Result<std::string> FullUrl(std::string_view base_url, const Request& request) {
    if (!request.path.empty() && request.path[0] != '/') {
      return InvalidArgument(
          fmt::format("expected a path that begins with '/', got: {}", request.path));
    }
    while (base_url.ends_with('/')) base_url.remove_suffix(1);
    MORAINE_TRY(ParseTarget(request.path.empty() ? "/" : request.path));
    std::string url = fmt::format("{}{}", base_url, request.path);
    if (!request.query.empty()) url += "?" + EncodeQuery(request.query);
    return url;
  }

  void SetUp(Session* session, const Call& call, const Url& base, const std::string& url,
             curl_slist* lines, const Request& request, Transfer* transfer) const {
    session->Reset();
    session->Set(CURLOPT_URL, url.c_str());
    session->Set(CURLOPT_PROTOCOLS_STR, "http,https");
    session->Set(CURLOPT_PATH_AS_IS, 1L);
    session->Set(CURLOPT_FOLLOWLOCATION, 0L);
    session->Set(CURLOPT_NOSIGNAL, 1L);
    session->Set(CURLOPT_TCP_NODELAY, 1L);
    session->Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    if (options_.answers == HttpClientOptions::Answers::kCompressed) {
      session->Set(CURLOPT_ACCEPT_ENCODING, "gzip");
    } else {
      // Whole files pass: fewer and larger steps.
      session->Set(CURLOPT_BUFFERSIZE, 256L << 10);
      session->Set(CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    }
    session->Set(CURLOPT_USERAGENT, options_.user_agent.c_str());
    session->Set(CURLOPT_MAXAGE_CONN, static_cast<long>(options_.idle_connection_age.count()));
    if (IsLoopback(base.host)) session->Set(CURLOPT_PROXY, "");
    if (!options_.ca_file.empty()) session->Set(CURLOPT_CAINFO, options_.ca_file.c_str());
    SetLimits(session, call);
    SetMethod(session, request);
    session->Set(CURLOPT_HTTPHEADER, lines);
    session->Set(CURLOPT_WRITEFUNCTION, &OnBody);
    session->Set(CURLOPT_WRITEDATA, transfer);
    session->Set(CURLOPT_HEADERFUNCTION, &OnHeader);
    session->Set(CURLOPT_HEADERDATA, transfer);
    session->Set(CURLOPT_PREREQFUNCTION, &OnBeforeSend);
    session->Set(CURLOPT_PREREQDATA, transfer);
  }

  void SetLimits(Session* session, const Call& call) const {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(call.remaining()).count();
    long limit = static_cast<long>(std::clamp<int64_t>(left, 1, 24 * 3600 * 1000));
    session->Set(CURLOPT_TIMEOUT_MS, limit);
    session->Set(CURLOPT_CONNECTTIMEOUT_MS,
                 std::min(limit, static_cast<long>(options_.connect_timeout.count())));
  }

  static void SetMethod(Session* session, const Request& request) {
    if (request.method == Method::kHead) {
      session->Set(CURLOPT_NOBODY, 1L);
      return;
    }
    bool sends_body = !request.body.empty() || request.method == Method::kPost ||
                      request.method == Method::kPut || request.method == Method::kPatch;
    if (sends_body) {
      session->Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      session->Set(CURLOPT_POSTFIELDS, request.body.data());
    }
    session->Set(CURLOPT_CUSTOMREQUEST, MethodName(request.method).data());
  }

  static Status Failure(const Call& call, std::optional<CURLcode> outcome, const Transfer& transfer,
                        Method method, const std::string& where) {
    if (call.stop().stop_requested()) {
      return Cancelled(fmt::format("the request was stopped: {}", where));
    }
    std::string_view reason = outcome ? curl_easy_strerror(*outcome) : "libcurl gave up";
    // The last error may be that of a second connection, for a request that went out on the first.
    bool sent = transfer.sends > 0;
    if (outcome == CURLE_URL_MALFORMAT || outcome == CURLE_UNSUPPORTED_PROTOCOL) {
      return InvalidArgument(fmt::format("{}: {}", reason, where));
    }
    if (outcome == CURLE_OPERATION_TIMEDOUT && (sent || !call.Check().ok())) {
      return DeadlineExceeded(fmt::format("no answer in time: {}", where));
    }
    if (!sent) return Unavailable(fmt::format("can't reach the server: {}: {}", reason, where));
    if (!IsSafe(method)) {
      return CommitUnknown(fmt::format("the answer was lost: {}: {}",
                                       transfer.too_large ? "it is too large" : reason, where));
    }
    if (transfer.too_large) {
      return Exhausted(
          fmt::format("the answer is larger than {} bytes: {}", transfer.limit_bytes, where));
    }
    return Unavailable(fmt::format("the answer was lost: {}: {}", reason, where));
  }

  std::unique_ptr<Session> TakeSession() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto session = std::move(idle_.back());
        idle_.pop_back();
        return session;
      }
    }
    return std::make_unique<Session>();
  }

  void GiveBack(std::unique_ptr<Session> session) {
    std::lock_guard lock(mutex_);
    // The newest is used first, so that few connections stay warm. A surplus one dies after the
    // lock.
    if (idle_.size() < options_.idle_connections) idle_.push_back(std::move(session));
  }

  const HttpClientOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;
};

}  // namespace

Result<Response> HttpTransport::SendInto(Call& call, std::string_view base_url,
                                         const Request& request, BodySink* sink) {
  Result<Response> response = Send(call, base_url, request);
  if (sink == nullptr) return response;
  sink->received = 0;
  if (!response.ok() || response->status / 100 != 2) return response;
  if (response->BodySize() > sink->into.size()) return response;
  for (const SharedBytes& piece : response->body) Fill(sink, piece->data(), piece->size());
  response->body.clear();
  return response;
}

std::unique_ptr<HttpTransport> MakeHttpClient(const HttpClientOptions& options) {
  return std::make_unique<CurlClient>(options);
}

}  // namespace moraine::net
