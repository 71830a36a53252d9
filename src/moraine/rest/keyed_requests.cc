#include "moraine/rest/keyed_requests.h"

#include <fmt/format.h>

#include "moraine/base/random.h"
#include "moraine/base/text.h"
#include "moraine/net/digest.h"

namespace moraine::rest {
namespace {

constexpr char kHeader[] = "Idempotency-Key";
constexpr size_t kMaxRouteBytes = 1'000;

/// Lengths part what is joined, so that no two requests read the same.
void Append(std::string_view part, std::string* text) {
  *text += fmt::format("{}:", part.size());
  *text += part;
}

std::string DigestOf(const net::Request& request) {
  std::string text;
  Append(net::MethodName(request.method), &text);
  Append(request.path, &text);
  for (const auto& [name, value] : request.query) {
    Append(name, &text);
    Append(value, &text);
  }
  text += '\n';
  text += net::Sha256(request.body);
  return HexEncode(net::Sha256(text));
}

}  // namespace

bool HasKey(const net::Request& request) { return request.headers.Get(kHeader).has_value(); }

Result<catalog::KeyedRequest> KeyOf(const Call& call, const net::Request& request) {
  std::string key = ToLowerAscii(Trim(request.headers.Get(kHeader).value_or("")));
  if (request.headers.Count(kHeader) > 1) {
    return InvalidArgument(fmt::format("{}: the header is there twice", kHeader));
  }
  if (!IsUuid(key)) {
    return InvalidArgument(fmt::format("{}: expected a UUID of 36 characters, got '{}'", kHeader,
                                       std::string_view(key).substr(0, 40)));
  }
  catalog::KeyedRequest keyed;
  keyed.key = std::move(key);
  keyed.principal = call.principal();
  keyed.route = fmt::format("{} {}", net::MethodName(request.method),
                            std::string_view(request.path).substr(0, kMaxRouteBytes));
  keyed.digest = DigestOf(request);
  return keyed;
}

bool IsFinal(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kConflict:
    case Code::kUnsupported:
      return true;
    default:
      return false;
  }
}

std::string IsoDuration(Millis duration) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  std::string text = "PT";
  if (seconds >= 3'600) text += fmt::format("{}H", seconds / 3'600);
  if (seconds % 3'600 >= 60) text += fmt::format("{}M", seconds % 3'600 / 60);
  if (seconds % 60 > 0 || seconds == 0) text += fmt::format("{}S", seconds % 60);
  return text;
}

std::optional<KeysAtWork::Turn> KeysAtWork::Enter(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (!waiters_.try_emplace(id).second) return std::nullopt;
  return std::optional<Turn>(std::in_place, *this, id);
}

void KeysAtWork::Watch(const std::string& id, std::shared_ptr<net::Waiter> waiter) {
  {
    std::lock_guard lock(mutex_);
    auto found = waiters_.find(id);
    if (found != waiters_.end()) {
      found->second.push_back(std::move(waiter));
      return;
    }
  }
  waiter->Wake();
}

void KeysAtWork::Leave(const std::string& id) {
  std::vector<std::shared_ptr<net::Waiter>> woken;
  {
    std::lock_guard lock(mutex_);
    auto found = waiters_.find(id);
    woken.swap(found->second);
    waiters_.erase(found);
  }
  for (const auto& waiter : woken) waiter->Wake();
}

}  // namespace moraine::rest
