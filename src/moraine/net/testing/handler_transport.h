#pragma once
// A transport without a socket: requests go straight to a Handler, on the caller's thread. Lets
// clients (worker, catalog/rest, console) be tested against rest and api as they are.

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "moraine/net/http_client.h"

namespace moraine::net {

class HandlerTransport final : public HttpTransport {
 public:
  explicit HandlerTransport(Handler handler) : handler_(std::move(handler)) {}

  Result<Response> Send(Call& call, std::string_view base_url, const Request& request) override;

  /// The next count requests are carried out, yet their answers are lost.
  void LoseAnswers(int count);
  /// The next count requests are refused before they are sent.
  void RefuseRequests(int count);
  /// "POST http://x/a/b" of every request so far.
  std::vector<std::string> log() const;

 private:
  Handler handler_;
  mutable std::mutex mutex_;
  int to_lose_ = 0;
  int to_refuse_ = 0;
  std::vector<std::string> log_;
};

}  // namespace moraine::net
