#pragma once
// Values of FileIO properties, for those who read them (s3_options, cloud_options).

#include <map>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "moraine/base/status.h"
#include "moraine/base/text.h"

namespace moraine::io {

/// As it stands; empty if it is not set.
inline std::string TextOf(const std::map<std::string, std::string>& properties,
                          const std::string& key) {
  const auto found = properties.find(key);
  return found == properties.end() ? "" : found->second;
}

/// nullopt if it is not set. Errors: InvalidArgument.
inline Result<std::optional<bool>> SwitchOf(const std::map<std::string, std::string>& properties,
                                            const std::string& key) {
  const std::string text = ToLowerAscii(Trim(TextOf(properties, key)));
  if (text.empty()) return std::optional<bool>();
  if (text == "true" || text == "false") return std::optional<bool>(text == "true");
  return InvalidArgument(fmt::format("{}: expected true or false, got '{}'", key, text));
}

}  // namespace moraine::io
