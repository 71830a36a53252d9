#include "moraine/net/http.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

#include "moraine/base/json.h"

namespace moraine::net {
namespace {

constexpr std::array<std::string_view, 7> kMethodNames = {"GET",    "HEAD",    "POST", "PUT",
                                                          "DELETE", "OPTIONS", "PATCH"};

char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool SameName(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (LowerAscii(a[i]) != LowerAscii(b[i])) return false;
  }
  return true;
}

/// The type field of a refusal, in the names that Iceberg clients know.
std::string_view RefusalType(int status) {
  switch (status) {
    case 401:
      return "NotAuthorizedException";
    case 403:
    case 421:
      return "ForbiddenException";
    case 404:
      return "NotFoundException";
    case 405:
    case 501:
      return "UnsupportedOperationException";
    case 429:
      return "SlowDownException";
    case 503:
      return "ServiceUnavailableException";
    default:
      return status >= 500 ? "InternalServerError" : "BadRequestException";
  }
}

/// Lets AnswerNow wait for its own thread's turn.
class InPlaceWaiter final : public Waiter {
 public:
  void Wake() override {
    {
      std::lock_guard lock(mutex_);
      woken_ = true;
    }
    changed_.notify_all();
  }

  Later::Reason Wait(Call& call, MonoTime until) {
    std::unique_lock lock(mutex_);
    until = std::min(until, call.deadline());
    while (!woken_ && call.clock().Mono() < until && !call.stop().stop_requested()) {
      call.clock().WaitUntil(lock, changed_, until, call.stop());
    }
    return woken_ ? Later::Reason::kWoken : Later::Reason::kTimedOut;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
};

}  // namespace

std::string_view MethodName(Method method) { return kMethodNames[static_cast<size_t>(method)]; }

std::optional<Method> MethodFromName(std::string_view name) {
  for (size_t i = 0; i < kMethodNames.size(); ++i) {
    if (kMethodNames[i] == name) return static_cast<Method>(i);
  }
  return std::nullopt;
}

void Headers::Add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::Set(std::string name, std::string value) {
  std::erase_if(fields_, [&](const auto& field) { return SameName(field.first, name); });
  Add(std::move(name), std::move(value));
}

std::optional<std::string_view> Headers::Get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (SameName(key, name)) return value;
  }
  return std::nullopt;
}

size_t Headers::Count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(fields_.begin(), fields_.end(), [&](const auto& field) {
    return SameName(field.first, name);
  }));
}

std::optional<std::string_view> Request::Query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Response Response::Json(int status, std::string body) {
  Response response{.status = status};
  response.headers.Add("Content-Type", "application/json");
  response.body.push_back(std::make_shared<const std::string>(std::move(body)));
  return response;
}

Response Response::Text(int status, std::string body) {
  Response response{.status = status};
  response.headers.Add("Content-Type", "text/plain; charset=utf-8");
  response.body.push_back(std::make_shared<const std::string>(std::move(body)));
  return response;
}

Response Response::Empty(int status) { return {.status = status}; }

size_t Response::BodySize() const {
  size_t size = 0;
  for (const SharedBytes& piece : body) size += piece->size();
  return size;
}

std::string Response::BodyText() const {
  std::string text;
  text.reserve(BodySize());
  for (const SharedBytes& piece : body) text += *piece;
  return text;
}

Response FormatRefusal(const Refusal& refusal, std::string_view) {
  moraine::Json error = moraine::Json::MakeObject();
  error.Set("message", refusal.message);
  error.Set("type", RefusalType(refusal.status));
  error.Set("code", refusal.status);
  moraine::Json body = moraine::Json::MakeObject();
  body.Set("error", std::move(error));
  Response response = Response::Json(refusal.status, body.ToString());
  for (const auto& [name, value] : refusal.headers.all()) response.headers.Add(name, value);
  return response;
}

int HttpStatusOf(Code code) {
  switch (code) {
    case Code::kOk:
      return 200;
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kUnsupported:
      return 406;
    case Code::kAlreadyExists:
    case Code::kConflict:
      return 409;
    case Code::kExhausted:
      return 429;
    case Code::kCancelled:
      return 499;
    case Code::kCommitUnknown:
    case Code::kCorruption:
    case Code::kInternal:
      return 500;
    case Code::kUnavailable:
      return 503;
    case Code::kDeadline:
      return 504;
  }
  return 500;
}

std::optional<Code> CodeOfHttpStatus(int status) {
  switch (status) {
    case 401:
      return Code::kUnauthenticated;
    case 403:
    case 421:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 406:
      return Code::kUnsupported;
    case 409:
      return Code::kConflict;
    case 429:
      return Code::kExhausted;
    case 503:
      return Code::kUnavailable;
    case 504:
      return Code::kDeadline;
    default:
      return std::nullopt;
  }
}

std::string_view StatusReason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 419:
      return "Authentication Timeout";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

Response AnswerNow(Call& call, Answer answer) {
  while (std::holds_alternative<std::shared_ptr<Later>>(answer)) {
    if (Status status = call.Check(); !status.ok()) {
      return FormatRefusal({HttpStatusOf(status.code()), std::string(status.message()), {}}, "");
    }
    auto later = std::get<std::shared_ptr<Later>>(std::move(answer));
    auto waiter = std::make_shared<InPlaceWaiter>();
    if (later->on_parked) later->on_parked(waiter);
    answer = later->resume(call, waiter->Wait(call, later->until));
  }
  return std::get<Response>(std::move(answer));
}

}  // namespace moraine::net
