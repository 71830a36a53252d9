#include "moraine/store/database.h"

#include <fmt/format.h>

#include "moraine/store/foreign_database.h"
#include "moraine/store/server_connection.h"
#include "moraine/store/sqlite_database.h"
#include "moraine/store/store_url.h"

namespace moraine::store {
namespace {

constexpr std::string_view kKinds[] = {"NULL", "BIGINT", "DOUBLE", "TEXT"};

Status WrongKind(size_t column, std::string_view expected, const Value& value) {
  return Corruption(fmt::format("column {} of a row: expected {}, got {}", column, expected,
                                kKinds[value.index()]));
}

Status NoColumn(size_t column, size_t size) {
  return Corruption(fmt::format("column {} of a row that has {}", column, size));
}

}  // namespace

bool Row::IsNull(size_t column) const {
  return column < values_.size() && std::holds_alternative<std::nullptr_t>(values_[column]);
}

Result<int64_t> Row::Int(size_t column) const {
  if (column >= values_.size()) return NoColumn(column, values_.size());
  const auto* value = std::get_if<int64_t>(&values_[column]);
  if (value == nullptr) return WrongKind(column, "BIGINT", values_[column]);
  return *value;
}

Result<std::string> Row::Text(size_t column) const {
  if (column >= values_.size()) return NoColumn(column, values_.size());
  const auto* value = std::get_if<std::string>(&values_[column]);
  if (value == nullptr) return WrongKind(column, "TEXT", values_[column]);
  return *value;
}

Result<double> Row::Double(size_t column) const {
  if (column >= values_.size()) return NoColumn(column, values_.size());
  if (const auto* value = std::get_if<double>(&values_[column])) return *value;
  const auto* whole = std::get_if<int64_t>(&values_[column]);
  if (whole == nullptr) return WrongKind(column, "DOUBLE", values_[column]);
  return static_cast<double>(*whole);
}

Result<std::optional<int64_t>> Row::OptInt(size_t column) const {
  if (IsNull(column)) return std::optional<int64_t>();
  MORAINE_ASSIGN(int64_t value, Int(column));
  return std::optional<int64_t>(value);
}

Result<std::optional<std::string>> Row::OptText(size_t column) const {
  if (IsNull(column)) return std::optional<std::string>();
  MORAINE_ASSIGN(std::string value, Text(column));
  return std::optional<std::string>(std::move(value));
}

Result<std::unique_ptr<Database>> OpenDatabase(Call& call, const std::string& url,
                                               const StoreOptions& options) {
  constexpr std::string_view kSqlite = "sqlite://";
  constexpr std::string_view kExpected =
      "expected sqlite:///absolute/file, postgresql://user:password@host:port/database or "
      "mariadb://user:password@host:port/database";
  if (url.starts_with(kSqlite)) return OpenSqlite(call, url.substr(kSqlite.size()), options);
  const std::string scheme = url.substr(0, std::min(url.find("://"), url.size()));
  if (scheme == url || scheme.empty()) {
    return InvalidArgument(fmt::format("{}, got {}", kExpected, RedactUrl(url)));
  }
  if (scheme == "postgresql" || scheme == "postgres") {
    MORAINE_ASSIGN(auto parts, ParseStoreUrl(url));
    MORAINE_ASSIGN(auto driver, MakePostgresDriver(parts, options));
    return OpenServerDatabase(call, std::move(driver), options);
  }
  if (scheme == "mariadb" || scheme == "mysql") {
    MORAINE_ASSIGN(auto parts, ParseStoreUrl(url));
    MORAINE_ASSIGN(auto driver, MakeMariaDriver(parts, options));
    return OpenServerDatabase(call, std::move(driver), options);
  }
  // The rest of the URL may hold a password.
  return Unsupported(fmt::format("no driver for {}://: {}", scheme, kExpected));
}

Result<std::unique_ptr<Database>> OpenForeignDatabase(Call& call, const std::string& url,
                                                      const StoreOptions& options) {
  constexpr std::string_view kSqlite = "sqlite://";
  if (!url.starts_with(kSqlite)) return OpenDatabase(call, url, options);
  return OpenForeignSqlite(call, url.substr(kSqlite.size()), options);
}

}  // namespace moraine::store
