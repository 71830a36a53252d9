#include "moraine/cli/client.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::cli {
namespace {

constexpr Millis kRequestLimit{120'000};

Code CodeOfAnswer(int status) {
  if (auto code = net::CodeOfHttpStatus(status)) return *code;
  return status < 500 ? Code::kInvalidArgument : Code::kInternal;
}

/// The message of {"error": {"message"}}, or the text's beginning.
std::string MessageOf(const std::string& text) {
  auto json = Json::Parse(text);
  if (json.ok()) {
    std::string message = TextOf(ObjectOf(*json, "error"), "message");
    if (!message.empty()) return message;
  }
  return text.substr(0, 300);
}

}  // namespace

Client::Client(const Env& env, std::stop_token stop, net::HttpTransport& http, std::string server,
               std::string bearer_token)
    : env_(env),
      stop_(std::move(stop)),
      http_(http),
      server_(std::move(server)),
      bearer_token_(std::move(bearer_token)) {}

Result<Answer> Client::Get(std::string path, net::QueryParams query) {
  net::Request request;
  request.path = std::move(path);
  request.query = std::move(query);
  return Send(std::move(request));
}

Result<Answer> Client::Post(std::string path, std::string body) {
  return SendBody(net::Method::kPost, std::move(path), std::move(body));
}

Result<Answer> Client::Put(std::string path, std::string body) {
  return SendBody(net::Method::kPut, std::move(path), std::move(body));
}

Result<Answer> Client::SendBody(net::Method method, std::string path, std::string body) {
  net::Request request;
  request.method = method;
  request.path = std::move(path);
  request.headers.Set("Content-Type", "application/json");
  request.body = std::move(body);
  return Send(std::move(request));
}

Result<Answer> Client::Delete(std::string path) {
  net::Request request;
  request.method = net::Method::kDelete;
  request.path = std::move(path);
  request.headers.Set("Content-Type", "application/json");
  return Send(std::move(request));
}

Result<Answer> Client::Send(net::Request request) {
  request.headers.Set("Accept", "application/json");
  if (!bearer_token_.empty()) request.headers.Set("Authorization", "Bearer " + bearer_token_);
  Call call(env_, kRequestLimit, stop_);
  auto response = http_.Send(call, server_, request);
  if (!response.ok()) {
    Status status = std::move(response).status();
    if (status.code() == Code::kUnavailable) {
      reached_ = false;
      return Unavailable(
          fmt::format("cannot reach {}: is `moraine server` running?\n  {}\n"
                      "  --server URL, or MORAINE_SERVER, names another server",
                      server_, status.message()));
    }
    return status;
  }
  reached_ = true;
  Answer answer;
  answer.text = response->BodyText();
  if (response->status == 401) {
    if (!bearer_token_.empty()) {
      return Unauthenticated(fmt::format(
          "{} refused the bearer token: it is not the one of the server's token file", server_));
    }
    return Unauthenticated(fmt::format(
        "{} asks for a bearer token: give the file that holds it with --token-file FILE", server_));
  }
  if (response->status < 200 || response->status >= 300) {
    refused_path_ = request.path;
    std::string message = MessageOf(answer.text);
    if (message.empty()) message = fmt::format("{} answered {}", server_, response->status);
    return Status(CodeOfAnswer(response->status), message);
  }
  if (answer.text.empty()) return answer;
  auto json = Json::Parse(answer.text);
  if (!json.ok()) {
    return Internal(
        fmt::format("{}{} answered no JSON: is it a Moraine server?", server_, request.path));
  }
  answer.json = std::move(*json);
  return answer;
}

std::string JoinLevels(const std::vector<std::string>& levels) {
  std::string text;
  for (const auto& level : levels) text += (text.empty() ? "" : "\x1f") + level;
  return text;
}

std::string TablePath(const std::string& warehouse, const TableRef& table) {
  return fmt::format("/api/v1/warehouses/{}/namespaces/{}/tables/{}", net::EncodePart(warehouse),
                     net::EncodePart(JoinLevels(table.levels)), net::EncodePart(table.name));
}

std::string IcebergTablePath(const std::string& warehouse, const TableRef& table) {
  return fmt::format("/iceberg/v1/{}/namespaces/{}/tables/{}", net::EncodePart(warehouse),
                     net::EncodePart(JoinLevels(table.levels)), net::EncodePart(table.name));
}

Result<std::string> ReadTokenFile(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  std::string line;
  std::error_code error;
  if (!file || std::filesystem::is_directory(path, error)) {
    return InvalidArgument(fmt::format("--token-file: can't read {}", path));
  }
  std::getline(file, line);
  std::string token(Trim(line));
  if (token.empty()) {
    return InvalidArgument(fmt::format("--token-file: the first line of {} is empty", path));
  }
  return token;
}

std::string TextOf(const Json& json, std::string_view key, std::string fallback) {
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr && found->is_string() ? found->as_string() : fallback;
}

int64_t IntOf(const Json& json, std::string_view key, int64_t fallback) {
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr && found->is_number() ? found->int64().value_or(fallback) : fallback;
}

bool BoolOf(const Json& json, std::string_view key) {
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr && found->is_bool() && found->as_bool();
}

const Json::Array& ListOf(const Json& json, std::string_view key) {
  static const Json::Array kNone;
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr && found->is_array() ? found->as_array() : kNone;
}

const Json& ObjectOf(const Json& json, std::string_view key) {
  static const Json kNull;
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr ? *found : kNull;
}

TableRef TableOf(const Json& json) {
  TableRef table;
  for (const auto& level : ListOf(json, "namespace")) {
    if (level.is_string()) table.levels.push_back(level.as_string());
  }
  table.name = TextOf(json, "name");
  return table;
}

}  // namespace moraine::cli
