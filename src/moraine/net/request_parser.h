#pragma once
// Reads HTTP/1.0 and 1.1 requests from a stream of bytes, one after the other, with no socket in
// sight. Called by the server's connections and by the fuzz entry. Over Boost.Beast's parser,
// stricter where two readings of one message would let requests be smuggled past a proxy (RFC
// 9112 11.2).

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "moraine/net/http.h"

namespace moraine::net {

class RequestParser {
 public:
  struct Limits {
    size_t header_bytes = 64 << 10;
    size_t body_bytes = 64 << 20;
  };
  explicit RequestParser(const Limits& limits);
  RequestParser(const RequestParser&) = delete;
  ~RequestParser();

  enum class Stage {
    kHeader,      ///< the header is not complete
    kHeaderDone,  ///< it just became complete; Feed goes on with the body
    kBody,
    kDone,    ///< take the request, then Next()
    kFailed,  ///< see refusal(); the stream can't be read any further
  };

  /// Consumes what it can and returns how many bytes that was. Stops once behind the header, and at
  /// the end of the message. Bytes that were not consumed are given again, with more behind them.
  size_t Feed(std::string_view bytes);
  Stage stage() const { return stage_; }
  /// Whether anything of the message was consumed.
  bool has_begun() const;
  /// Begins the next message.
  void Next();

  // From kHeaderDone on; the body grows until kDone.
  Request& request() { return request_; }
  const Request& request() const { return request_; }
  const std::string& authority() const { return authority_; }
  bool is_http_10() const;
  bool keeps_alive() const;
  bool has_body() const;
  /// Whether the client waits for "100 Continue".
  bool expects_continue() const { return expects_continue_; }

  /// 400, 413, 417, 431, 501 or 505.
  const Refusal& refusal() const { return refusal_; }

 private:
  class Impl;

  size_t FeedHeader(std::string_view bytes);
  size_t FeedBody(std::string_view bytes);
  size_t FeedChunks(std::string_view bytes);
  void FinishHeader();
  void FailBodyTooLarge();
  void Fail(int status, std::string message);

  const Limits limits_;
  Stage stage_ = Stage::kHeader;
  Request request_;
  std::string authority_;
  bool expects_continue_ = false;
  Refusal refusal_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace moraine::net
