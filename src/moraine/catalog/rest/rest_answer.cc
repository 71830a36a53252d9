#include "moraine/catalog/rest/rest_answer.h"

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"

namespace moraine::catalog {
namespace {

constexpr size_t kMaxMessageBytes = 2'000;
constexpr size_t kMaxForeignBytes = 200;

struct ServerError {
  std::string message;
  std::string type;
};

std::string TextOf(const Json& json, std::string_view key) {
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr && found->is_string() ? found->as_string() : "";
}

/// Cut between characters.
std::string Shorten(std::string text, size_t limit) {
  if (text.size() <= limit) return text;
  text.resize(limit);
  while (!text.empty() && !IsValidUtf8(text)) text.pop_back();
  return text + "...";
}

ServerError ReadError(const net::Response& answer) {
  std::string text = answer.BodyText();
  auto json = Json::Parse(text);
  if (!json.ok()) {
    // A proxy's page says nothing in its first tag.
    std::string_view trimmed = Trim(text);
    if (trimmed.starts_with('<') || !IsValidUtf8(trimmed)) return {};
    return {Shorten(std::string(trimmed), kMaxForeignBytes), ""};
  }
  const Json* error = json->is_object() ? json->Find("error") : nullptr;
  if (error != nullptr && error->is_string()) {
    std::string description = TextOf(*json, "error_description");
    return {description.empty() ? error->as_string()
                                : fmt::format("{} ({})", description, error->as_string()),
            error->as_string()};
  }
  const Json& model = error != nullptr && error->is_object() ? *error : *json;
  return {Shorten(TextOf(model, "message"), kMaxMessageBytes), TextOf(model, "type")};
}

Code CodeOf(RestAsk ask, int status, std::string_view type) {
  if (ask == RestAsk::kToken && status >= 400 && status < 500) return Code::kUnauthenticated;
  switch (status) {
    case 401:
    case 419:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
    case 410:
      return Code::kNotFound;
    case 405:
    case 406:
    case 501:
      return Code::kUnsupported;
    case 409:
      if (type == "AlreadyExistsException") return Code::kAlreadyExists;
      return ask == RestAsk::kCreate ? Code::kAlreadyExists : Code::kConflict;
    case 429:
      return Code::kExhausted;
    default:
      return status >= 500 || status == 408 ? Code::kUnavailable : Code::kInvalidArgument;
  }
}

}  // namespace

Status ErrorOfAnswer(RestAsk ask, std::string_view what, const net::Response& answer) {
  int status = answer.status;
  if (status >= 300 && status < 400) {
    return InvalidArgument(
        fmt::format("{} answered {}: redirects are not followed{}", what, status,
                    answer.headers.Get("Location") ? ", give the address it leads to" : ""));
  }
  ServerError error = ReadError(answer);
  Code code = CodeOf(ask, status, error.type);
  if (ask == RestAsk::kConfig && status == 404 && error.type.empty()) {
    return NotFound(fmt::format("{} answered 404: there is no Iceberg REST catalog", what));
  }
  if (error.message.empty()) error.message = net::StatusReason(status);
  return Status(code, fmt::format("{} ({} of {})", error.message, status, what));
}

std::string WithoutSecrets(std::string_view text, const std::vector<std::string>& secrets) {
  std::string clean(text);
  for (const auto& secret : secrets) {
    if (secret.size() < 4) continue;
    for (size_t at = clean.find(secret); at != clean.npos; at = clean.find(secret, at + 3)) {
      clean.replace(at, secret.size(), "***");
    }
  }
  return clean;
}

}  // namespace moraine::catalog
