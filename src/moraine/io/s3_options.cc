#include "moraine/io/s3_options.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/property_values_internal.h"
#include "moraine/net/uri.h"

namespace moraine::io {
namespace {

using Properties = std::map<std::string, std::string>;

/// Endpoints may come with a slash at the end, and nothing else behind the port.
Status ReadEndpoint(const Properties& properties, S3Options* options) {
  options->endpoint = TextOf(properties, "s3.endpoint");
  while (options->endpoint.ends_with('/')) options->endpoint.pop_back();
  if (options->endpoint.empty()) return {};
  Result<net::Url> url = net::ParseUrl(options->endpoint);
  return std::move(url).status().Annotate("s3.endpoint");
}

Status ReadKeys(const Properties& properties, S3Options* options) {
  MORAINE_ASSIGN(std::optional<bool> anonymous, SwitchOf(properties, "s3.anonymous"));
  if (anonymous.value_or(false)) return {};
  options->access_key_id = TextOf(properties, "s3.access-key-id");
  options->secret_access_key = TextOf(properties, "s3.secret-access-key");
  options->session_token = TextOf(properties, "s3.session-token");
  if (options->access_key_id.empty() != options->secret_access_key.empty()) {
    return InvalidArgument(
        fmt::format("{} is set and {} is not: set both, or none",
                    options->access_key_id.empty() ? "s3.secret-access-key" : "s3.access-key-id",
                    options->access_key_id.empty() ? "s3.access-key-id" : "s3.secret-access-key"));
  }
  for (const std::string* value :
       {&options->access_key_id, &options->secret_access_key, &options->session_token}) {
    if (value->find_first_of("\r\n") != value->npos) {
      return InvalidArgument(
          "s3.access-key-id, s3.secret-access-key or s3.session-token: a line "
          "break in a key");
    }
  }
  return {};
}

}  // namespace

void OverlayS3Properties(const Properties& over, Properties* properties) {
  static constexpr const char* kCredential[] = {"s3.access-key-id", "s3.secret-access-key",
                                                "s3.session-token",
                                                "s3.session-token-expires-at-ms"};
  bool has_credential = std::any_of(std::begin(kCredential), std::end(kCredential),
                                    [&](const char* key) { return over.contains(key); });
  if (has_credential) {
    for (const char* key : kCredential) properties->erase(key);
    properties->erase("s3.anonymous");
  }
  for (const auto& [key, value] : over) (*properties)[key] = value;
}

Result<S3Options> S3OptionsOf(const Properties& properties) {
  S3Options options;
  MORAINE_TRY(ReadEndpoint(properties, &options));
  MORAINE_TRY(ReadKeys(properties, &options));
  for (const char* key : {"s3.region", "client.region"}) {
    std::string region = TextOf(properties, key);
    if (!region.empty()) options.region = region;
  }
  MORAINE_ASSIGN(auto path_style, SwitchOf(properties, "s3.path-style-access"));
  if (path_style) {
    options.addressing =
        *path_style ? S3Options::Addressing::kPath : S3Options::Addressing::kVirtualHost;
  }
  MORAINE_ASSIGN(auto if_none_match, SwitchOf(properties, "s3.if-none-match-enabled"));
  if (!if_none_match.value_or(true)) options.existing = S3Options::Existing::kHead;
  options.ca_file = TextOf(properties, "s3.ca-file");
  return options;
}

}  // namespace moraine::io
