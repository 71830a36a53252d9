#include "moraine/net/testing/handler_transport.h"

#include <fmt/format.h>

#include "moraine/net/uri.h"

namespace moraine::net {

Result<Response> HandlerTransport::Send(Call& call, std::string_view base_url,
                                        const Request& request) {
  MORAINE_TRY(call.Check());
  MORAINE_ASSIGN(Url base, ParseUrl(base_url));
  bool lose = false;
  {
    std::lock_guard lock(mutex_);
    log_.push_back(fmt::format("{} {}{}", MethodName(request.method), base_url, request.path));
    if (to_refuse_ > 0) {
      --to_refuse_;
      return Unavailable("can't reach the server: it refuses");
    }
    if (to_lose_ > 0) {
      --to_lose_;
      lose = true;
    }
  }
  Request at_server = request;
  at_server.path = base.path + request.path;
  Response response = AnswerNow(call, handler_(call, at_server));
  if (!lose) return response;
  bool safe = request.method == Method::kGet || request.method == Method::kHead;
  return safe ? Unavailable("the answer was lost") : CommitUnknown("the answer was lost");
}

void HandlerTransport::LoseAnswers(int count) {
  std::lock_guard lock(mutex_);
  to_lose_ = count;
}

void HandlerTransport::RefuseRequests(int count) {
  std::lock_guard lock(mutex_);
  to_refuse_ = count;
}

std::vector<std::string> HandlerTransport::log() const {
  std::lock_guard lock(mutex_);
  return log_;
}

}  // namespace moraine::net
