#include "moraine/cli/testing/remote_fixture.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "moraine/net/uri.h"

namespace moraine::cli {

WallTime JumpingClock::Wall() {
  return FromMillis(kNow + std::chrono::duration_cast<Millis>(now_.time_since_epoch()).count());
}

void JumpingClock::WaitUntil(std::unique_lock<std::mutex>&, std::condition_variable_any&,
                             MonoTime until, std::stop_token) {
  now_ = std::max(now_, until);
  ++waits;
}

void FakeServer::On(const std::string& what, std::string body, int status) {
  answers_[what].push_back({status, std::move(body)});
}

void FakeServer::Only(const std::string& what, std::string body) {
  answers_[what] = {{200, std::move(body)}};
}

Result<net::Response> FakeServer::Send(Call&, std::string_view base, const net::Request& request) {
  base_url = base;
  std::string what = fmt::format("{} {}", net::MethodName(request.method), request.path);
  std::string query = net::EncodeQuery(request.query);
  log.push_back(query.empty() ? what : what + "?" + query);
  authorization = request.headers.Get("Authorization").value_or("");
  body = request.body;
  if (on_send) on_send();
  if (unreachable) return Unavailable("connection refused");
  auto& queue = answers_[what];
  if (queue.empty())
    return net::Response::Json(404, R"({"error":{"message":"no route","code":404}})");
  Canned canned = queue.front();
  if (queue.size() > 1) queue.pop_front();
  return net::Response::Json(canned.status, canned.body);
}

RemoteFixture::RemoteFixture() {
  console_.out = [this](std::string_view text) { out_ += text; };
  console_.err = [this](std::string_view text) { err_ += text; };
}

int RemoteFixture::Run(std::vector<std::string> arguments) {
  out_.clear();
  err_.clear();
  World world{env_, stop_.get_token(), server_, console_};
  return RunRemote(world, arguments);
}

}  // namespace moraine::cli
