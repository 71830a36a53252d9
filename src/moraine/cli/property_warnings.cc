#include "moraine/cli/property_warnings.h"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/base/time_zone.h"
#include "moraine/maintenance/policy.h"
#include "moraine/planning/config.h"

namespace moraine::cli {
namespace {

/// Groups of maintenance by their first word, and how a warehouse says what counts for tables.
constexpr std::string_view kTablePrefixes[] = {"table-default.", "table-override."};

std::string WithoutTablePrefix(const std::string& name) {
  for (std::string_view prefix : kTablePrefixes) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

/// A group that is nearly one of ours, or ours with a name that is not looked at: "snapshot.kep.x".
std::string GroupWarning(const std::string& name) {
  std::set<std::string> groups;
  std::vector<std::string> known;
  for (const auto& property : maintenance::PolicyProperties()) {
    known.push_back(property.name);
    groups.insert(property.name.substr(0, property.name.find('.')));
  }
  groups.erase("gc");  // short, and of the table format
  if (maintenance::IsPolicyProperty(name)) return "";
  const std::string group = name.substr(0, name.find('.'));
  if (group.size() == name.size()) return "";
  const bool is_near =
      groups.contains(group) ||
      !Nearest(group, std::vector<std::string>(groups.begin(), groups.end())).empty();
  const std::string nearest = is_near ? Nearest(name, known) : "";
  if (nearest.empty() && !groups.contains(group)) return "";
  return fmt::format("{} is not a property that is known{}", name.substr(0, 60),
                     nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
}

}  // namespace

std::vector<std::string> PropertyWarnings(const iceberg::StringMap& properties) {
  iceberg::StringMap plain;
  for (const auto& [name, value] : properties) plain[WithoutTablePrefix(name)] = value;
  std::vector<std::string> warnings = planning::ConfigOf(plain).problems;
  TimeZones zones;
  maintenance::EffectiveProperties said;
  for (const auto& [name, value] : plain) {
    if (maintenance::IsPolicyProperty(name)) said[name].value = value;
  }
  for (auto& problem : maintenance::PolicyOf(std::move(said), zones).problems)
    warnings.push_back(std::move(problem));
  for (const auto& [name, value] : plain) {
    const bool is_told = std::any_of(warnings.begin(), warnings.end(), [&](const auto& warning) {
      return warning.starts_with(name + " ");
    });
    if (is_told) continue;
    if (std::string warning = GroupWarning(name); !warning.empty())
      warnings.push_back(std::move(warning));
  }
  return warnings;
}

std::vector<std::string> PropertyWarnings(const std::vector<std::string>& pairs) {
  iceberg::StringMap properties;
  for (const auto& pair : pairs) {
    const size_t equals = pair.find('=');
    // "NAME=" takes it out.
    if (equals != pair.npos && equals + 1 < pair.size())
      properties[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return PropertyWarnings(properties);
}

void WarnOfProperties(const Console& console, const std::vector<std::string>& pairs) {
  for (const auto& warning : PropertyWarnings(pairs))
    console.err("moraine: warning: " + Printable(warning) + "\n");
}

}  // namespace moraine::cli
