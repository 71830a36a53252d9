#pragma once
// The URL of a database server: scheme://user:password@host:port/database?option=value. Parts are
// percent-decoded. Used by OpenDatabase and the drivers; RedactUrl by whoever shows a URL.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::store {

struct StoreUrl {
  std::string scheme;
  std::string user;
  std::optional<std::string> password;
  std::string host;  ///< without the brackets of an IPv6 address; empty: the driver's default
  int port = 0;      ///< 0: the driver's default
  std::string database;
  std::vector<std::pair<std::string, std::string>> options;

  /// For people: "user@host:port/database", never the password.
  std::string ToText() const;
};

/// Errors: InvalidArgument; their text holds nothing of what may be a password.
Result<StoreUrl> ParseStoreUrl(const std::string& url);

}  // namespace moraine::store
