#include "moraine/worker/http_task_transport.h"

#include <atomic>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"

namespace moraine::worker {
namespace {

using tasks::TaskKey;

constexpr char kRoot[] = "/api/v1/optimizers";
/// The answer of a long poll is on its way when the server's wait ends.
constexpr Millis kPollMargin{10'000};

Code CodeOfAnswer(int status) {
  if (auto code = net::CodeOfHttpStatus(status)) return *code;
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return Code::kInvalidArgument;
    default:
      return Code::kUnavailable;
  }
}

class HttpTaskTransport final : public tasks::TaskTransport {
 public:
  HttpTaskTransport(net::HttpTransport& http, std::vector<std::string> servers,
                    std::string bearer_token)
      : http_(http), servers_(std::move(servers)), bearer_token_(std::move(bearer_token)) {
    MORAINE_CHECK(!servers_.empty(), "no server");
  }

  Result<tasks::RegisterReply> Register(Call& call,
                                        const tasks::RegisterRequest& request) override {
    MORAINE_ASSIGN(auto json, Post(call, "", ToJson(request)));
    return tasks::RegisterReplyFromJson(JsonCursor(json));
  }

  Result<std::optional<tasks::HandedTask>> Poll(Call& call, const std::string& token,
                                                int32_t thread) override {
    auto wait = std::chrono::duration_cast<Millis>(call.remaining());
    std::string body;
    JsonWriter(&body)
        .BeginObject()
        .Field("token", token)
        .Field("thread", thread)
        .Field("wait-ms", static_cast<int64_t>(wait.count()))
        .Field("protocol", tasks::kProtocolVersion)
        .EndObject();
    Call longer(call.env(), wait + kPollMargin, call.stop());
    MORAINE_ASSIGN(auto json, Post(longer, "/poll", std::move(body)));
    if (json.is_null()) return std::optional<tasks::HandedTask>();
    MORAINE_ASSIGN(auto task, tasks::HandedTaskFromJson(JsonCursor(json)));
    return std::optional<tasks::HandedTask>(std::move(task));
  }

  Status Acknowledge(Call& call, const std::string& token, const TaskKey& key) override {
    std::string body;
    JsonWriter(&body).BeginObject().Field("token", token).Key("task").Raw(ToJson(key)).EndObject();
    return Post(call, "/acknowledge", std::move(body)).status();
  }

  Result<tasks::HeartbeatReply> Heartbeat(Call& call,
                                          const tasks::HeartbeatRequest& request) override {
    MORAINE_ASSIGN(auto json, Post(call, "/heartbeat", ToJson(request)));
    return tasks::HeartbeatReplyFromJson(JsonCursor(json));
  }

  Status Report(Call& call, const tasks::TaskReport& report) override {
    return Post(call, "/report", ToJson(report)).status();
  }

  Status Unregister(Call& call, const std::string& token) override {
    std::string body;
    JsonWriter(&body).BeginObject().Field("token", token).EndObject();
    return Post(call, "/unregister", std::move(body)).status();
  }

 private:
  /// The answer's JSON; null for an empty one.
  Result<Json> Post(Call& call, std::string_view path, std::string body) {
    net::Request request;
    request.method = net::Method::kPost;
    request.path = std::string(kRoot) + std::string(path);
    request.headers.Set("Content-Type", "application/json");
    if (!bearer_token_.empty()) request.headers.Set("Authorization", "Bearer " + bearer_token_);
    request.body = std::move(body);
    size_t at = at_;
    auto sent = http_.Send(call, servers_[at % servers_.size()], request);
    bool is_ready = sent.ok() ? sent->status < 502 || sent->status > 504
                              : sent.status().code() != Code::kUnavailable;
    // Of those that failed at once, one moves on.
    if (!is_ready) at_.compare_exchange_strong(at, at + 1);
    MORAINE_ASSIGN(auto response, std::move(sent));
    std::string text = response.BodyText();
    if (response.status >= 300) {
      return Status(
          CodeOfAnswer(response.status),
          fmt::format("the server answered {}: {}", response.status, text.substr(0, 500)));
    }
    if (text.empty()) return Json();
    return Json::Parse(text);
  }

  net::HttpTransport& http_;
  const std::vector<std::string> servers_;
  const std::string bearer_token_;
  std::atomic<size_t> at_ = 0;
};

}  // namespace

std::unique_ptr<tasks::TaskTransport> MakeHttpTaskTransport(net::HttpTransport& http,
                                                            std::vector<std::string> servers,
                                                            std::string bearer_token) {
  return std::make_unique<HttpTaskTransport>(http, std::move(servers), std::move(bearer_token));
}

}  // namespace moraine::worker
