#include "moraine/base/config.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"

namespace moraine {
namespace {

constexpr std::string_view kTypeNames[] = {"text", "number", "size", "duration", "switch", "list"};

std::string_view TypeName(SettingType type) { return kTypeNames[static_cast<size_t>(type)]; }

std::string VariableName(std::string_view key) {
  std::string name = "MORAINE_";
  for (char c : key)
    name +=
        c == '.' || c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

/// The text of a scalar, or of a list of scalars joined by commas.
std::string TextOf(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar();
  std::string joined;
  for (const auto& item : node) {
    if (!joined.empty()) joined += ',';
    if (item.IsScalar()) joined += item.Scalar();
  }
  return joined;
}

struct Found {
  std::string key;
  std::string value;
  int line = 0;
  bool is_list = false;
};

void Flatten(const YAML::Node& node, const std::string& prefix, std::vector<Found>* out) {
  for (const auto& member : node) {
    std::string key = prefix + member.first.Scalar();
    if (member.second.IsMap()) {
      Flatten(member.second, key + ".", out);
    } else {
      out->push_back({key, member.second.IsNull() ? "" : TextOf(member.second),
                      member.first.Mark().line + 1, member.second.IsSequence()});
    }
  }
}

struct Unit {
  int64_t size;
  std::string_view name;
};
constexpr Unit kByteUnits[] = {
    {int64_t{1} << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "B"}};
constexpr Unit kTimeUnits[] = {
    {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}, {1, "ms"}};

/// As one would write it in a file, in the largest unit that says it exactly.
std::string AsSetting(SettingType type, int64_t value) {
  bool sized = type == SettingType::kBytes || type == SettingType::kDuration;
  for (const auto& unit : type == SettingType::kBytes ? kByteUnits : kTimeUnits) {
    if (sized && value >= unit.size && value % unit.size == 0) {
      return fmt::format("{}{}", value / unit.size, unit.name);
    }
  }
  return fmt::format("{}", value);
}

/// " (from 1 to 64)" where a setting has bounds.
std::string Range(const Setting& setting) {
  bool sized = setting.type == SettingType::kNumber || setting.type == SettingType::kBytes ||
               setting.type == SettingType::kDuration;
  if (!sized || (setting.low == 0 && setting.high == INT64_MAX)) return "";
  auto print = [&](int64_t value) { return AsSetting(setting.type, value); };
  if (setting.high == INT64_MAX) return fmt::format(" (at least {})", print(setting.low));
  return fmt::format(" (from {} to {})", print(setting.low), print(setting.high));
}

}  // namespace

Config::Config(std::vector<Setting> settings) : settings_(std::move(settings)) {
  for (const auto& setting : settings_) values_[setting.key] = setting.default_value;
}

const Setting& Config::Find(std::string_view key) const {
  for (const auto& setting : settings_) {
    if (setting.key == key) return setting;
  }
  MORAINE_CHECK(false, fmt::format("the setting {} is not declared", key));
}

Status Config::Check(const Setting& setting, const std::string& value,
                     std::string_view source) const {
  auto wrong = [&](std::string_view expected) {
    return InvalidArgument(
        fmt::format("{}: {} is '{}', expected {}", source, setting.key, value, expected));
  };
  auto ranged = [&](Result<int64_t> number, std::string_view expected) -> Status {
    if (!number.ok()) return wrong(expected);
    if (*number < setting.low || *number > setting.high) {
      return wrong(fmt::format("{} from {} to {}", expected, AsSetting(setting.type, setting.low),
                               AsSetting(setting.type, setting.high)));
    }
    return {};
  };
  switch (setting.type) {
    case SettingType::kText:
    case SettingType::kList:
      return {};
    case SettingType::kNumber:
      return ranged(ParseInt64(value), "a whole number");
    case SettingType::kBytes:
      return ranged(ParseByteSize(value), "a size");
    case SettingType::kDuration: {
      auto duration = ParseDuration(value);
      if (!duration.ok()) return wrong("a duration such as 30s, 5m or 2h");
      return ranged(duration->count(), "a duration");
    }
    case SettingType::kSwitch:
      return value == "true" || value == "false" ? Status() : wrong("true or false");
  }
  return {};
}

Status Config::Set(const std::string& key, const std::string& value, std::string_view source) {
  std::vector<std::string> known;
  for (const auto& setting : settings_) {
    if (setting.key == key) {
      MORAINE_TRY(Check(setting, value, source));
      values_[key] = value;
      return {};
    }
    known.push_back(setting.key);
  }
  std::string nearest = Nearest(key, known);
  return InvalidArgument(
      fmt::format("{}: unknown setting {}{}", source, key,
                  nearest.empty() ? "" : fmt::format(", did you mean {}?", nearest)));
}

Status Config::LoadYaml(std::string_view text, const std::string& name) {
  std::vector<Found> found;
  try {
    YAML::Node root = YAML::Load(std::string(text));
    if (root.IsNull()) return {};
    if (!root.IsMap())
      return InvalidArgument(fmt::format("{}: expected sections with settings", name));
    Flatten(root, "", &found);
  } catch (const YAML::Exception& error) {
    return InvalidArgument(fmt::format("{}:{}: {}", name, error.mark.line + 1, error.msg));
  }
  std::map<std::string_view, int> lines;
  for (const auto& item : found) {
    std::string source = fmt::format("{}:{}", name, item.line);
    if (auto [first, fresh] = lines.emplace(item.key, item.line); !fresh) {
      return InvalidArgument(
          fmt::format("{}: {} was set before, in line {}", source, item.key, first->second));
    }
    MORAINE_TRY(Set(item.key, item.value, source));
    if (item.is_list && Find(item.key).type != SettingType::kList) {
      return InvalidArgument(fmt::format("{}: {} is a list, expected one value", source, item.key));
    }
  }
  return {};
}

Status Config::LoadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound(fmt::format("no such config file: {}", path));
  std::ostringstream text;
  text << file.rdbuf();
  return LoadYaml(text.str(), path);
}

Status Config::LoadEnvironment() {
  for (const auto& setting : settings_) {
    std::string name = VariableName(setting.key);
    if (const char* value = std::getenv(name.c_str())) MORAINE_TRY(Set(setting.key, value, name));
  }
  return {};
}

const std::string& Config::Text(std::string_view key) const {
  Find(key);
  return values_.find(key)->second;
}

int64_t Config::Number(std::string_view key) const {
  const auto& text = Text(key);
  return Find(key).type == SettingType::kBytes ? ParseByteSize(text).value()
                                               : ParseInt64(text).value();
}

Millis Config::Duration(std::string_view key) const { return ParseDuration(Text(key)).value(); }
bool Config::Switch(std::string_view key) const { return Text(key) == "true"; }

std::vector<std::string> Config::List(std::string_view key) const {
  std::vector<std::string> items;
  for (auto item : Split(Text(key), ',')) {
    if (auto trimmed = Trim(item); !trimmed.empty()) items.emplace_back(trimmed);
  }
  return items;
}

std::string Config::SampleYaml() const {
  std::string text =
      "# Settings of moraine server, each at its default. Flags and MORAINE_* variables win over "
      "this file.\n";
  std::string section;
  for (const auto& setting : settings_) {
    size_t dot = setting.key.find('.');
    if (setting.key.substr(0, dot) != section) {
      section = setting.key.substr(0, dot);
      text += fmt::format("\n{}:\n", section);
    }
    bool quoted = setting.default_value.empty();
    text += fmt::format("  # {}{}\n  {}: {}\n", setting.doc, Range(setting),
                        setting.key.substr(dot + 1), quoted ? "\"\"" : setting.default_value);
  }
  return text;
}

std::string Config::Markdown() const {
  std::string text = "| setting | type | default | meaning |\n|---|---|---|---|\n";
  for (const auto& setting : settings_) {
    text +=
        fmt::format("| `{}` | {} | {} | {} |\n", setting.key, TypeName(setting.type),
                    setting.default_value.empty() ? "" : fmt::format("`{}`", setting.default_value),
                    setting.doc + Range(setting));
  }
  return text;
}

namespace {

void WriteNode(const YAML::Node& node, JsonWriter* out) {
  if (node.IsMap()) {
    out->BeginObject();
    for (const auto& member : node) {
      out->Key(member.first.Scalar());
      WriteNode(member.second, out);
    }
    out->EndObject();
  } else if (node.IsSequence()) {
    out->BeginArray();
    for (const auto& item : node) WriteNode(item, out);
    out->EndArray();
  } else if (node.IsNull()) {
    out->Null();
  } else {
    const std::string& text = node.Scalar();
    // A tag "!" means that the scalar was quoted.
    bool plain = node.Tag() != "!";
    if (plain && (text == "true" || text == "false")) {
      out->Bool(text == "true");
    } else if (auto number = ParseInt64(text); plain && number.ok()) {
      out->Int(*number);
    } else {
      out->String(text);
    }
  }
}

}  // namespace

Result<std::string> YamlToJson(std::string_view text) {
  try {
    std::string json;
    JsonWriter out(&json);
    WriteNode(YAML::Load(std::string(text)), &out);
    return json;
  } catch (const YAML::Exception& error) {
    return InvalidArgument(fmt::format("line {}: {}", error.mark.line + 1, error.msg));
  }
}

}  // namespace moraine
