#pragma once
// What is to be done to a table, and when, put together from what is said at each level: the
// server's settings, the warehouse's defaults, the namespaces from the outermost in, the table's
// properties, the warehouse's overrides; the later wins. Each value knows where it comes from, so
// that "why" has an answer. Pure.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/time_zone.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/maintenance/timetable.h"
#include "moraine/upkeep/config.h"

namespace moraine::maintenance {

/// Where a value was said, the nearest last.
enum class Level { kDefault, kServer, kWarehouse, kNamespace, kTable, kOverride };
/// "default", "server", "warehouse", "namespace", "table", "override".
std::string_view LevelName(Level level);

struct EffectiveProperty {
  std::string value;
  Level level = Level::kDefault;
  std::string where;  ///< the warehouse's or the namespace's name; else empty
};
using EffectiveProperties = std::map<std::string, EffectiveProperty>;
iceberg::StringMap ValuesOf(const EffectiveProperties& properties);

/// What each level says; borrowed. Of a warehouse "table-default.X" counts as X, and
/// "table-override.X" likewise.
struct PolicyLayers {
  const iceberg::StringMap* server = nullptr;
  std::string warehouse;
  const iceberg::StringMap* defaults = nullptr;
  std::vector<std::pair<std::string, const iceberg::StringMap*>> namespaces;  ///< outermost first
  const iceberg::StringMap* table = nullptr;
  const iceberg::StringMap* overrides = nullptr;
};

/// Whether a property is about maintenance: those of KnownProperties, and what looks like one.
bool IsPolicyProperty(std::string_view name);
/// Those properties; what no level says is left out.
EffectiveProperties EffectiveOf(const PolicyLayers& layers);

struct ActionPolicy {
  upkeep::Action action = upkeep::Action::kExpireSnapshots;
  bool enabled = true;
  /// Why it does not run by itself: "clean-orphan-file.enabled is false (default)". "": it does.
  std::string reason;
  Timetable schedule;
  std::vector<Window> windows;
  std::string schedule_text;  ///< as it was said
  Level schedule_level = Level::kDefault;
  std::string window_text;  ///< empty: at any time
  Level window_level = Level::kDefault;

  /// Whether it runs by itself.
  bool runs() const { return enabled && schedule.kind() != Timetable::Kind::kOff; }
};

struct TablePolicy {
  EffectiveProperties properties;
  upkeep::MaintenanceConfig config;
  std::vector<ActionPolicy> actions;  ///< in the order of upkeep::kActions
  std::vector<std::string> problems;  ///< what can't be read, and what stops until it is mended

  const ActionPolicy& Of(upkeep::Action action) const;
};
using TablePolicyPtr = std::shared_ptr<const TablePolicy>;
TablePolicy PolicyOf(EffectiveProperties properties, TimeZones& zones);
TablePolicy PolicyOf(const PolicyLayers& layers, TimeZones& zones);

/// "maintenance.expire-snapshots.schedule".
std::string ScheduleProperty(upkeep::Action action);
std::string WindowProperty(upkeep::Action action);
/// "every 1h": where nobody says anything.
std::string_view DefaultSchedule(upkeep::Action action);
/// The switch that turns the action on or off: "table-expire.enabled"; "" where there is none.
std::string_view SwitchOf(upkeep::Action action);

/// All properties that a policy is made of, those of upkeep first.
struct PolicyProperty {
  std::string name;
  std::string default_value;
  std::string meaning;
};
const std::vector<PolicyProperty>& PolicyProperties();

}  // namespace moraine::maintenance
