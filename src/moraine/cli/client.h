#pragma once
// A Moraine server as the commands see it: JSON over HTTP, errors that say what to do next. Used by
// every command that is not a service itself.

#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/json.h"
#include "moraine/cli/names.h"
#include "moraine/net/http_client.h"
#include "moraine/net/uri.h"

namespace moraine::cli {

/// An answer: its text as it came, and what it means.
struct Answer {
  std::string text;
  Json json;
};

/// Used by one thread.
class Client {
 public:
  Client(const Env& env, std::stop_token stop, net::HttpTransport& http, std::string server,
         std::string bearer_token);

  /// Errors: by the answer's HTTP status, with its message; NotFound for 404. Unavailable when the
  /// server can't be reached, and reached() is false then.
  Result<Answer> Get(std::string path, net::QueryParams query = {});
  /// body: JSON text. An empty answer gives null.
  Result<Answer> Post(std::string path, std::string body);
  Result<Answer> Put(std::string path, std::string body);
  Result<Answer> Delete(std::string path);

  /// Of the last request that the server refused; empty: it refused none.
  const std::string& refused_path() const { return refused_path_; }
  bool reached() const { return reached_; }
  const std::string& server() const { return server_; }
  const Env& env() const { return env_; }
  const std::stop_token& stop() const { return stop_; }
  int64_t now_ms() const { return ToMillis(env_.clock.Wall()); }

 private:
  Result<Answer> SendBody(net::Method method, std::string path, std::string body);
  Result<Answer> Send(net::Request request);

  const Env env_;
  const std::stop_token stop_;
  net::HttpTransport& http_;
  const std::string server_;
  const std::string bearer_token_;
  bool reached_ = true;
  std::string refused_path_;
};

/// "/api/v1/warehouses/w/namespaces/a%1Fb/tables/t".
std::string TablePath(const std::string& warehouse, const TableRef& table);
/// "/iceberg/v1/w/namespaces/a%1Fb/tables/t": as the REST catalog has it.
std::string IcebergTablePath(const std::string& warehouse, const TableRef& table);
/// Levels parted by the unit separator, as the Iceberg protocol has them; not encoded.
std::string JoinLevels(const std::vector<std::string>& levels);

/// The first line of the file, without blanks. Errors: InvalidArgument.
Result<std::string> ReadTokenFile(const std::string& path);

// What an answer holds, with a value for what is absent: a newer or older server may say more or
// less.
std::string TextOf(const Json& json, std::string_view key, std::string fallback = "");
int64_t IntOf(const Json& json, std::string_view key, int64_t fallback = 0);
bool BoolOf(const Json& json, std::string_view key);
/// The member's elements; none if it is absent or no array.
const Json::Array& ListOf(const Json& json, std::string_view key);
/// The member, or null.
const Json& ObjectOf(const Json& json, std::string_view key);
/// "namespace" and "name" of an answer's table.
TableRef TableOf(const Json& json);

}  // namespace moraine::cli
