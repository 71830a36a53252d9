#pragma once
// Every setting of `moraine server`, declared once: the sample file, the guide and the flags come
// from here.

#include <string>
#include <utility>
#include <vector>

#include "moraine/base/config.h"
#include "moraine/base/status.h"

namespace moraine::server {

std::vector<Setting> Settings();

/// Where values come from; the environment stands between the two.
struct SettingSources {
  std::string file;  ///< YAML; empty: none
  /// Setting key and value, in the order in which they hold.
  std::vector<std::pair<std::string, std::string>> flags;
};

/// The file, then MORAINE_* variables, then flags: the later ones win. Errors: InvalidArgument that
/// names where the value stands; an unknown key suggests the nearest one.
Result<Config> LoadSettings(const SettingSources& sources);

}  // namespace moraine::server
