// Which properties an action goes by, and what follows from one that can't be read.

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/upkeep/config.h"

namespace moraine::upkeep {
namespace {

struct Reading {
  std::string_view begins;  ///< of the property's name
  std::vector<Action> actions;
};

/// Whoever deletes, what must be kept is kept from all of them.
const std::vector<Action>& DeletingActions() {
  static const std::vector<Action> actions = {Action::kExpireSnapshots, Action::kCleanOrphanFiles,
                                              Action::kCleanDanglingDeletes, Action::kExpireData,
                                              Action::kPurgeTable};
  return actions;
}

/// The first that fits counts.
const std::vector<Reading>& Readings() {
  static const std::vector<Reading> readings = {
      {"gc.enabled", DeletingActions()},
      {"data-expire.legal-hold", DeletingActions()},
      {"maintenance.delete-files-per-second",
       {Action::kExpireSnapshots, Action::kCleanOrphanFiles, Action::kPurgeTable}},
      {"table-expire.", {Action::kExpireSnapshots}},
      {"snapshot.keep.", {Action::kExpireSnapshots}},
      {"history.expire.", {Action::kExpireSnapshots}},
      {"clean-orphan-file.", {Action::kCleanOrphanFiles}},
      {"clean-dangling-delete-files.", {Action::kCleanDanglingDeletes}},
      {"rewrite-manifests.", {Action::kRewriteManifests}},
      {"data-expire.", {Action::kExpireData}},
      {"tag.auto-create.", {Action::kCreateTags}},
      {"statistics.", {Action::kComputeStatistics}}};
  return readings;
}

std::string WhatItStops(const std::vector<Action>& actions) {
  if (actions == DeletingActions()) return "nothing is deleted";
  std::vector<std::string_view> names;
  for (Action action : actions) names.push_back(ActionName(action));
  return fmt::format("{} {} not done", fmt::join(names, ", "), names.size() == 1 ? "is" : "are");
}

}  // namespace

std::vector<Action> ReadersOf(std::string_view property) {
  for (const auto& reading : Readings()) {
    if (property.starts_with(reading.begins)) return reading.actions;
  }
  return {};
}

std::string ConfigProblem::Text() const {
  std::string text = property.substr(0, 60);
  if (!where.empty()) text += fmt::format(" ({})", where);
  text += " " + what;
  if (!stops.empty()) text += fmt::format("; {} until it is mended", WhatItStops(stops));
  return text;
}

const ConfigProblem* WhatStops(const MaintenanceConfig& config, Action action) {
  for (const auto& problem : config.problems) {
    const auto& stops = problem.stops;
    if (std::find(stops.begin(), stops.end(), action) != stops.end()) return &problem;
  }
  return nullptr;
}

}  // namespace moraine::upkeep
