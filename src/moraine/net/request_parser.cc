#include "moraine/net/request_parser.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/chunk_decoder.h"
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
    if (request_->headers.all().size() >= kMaxFields) {
      error = http::error::header_limit;
      return;
    }
    request_->headers.Add(std::string(View(name)), std::string(View(value)));
  }
  void on_header_impl(ErrorCode& error) override { error = {}; }
  // Bodies are ours: Beast is told that there are none.
  void on_body_init_impl(boost::optional<std::uint64_t> const&, ErrorCode& error) override {
    error = {};
  }
  size_t on_body_impl(BeastView body, ErrorCode& error) override {
    error = {};
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode& error) override { error = {}; }
  size_t on_chunk_body_impl(std::uint64_t, BeastView body, ErrorCode& error) override {
    error = {};
    return body.size();
  }
  void on_finish_impl(ErrorCode& error) override { error = {}; }

  Request* request_;
};

/// Whether a request line ends in a version at all, such as HTTP/2.0.
bool NamesVersion(std::string_view bytes) {
  std::string_view line = bytes.substr(0, bytes.find("\r\n"));
  size_t at = line.rfind(" HTTP/");
  return at != line.npos && std::count(line.begin(), line.end(), ' ') == 2 &&
         line.find_first_not_of("0123456789.", at + 6) == line.npos;
}

int StatusOf(const ErrorCode& error, std::string_view bytes) {
  if (error == http::error::header_limit) return 431;
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
    collector->skip(true);
    chunks.emplace(limits.body_bytes, limits.header_bytes);
    body_left = 0;
    header_bytes = 0;
  }

  std::optional<Collector> collector;
  std::optional<ChunkDecoder> chunks;
  uint64_t body_left = 0;  ///< of a Content-Length
  size_t header_bytes = 0;
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
  switch (stage_) {
    case Stage::kHeader:
      return FeedHeader(bytes);
    case Stage::kHeaderDone:
    case Stage::kBody:
      stage_ = Stage::kBody;
      return impl_->collector->chunked() ? FeedChunks(bytes) : FeedBody(bytes);
    default:
      return 0;
  }
}

size_t RequestParser::FeedHeader(std::string_view bytes) {
  Collector& collector = *impl_->collector;
  size_t skipped = 0;
  if (!collector.got_some()) {
    // Some old clients end a body with an empty line of their own (RFC 9112 2.2).
    while (bytes.substr(skipped, 2) == "\r\n") skipped += 2;
    std::string_view rest = bytes.substr(skipped);
    if (rest.empty() || rest == "\r") return skipped;
  }
  std::string_view rest = bytes.substr(skipped);
  ErrorCode error;
  size_t used = collector.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
  // Beast holds the request line and the fields to the limit one by one, depending on how they
  // arrive.
  impl_->header_bytes += used;
  if (impl_->header_bytes > limits_.header_bytes) error = http::error::header_limit;
  if (error && error != http::error::need_more) {
    Fail(StatusOf(error, rest), fmt::format("malformed request: {}", error.message()));
  } else if (collector.is_header_done()) {
    FinishHeader();
  }
  return skipped + used;
}

size_t RequestParser::FeedBody(std::string_view bytes) {
  auto part = static_cast<size_t>(std::min<uint64_t>(impl_->body_left, bytes.size()));
  request_.body.append(bytes.substr(0, part));
  impl_->body_left -= part;
  if (impl_->body_left == 0) stage_ = Stage::kDone;
  return part;
}

size_t RequestParser::FeedChunks(std::string_view bytes) {
  size_t used = 0;
  switch (impl_->chunks->Decode(bytes, &request_.body, &used)) {
    case ChunkDecoder::Outcome::kMore:
      break;
    case ChunkDecoder::Outcome::kDone:
      stage_ = Stage::kDone;
      break;
    case ChunkDecoder::Outcome::kMalformed:
      Fail(400, "malformed request: bad chunk");
      break;
    case ChunkDecoder::Outcome::kBodyTooLarge:
      FailBodyTooLarge();
      break;
    case ChunkDecoder::Outcome::kOverheadTooLarge:
      Fail(431, "the extensions and trailers of the chunks are too large");
      break;
  }
  return used;
}

void RequestParser::FailBodyTooLarge() {
  Fail(413, fmt::format("the body is larger than {} bytes", limits_.body_bytes));
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
  impl_->body_left = collector.chunked() ? 0 : collector.content_length().value_or(0);
  if (impl_->body_left > limits_.body_bytes) return FailBodyTooLarge();
  request_.body.reserve(
      static_cast<size_t>(std::min<uint64_t>(impl_->body_left, kReserveLimitBytes)));
  stage_ = has_body() ? Stage::kHeaderDone : Stage::kDone;
}

}  // namespace moraine::net
