#include "case_runner/http_steps.h"

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::cases {
namespace {

/// "Name: value", where the name is letters and dashes only.
std::optional<std::pair<std::string, std::string>> AsHeader(std::string_view line) {
  size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view name = line.substr(0, colon);
  if (name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") !=
      std::string_view::npos) {
    return std::nullopt;
  }
  return std::pair(std::string(name), std::string(Trim(line.substr(colon + 1))));
}

Result<net::Request> MakeRequest(const Step& step) {
  size_t blank = step.words.find(' ');
  std::optional<net::Method> method = net::MethodFromName(step.words.substr(0, blank));
  if (!method || blank == std::string::npos)
    return InvalidArgument("expected 'http METHOD PATH', got: " + step.words);
  MORAINE_ASSIGN(net::Target target,
                 net::ParseTarget(Trim(std::string_view(step.words).substr(blank))));
  net::Request request;
  request.method = *method;
  request.path = std::move(target.path);
  request.query = std::move(target.query);
  std::string_view rest = step.input;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    std::optional<std::pair<std::string, std::string>> header = AsHeader(line);
    if (!header) break;
    request.headers.Set(std::move(header->first), std::move(header->second));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  request.body = rest;
  if (!rest.empty() && !request.headers.Get("Content-Type"))
    request.headers.Set("Content-Type", "application/json");
  return request;
}

/// The status, then those headers that the expectation names.
std::string HeadOf(const net::Response& response, const std::string& expected) {
  std::string head = std::to_string(response.status);
  std::vector<std::string_view> lines = Split(expected, '\n');
  for (size_t i = 1; i < lines.size(); ++i) {
    std::optional<std::pair<std::string, std::string>> header = AsHeader(lines[i]);
    std::optional<std::string_view> value =
        header ? response.headers.Get(header->first) : std::nullopt;
    if (!value) break;  // the body's first line, or a header that is missing
    head += fmt::format("\n{}: {}", header->first, *value);
  }
  return head;
}

}  // namespace

World::Family HttpSteps(net::Handler handler, Env env) {
  return [handler = std::move(handler), env](const Step& step) -> Result<Outcome> {
    MORAINE_ASSIGN(net::Request request, MakeRequest(step));
    Call call(env, std::chrono::seconds(30));
    net::Response response = net::AnswerNow(call, handler(call, request));
    Outcome outcome;
    outcome.ok = response.status < 400;
    outcome.text = HeadOf(response, step.expected);
    std::string body = response.BodyText();
    std::string_view type = response.headers.Get("Content-Type").value_or("");
    if (!body.empty() && type.starts_with("application/json")) {
      MORAINE_ASSIGN(outcome.json, Json::Parse(body));
    } else if (!body.empty()) {
      outcome.text += "\n" + body;
    }
    return outcome;
  };
}

}  // namespace moraine::cases
