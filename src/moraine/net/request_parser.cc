#include "moraine/net/request_parser.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::net {
namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using BeastView = boost::beast::string_view;

std::string_view View(BeastView text) { return {text.data(), text.size()}; }

/// The most that a Content-Length reserves before the bytes are there.
constexpr size_t kReserveLimitBytes = 1 << 20;
constexpr size_t kMaxFields = 256;

/// Beast's callbacks, collected into a Request.
class Collector final : public http::basic_parser<true> {
 public:
  explicit Collector(Request* request) : request_(request) {}

  std::string method_name;
  std::string target;
  int version = 11;

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target_in, int version_in,
                       ErrorCode& error) override {
    error = {};
    version = version_in;
    method_name = View(method);
    target = View(target_in);
    request_->headers.Reserve(16);
  }
  void on_response_impl(int, BeastView, int, ErrorCode& error) override { error = {}; }
  void on_field_impl(http::field, BeastView name, BeastView value, ErrorCode& error) override {
    error = {};
    // Trailers of a chunked body say nothing that we would believe.
    if (header_done_) return;
    if (request_->headers.all().size() >= kMaxFields) {
      error = http::error::header_limit;
      return;
    }
    request_->headers.Add(std::string(View(name)), std::string(View(value)));
  }
  void on_header_impl(ErrorCode& error) override {
    error = {};
    header_done_ = true;
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const& length, ErrorCode& error) override {
    error = {};
    if (length) {
      request_->body.reserve(static_cast<size_t>(std::min<uint64_t>(*length, kReserveLimitBytes)));
    }
  }
  size_t on_body_impl(BeastView body, ErrorCode& error) override {
    error = {};
    request_->body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode& error) override { error = {}; }
  size_t on_chunk_body_impl(std::uint64_t, BeastView body, ErrorCode& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(ErrorCode& error) override { error = {}; }

  Request* request_;
  bool header_done_ = false;
};

/// "0\r\n\r\n": no rest of a chunked body is shorter. Beast asserts that it is given as much when
/// it comes back to a last chunk.
constexpr size_t kLastChunkBytes = 5;

/// Whether a request line ends in a version at all, such as HTTP/2.0.
bool NamesVersion(std::string_view bytes) {
  std::string_view line = bytes.substr(0, bytes.find("\r\n"));
  size_t at = line.rfind(" HTTP/");
  return at != line.npos && std::count(line.begin(), line.end(), ' ') == 2 &&
         line.find_first_not_of("0123456789.", at + 6) == line.npos;
}

int StatusOf(const ErrorCode& error, std::string_view bytes) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_version && NamesVersion(bytes)) return 505;
  return 400;
}

}  // namespace

class RequestParser::Impl {
 public:
  Impl(const Limits& limits, Request* request) { Start(limits, request); }
  void Start(const Limits& limits, Request* request) {
    collector.emplace(request);
    collector->header_limit(static_cast<uint32_t>(
        std::min<size_t>(limits.header_bytes, std::numeric_limits<int32_t>::max())));
    collector->body_limit(static_cast<uint64_t>(limits.body_bytes));
  }

  std::optional<Collector> collector;
};

RequestParser::RequestParser(const Limits& limits)
    : limits_(limits), impl_(std::make_unique<Impl>(limits, &request_)) {}

RequestParser::~RequestParser() = default;

void RequestParser::Next() {
  stage_ = Stage::kHeader;
  request_ = {};
  authority_.clear();
  expects_continue_ = false;
  impl_->Start(limits_, &request_);
}

bool RequestParser::has_begun() const { return impl_->collector->got_some(); }

bool RequestParser::is_http_10() const { return impl_->collector->version == 10; }

bool RequestParser::keeps_alive() const { return impl_->collector->keep_alive(); }

bool RequestParser::has_body() const {
  return impl_->collector->chunked() || impl_->collector->content_length().value_or(0) > 0;
}

void RequestParser::Fail(int status, std::string message) {
  stage_ = Stage::kFailed;
  if (request_.path.empty()) {
    // The refusal takes the form of the protocol that owns the path.
    Result<Target> target = ParseTarget(impl_->collector->target);
    if (target.ok()) request_.path = std::move(target->path);
  }
  refusal_ = {status, std::move(message), {}};
}

size_t RequestParser::Feed(std::string_view bytes) {
  if (stage_ == Stage::kDone || stage_ == Stage::kFailed) return 0;
  Collector& collector = *impl_->collector;
  size_t skipped = 0;
  if (stage_ == Stage::kHeader && !collector.got_some()) {
    // Some old clients end a body with an empty line of their own (RFC 9112 2.2).
    while (bytes.size() - skipped >= 2 && bytes.substr(skipped, 2) == "\r\n") skipped += 2;
    if (skipped == bytes.size() || bytes.substr(skipped) == "\r") return skipped;
  }
  bool in_header = stage_ == Stage::kHeader;
  collector.eager(!in_header);
  if (!in_header && collector.chunked() && bytes.size() < kLastChunkBytes) {
    stage_ = Stage::kBody;
    return 0;
  }
  ErrorCode error;
  size_t used = collector.put(
      boost::asio::const_buffer(bytes.data() + skipped, bytes.size() - skipped), error);
  used += skipped;
  if (error && error != http::error::need_more) {
    int status = StatusOf(error, bytes.substr(skipped));
    Fail(status, status == 413 ? fmt::format("the body is larger than {} bytes", limits_.body_bytes)
                               : fmt::format("malformed request: {}", error.message()));
    return used;
  }
  if (in_header && collector.is_header_done()) {
    FinishHeader();
    return used;
  }
  if (!in_header) stage_ = collector.is_done() ? Stage::kDone : Stage::kBody;
  return used;
}

void RequestParser::FinishHeader() {
  Collector& collector = *impl_->collector;
  std::optional<Method> method = MethodFromName(collector.method_name);
  if (!method) return Fail(501, "this method is not known here");
  request_.method = *method;
  Result<Target> target = ParseTarget(collector.target);
  if (!target.ok()) return Fail(400, std::string(target.status().message()));
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
  authority_ = std::move(target->authority);
  // Anything but one plain "chunked" is read differently by different servers.
  if (size_t count = request_.headers.Count("Transfer-Encoding"); count > 0) {
    if (count > 1 || ToLowerAscii(*request_.headers.Get("Transfer-Encoding")) != "chunked") {
      return Fail(501, "the only Transfer-Encoding known here is chunked");
    }
    if (is_http_10()) return Fail(400, "HTTP/1.0 has no Transfer-Encoding");
  }
  if (request_.headers.Count("Content-Length") > 1)
    return Fail(400, "more than one Content-Length");
  if (auto expect = request_.headers.Get("Expect")) {
    if (ToLowerAscii(*expect) != "100-continue")
      return Fail(417, "only 100-continue can be expected");
    expects_continue_ = !is_http_10();
  }
  stage_ = collector.is_done() ? Stage::kDone : Stage::kHeaderDone;
}

}  // namespace moraine::net
