#pragma once
// Settings of a process: each declared once, with type, default, range and a sentence; read from a
// YAML file, the environment and flags, the later ones winning. The sample file, the guide's page
// and --help are printed from the same declarations. The only door to yaml-cpp.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/base/status.h"

namespace moraine {

enum class SettingType { kText, kNumber, kBytes, kDuration, kSwitch, kList };

struct Setting {
  std::string key;  ///< "server.listen": sections are joined by dots
  SettingType type = SettingType::kText;
  std::string default_value;  ///< as text; lists: parted by commas
  std::string doc;            ///< one or two sentences
  int64_t low = 0;            ///< range of numbers, bytes and durations (ms)
  int64_t high = INT64_MAX;
};

/// Values by key, checked against the declarations. Copyable; reading a key that was not declared
/// is a bug.
class Config {
 public:
  explicit Config(std::vector<Setting> settings);

  /// Reads a YAML file. Errors: NotFound (no such file), InvalidArgument naming file, line and key;
  /// an unknown key suggests the nearest one.
  Status LoadFile(const std::string& path);
  Status LoadYaml(std::string_view text, const std::string& name);
  /// MORAINE_SERVER_LISTEN for server.listen. Errors: InvalidArgument naming the variable; unknown
  /// names that begin with MORAINE_ are not judged.
  Status LoadEnvironment();
  /// One value by its key. Errors: InvalidArgument.
  Status Set(const std::string& key, const std::string& value, std::string_view source);

  const std::string& Text(std::string_view key) const;
  int64_t Number(std::string_view key) const;  ///< numbers and bytes
  Millis Duration(std::string_view key) const;
  bool Switch(std::string_view key) const;
  std::vector<std::string> List(std::string_view key) const;

  const std::vector<Setting>& settings() const { return settings_; }
  /// A commented YAML file with every setting at its default.
  std::string SampleYaml() const;
  /// A table for the guide.
  std::string Markdown() const;

 private:
  const Setting& Find(std::string_view key) const;
  Status Check(const Setting& setting, const std::string& value, std::string_view source) const;

  std::vector<Setting> settings_;
  std::map<std::string, std::string, std::less<>> values_;
};

/// YAML as JSON: for the API's description, which is kept as YAML. Scalars become numbers and
/// booleans where YAML says so. Errors: InvalidArgument.
Result<std::string> YamlToJson(std::string_view text);

}  // namespace moraine
