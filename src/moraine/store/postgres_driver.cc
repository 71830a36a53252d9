// From a URL to connections to PostgreSQL.

#include <fmt/format.h>

#include "moraine/store/postgres_connection.h"

namespace moraine::store {
namespace {

/// Our choice where the URL says nothing: a peer that is gone is noticed within seconds.
constexpr std::pair<std::string_view, std::string_view> kDefaults[] = {
    {"application_name", "moraine"}, {"keepalives", "1"},       {"keepalives_idle", "30"},
    {"keepalives_interval", "5"},    {"keepalives_count", "3"}, {"tcp_user_timeout", "15000"},
    {"client_encoding", "UTF8"},
};

bool Has(const PostgresConnection::Parameters& parameters, std::string_view keyword) {
  for (const auto& [name, value] : parameters) {
    if (name == keyword) return true;
  }
  return false;
}

}  // namespace

Result<Driver> MakePostgresDriver(const StoreUrl& url, const StoreOptions& options) {
  PostgresConnection::Parameters parameters = url.options;
  auto put = [&](std::string_view keyword, const std::string& value) {
    if (!value.empty() && !Has(parameters, keyword)) parameters.emplace_back(keyword, value);
  };
  put("host", url.host);
  if (url.port != 0) put("port", std::to_string(url.port));
  put("user", url.user);
  put("password", url.password.value_or(""));
  put("dbname", url.database);
  for (const auto& [keyword, value] : kDefaults) put(keyword, std::string(value));
  Driver driver;
  driver.dialect = "postgresql";
  driver.connect = [parameters, where = url.ToText(), options](
                       Call& call, Access) -> Result<std::unique_ptr<ServerConnection>> {
    MORAINE_ASSIGN(auto connection, PostgresConnection::Open(call, parameters, where, options));
    return std::unique_ptr<ServerConnection>(std::move(connection));
  };
  return driver;
}

}  // namespace moraine::store
