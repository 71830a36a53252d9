#include "moraine/cli/catalog_uri.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/config.h"
#include "moraine/net/uri.h"
#include "moraine/server/s3_settings.h"

namespace moraine::cli {

Status AddProperties(const std::vector<std::string>& pairs, iceberg::StringMap* properties) {
  for (const auto& pair : pairs) {
    size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0) {
      return InvalidArgument("--property: expected KEY=VALUE");  // may hold a secret
    }
    (*properties)[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return {};
}

Status AddStorageEnvironment(iceberg::StringMap* properties) {
  Config config(server::S3Settings());
  const Config defaults(server::S3Settings());
  MORAINE_TRY(config.LoadEnvironment());
  for (const auto& setting : config.settings()) {
    if (setting.type != SettingType::kText) continue;
    const auto& value = config.Text(setting.key);
    if (value != defaults.Text(setting.key)) properties->emplace(setting.key, value);
  }
  return {};
}

Result<std::string> ReadCatalogUri(const std::string& text, iceberg::StringMap* properties) {
  size_t question = text.find('?');
  std::string uri = text.substr(0, question);
  if (uri.find("://") == uri.npos) {
    return InvalidArgument(
        fmt::format("URI: expected http://HOST:PORT/PATH of an Iceberg REST catalog, got {}", uri));
  }
  if (auto parsed = net::ParseUrl(uri); !parsed.ok()) {
    return std::move(parsed).status().Annotate("URI");
  }
  if (question == text.npos) return uri;
  auto query = net::ParseQuery(text.substr(question + 1));
  if (!query.ok()) return std::move(query).status().Annotate("URI");
  for (auto& [key, value] : *query) (*properties)[key] = std::move(value);
  return uri;
}

}  // namespace moraine::cli
