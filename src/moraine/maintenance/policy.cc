#include "moraine/maintenance/policy.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"

namespace moraine::maintenance {
namespace {

using upkeep::Action;

constexpr std::string_view kLevels[] = {"default",   "server", "warehouse",
                                        "namespace", "table",  "override"};
constexpr std::string_view kOwn = "maintenance.";
constexpr std::string_view kEnabled = "maintenance.enabled";
constexpr std::string_view kWindow = "maintenance.window";
constexpr std::string_view kZone = "maintenance.time-zone";
constexpr std::string_view kTableDefault = "table-default.";
constexpr std::string_view kTableOverride = "table-override.";
/// Names that start so are meant for maintenance, known or not.
constexpr std::string_view kGroups[] = {"maintenance.",
                                        "table-expire.",
                                        "snapshot.keep.",
                                        "history.expire.",
                                        "clean-orphan-file.",
                                        "data-expire.",
                                        "clean-dangling-delete-files.",
                                        "rewrite-manifests.",
                                        "tag.auto-create.",
                                        "statistics."};

struct ActionFacts {
  std::string_view schedule;
  std::string_view enabled;  ///< the property
  bool deletes;              ///< gc.enabled=false turns it off
};
const ActionFacts& FactsOf(Action action) {
  static constexpr std::array<ActionFacts, std::size(upkeep::kActions)> kFacts = {{
      {"every 1h", "table-expire.enabled", true},
      {"every 1d", "clean-orphan-file.enabled", true},
      {"every 1d", "clean-dangling-delete-files.enabled", true},
      {"every 1d", "rewrite-manifests.enabled", false},
      {"every 1d", "data-expire.enabled", true},
      {"every 1min", "tag.auto-create.enabled", false},
      {"every 6h", "statistics.enabled", false},
      {"every 1h", "", true},
  }};
  return kFacts[static_cast<size_t>(action)];
}

bool IsOn(const upkeep::MaintenanceConfig& config, Action action) {
  switch (action) {
    case Action::kExpireSnapshots:
      return config.expire_snapshots;
    case Action::kCleanOrphanFiles:
      return config.clean_orphan_files;
    case Action::kCleanDanglingDeletes:
      return config.clean_dangling_deletes;
    case Action::kRewriteManifests:
      return config.rewrite_manifests;
    case Action::kExpireData:
      return config.expire_data;
    case Action::kCreateTags:
      return config.create_tags;
    case Action::kComputeStatistics:
      return config.compute_statistics;
    case Action::kPurgeTable:
      break;
  }
  return true;
}

/// One level after the other, over what is there.
class Collector {
 public:
  void Add(const iceberg::StringMap* said, std::string_view prefix, Level level,
           const std::string& where) {
    if (said == nullptr) return;
    for (const auto& [key, value] : *said) {
      if (!key.starts_with(prefix)) continue;
      const std::string name = key.substr(prefix.size());
      if (IsPolicyProperty(name)) properties[name] = {value, level, where};
    }
  }
  EffectiveProperties properties;
};

std::string FoundAt(const EffectiveProperty* found) {
  if (found == nullptr || found->level == Level::kDefault) return "default";
  const std::string_view level = LevelName(found->level);
  return found->where.empty() ? std::string(level) : fmt::format("{} {}", level, found->where);
}

/// Where a value stands that was said; "": its level is not known.
std::string SaidAt(const EffectiveProperty* found) {
  return found == nullptr || found->level == Level::kDefault ? "" : FoundAt(found);
}

/// Reads what is said about when things run. What can't be read stops the schedules that go by it.
class PolicyReader {
 public:
  PolicyReader(const EffectiveProperties& properties, TimeZones& zones,
               std::vector<std::string>* problems)
      : properties_(properties), zones_(zones), problems_(problems), zone_(TimeZone::Utc()) {
    if (const auto* said = Find(kZone)) {
      auto zone = zones_.Find(said->value);
      if (zone.ok()) {
        zone_ = *zone;
      } else {
        broken_zone_ = Problem(kZone, zone.status(), "what goes by it does not run by itself");
      }
    }
    if (const auto* said = Find(kEnabled)) {
      const std::string lower = ToLowerAscii(said->value);
      enabled_ = lower != "false";
      if (lower != "true" && lower != "false") {
        broken_switch_ = Problem(
            kEnabled,
            InvalidArgument(fmt::format("'{}': expected true or false", said->value.substr(0, 60))),
            "nothing runs by itself");
      }
    }
  }

  ActionPolicy Read(Action action, const upkeep::MaintenanceConfig& config) {
    ActionPolicy policy;
    policy.action = action;
    ReadSchedule(&policy);
    ReadWindows(&policy);
    if (!policy.runs() && policy.reason.empty()) {
      policy.reason = fmt::format("{} is off ({})", ScheduleProperty(action),
                                  FoundAt(Find(ScheduleProperty(action))));
    }
    const bool has_clock =
        policy.schedule.kind() == Timetable::Kind::kCron || !policy.windows.empty();
    if (has_clock && !broken_zone_.empty()) Stop(broken_zone_, &policy);
    if (!broken_switch_.empty()) Stop(broken_switch_, &policy);
    const auto& facts = FactsOf(action);
    if (const auto* problem = upkeep::WhatStops(config, action)) {
      policy.enabled = false;
      policy.reason = problem->Text();
    } else if (!enabled_) {
      TurnOff(kEnabled, &policy);
    } else if (facts.deletes && !config.gc_enabled) {
      TurnOff("gc.enabled", &policy);
    } else if (!IsOn(config, action)) {
      TurnOff(facts.enabled, &policy);
    }
    return policy;
  }

 private:
  const EffectiveProperty* Find(std::string_view name) const {
    auto found = properties_.find(std::string(name));
    return found == properties_.end() ? nullptr : &found->second;
  }
  /// Returns the sentence. Said once, though windows are read for every action.
  std::string Problem(std::string_view name, const Status& why, std::string_view stops) {
    const std::string where = SaidAt(Find(name));
    std::string text =
        fmt::format("{}{}: {}; {} until it is mended", name,
                    where.empty() ? "" : fmt::format(" ({})", where), why.message(), stops);
    if (std::find(problems_->begin(), problems_->end(), text) == problems_->end())
      problems_->push_back(text);
    return text;
  }
  static void Stop(const std::string& why, ActionPolicy* policy) {
    policy->schedule = Timetable();
    policy->reason = why;
  }
  void TurnOff(std::string_view name, ActionPolicy* policy) {
    policy->enabled = false;
    policy->reason = fmt::format("{} is false ({})", name, FoundAt(Find(name)));
  }
  void ReadSchedule(ActionPolicy* policy) {
    const std::string name = ScheduleProperty(policy->action);
    policy->schedule_text = DefaultSchedule(policy->action);
    if (const auto* said = Find(name)) {
      auto schedule = Timetable::Parse(said->value, zone_, zones_);
      if (schedule.ok()) {
        policy->schedule = *schedule;
        policy->schedule_text = said->value;
        policy->schedule_level = said->level;
        return;
      }
      policy->schedule_text = said->value;
      policy->schedule_level = said->level;
      return Stop(
          Problem(name, schedule.status(),
                  fmt::format("{} does not run by itself", upkeep::ActionName(policy->action))),
          policy);
    }
    auto schedule = Timetable::Parse(policy->schedule_text, zone_, zones_);
    MORAINE_CHECK(schedule.ok(), policy->schedule_text);
    policy->schedule = *schedule;
  }
  /// The action's own, or those of all.
  void ReadWindows(ActionPolicy* policy) {
    for (const std::string& name : {WindowProperty(policy->action), std::string(kWindow)}) {
      const auto* said = Find(name);
      if (said == nullptr) continue;
      policy->window_text = said->value;
      policy->window_level = said->level;
      auto windows = ParseWindows(said->value, zone_, zones_);
      if (!windows.ok()) {
        // At any time would be too often.
        const std::string what =
            name == kWindow
                ? std::string("what goes by it does not run by itself")
                : fmt::format("{} does not run by itself", upkeep::ActionName(policy->action));
        return Stop(Problem(name, windows.status(), what), policy);
      }
      policy->windows = std::move(*windows);
      return;
    }
  }

  const EffectiveProperties& properties_;
  TimeZones& zones_;
  std::vector<std::string>* problems_;
  TimeZonePtr zone_;
  bool enabled_ = true;
  std::string broken_zone_;    ///< why, if it can't be read
  std::string broken_switch_;  ///< likewise of kEnabled
};

/// Zones that data and tags go by, where they are used.
void FindBadZones(TimeZones* zones, upkeep::MaintenanceConfig* config) {
  const auto check = [&](bool is_used, std::string_view property, const std::string& zone) {
    if (!is_used || zones->Find(zone).ok()) return;
    config->problems.push_back(
        {.property = std::string(property),
         .where = {},
         .what = fmt::format("is '{}', expected a time zone, such as Europe/Berlin",
                             zone.substr(0, 60)),
         .stops = upkeep::ReadersOf(property)});
  };
  check(config->expire_data, "data-expire.time-zone", config->data_expire_zone);
  check(config->create_tags, "tag.auto-create.time-zone", config->tag_zone);
}

void FindUnknown(const EffectiveProperties& properties, std::vector<std::string>* problems) {
  std::vector<std::string> known;
  for (const auto& property : PolicyProperties()) known.push_back(property.name);
  for (const auto& [name, said] : properties) {
    if (!name.starts_with(kOwn) || std::find(known.begin(), known.end(), name) != known.end()) {
      continue;
    }
    const std::string nearest = Nearest(name, known);
    const std::string where = SaidAt(&said);
    problems->push_back(
        fmt::format("{}{} is not a property that is known{}", name.substr(0, 60),
                    where.empty() ? "" : fmt::format(" ({})", where),
                    nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)));
  }
}

}  // namespace

std::string_view LevelName(Level level) { return kLevels[static_cast<size_t>(level)]; }

iceberg::StringMap ValuesOf(const EffectiveProperties& properties) {
  iceberg::StringMap values;
  for (const auto& [name, said] : properties) values[name] = said.value;
  return values;
}

bool IsPolicyProperty(std::string_view name) {
  const auto& known = upkeep::KnownProperties();
  return std::any_of(std::begin(kGroups), std::end(kGroups),
                     [&](auto group) { return name.starts_with(group); }) ||
         std::any_of(known.begin(), known.end(),
                     [&](const auto& property) { return property.name == name; });
}

EffectiveProperties EffectiveOf(const PolicyLayers& layers) {
  Collector all;
  all.Add(layers.server, "", Level::kServer, "");
  all.Add(layers.defaults, kTableDefault, Level::kWarehouse, layers.warehouse);
  all.Add(layers.defaults, "", Level::kWarehouse, layers.warehouse);
  for (const auto& [name, said] : layers.namespaces) {
    all.Add(said, "", Level::kNamespace, name);
  }
  all.Add(layers.table, "", Level::kTable, "");
  all.Add(layers.overrides, kTableOverride, Level::kOverride, layers.warehouse);
  all.Add(layers.overrides, "", Level::kOverride, layers.warehouse);
  return std::move(all.properties);
}

const ActionPolicy& TablePolicy::Of(Action action) const {
  return actions.at(static_cast<size_t>(action));
}

TablePolicy PolicyOf(const PolicyLayers& layers, TimeZones& zones) {
  return PolicyOf(EffectiveOf(layers), zones);
}

TablePolicy PolicyOf(EffectiveProperties properties, TimeZones& zones) {
  TablePolicy policy;
  policy.properties = std::move(properties);
  policy.config = upkeep::MaintenanceConfigOf(ValuesOf(policy.properties));
  FindBadZones(&zones, &policy.config);
  for (auto& problem : policy.config.problems) {
    problem.where = SaidAt(&policy.properties.at(problem.property));
    policy.problems.push_back(problem.Text());
  }
  PolicyReader read(policy.properties, zones, &policy.problems);
  for (Action action : upkeep::kActions) {
    policy.actions.push_back(read.Read(action, policy.config));
  }
  FindUnknown(policy.properties, &policy.problems);
  return policy;
}

std::string ScheduleProperty(Action action) {
  return fmt::format("maintenance.{}.schedule", upkeep::ActionName(action));
}
std::string WindowProperty(Action action) {
  return fmt::format("maintenance.{}.window", upkeep::ActionName(action));
}
std::string_view DefaultSchedule(Action action) { return FactsOf(action).schedule; }
std::string_view SwitchOf(Action action) { return FactsOf(action).enabled; }

const std::vector<PolicyProperty>& PolicyProperties() {
  static const std::vector<PolicyProperty> properties = [] {
    std::vector<PolicyProperty> all;
    for (const auto& known : upkeep::KnownProperties()) {
      all.push_back(
          {std::string(known.name), std::string(known.default_value), std::string(known.meaning)});
    }
    all.push_back({std::string(kEnabled), "true", "false: nothing runs by itself"});
    all.push_back({std::string(kZone), "UTC", "of schedules and windows that name none"});
    all.push_back({std::string(kWindow), "", "hours in which runs may begin: 22:00-06:00 Mon-Fri"});
    for (Action action : upkeep::kActions) {
      all.push_back({ScheduleProperty(action), std::string(DefaultSchedule(action)),
                     fmt::format("when {} runs", upkeep::ActionName(action))});
      all.push_back({WindowProperty(action), "", "hours for it alone, instead of those of all"});
    }
    return all;
  }();
  return properties;
}

}  // namespace moraine::maintenance
