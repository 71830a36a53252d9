#include "moraine/maintenance/plain_rules.h"

#include "moraine/optimizing/failures.h"

namespace moraine::maintenance {
namespace {

using upkeep::Action;

/// Deletes rows or files of a table that lives.
bool Deletes(Action action) {
  return action == Action::kExpireSnapshots || action == Action::kCleanOrphanFiles ||
         action == Action::kCleanDanglingDeletes || action == Action::kExpireData;
}

struct Switch {
  bool on;
  const char* off;
};

Switch SwitchOf(const upkeep::MaintenanceConfig& config, Action action) {
  switch (action) {
    case Action::kExpireSnapshots:
      return {config.expire_snapshots, "table-expire.enabled is false"};
    case Action::kCleanOrphanFiles:
      return {config.clean_orphan_files, "clean-orphan-file.enabled is false"};
    case Action::kCleanDanglingDeletes:
      return {config.clean_dangling_deletes, "clean-dangling-delete-files.enabled is false"};
    case Action::kRewriteManifests:
      return {config.rewrite_manifests, "rewrite-manifests.enabled is false"};
    case Action::kExpireData:
      return {config.expire_data, "data-expire.enabled is false"};
    case Action::kCreateTags:
      return {config.create_tags, "tag.auto-create.enabled is false"};
    case Action::kComputeStatistics:
      return {config.compute_statistics, "statistics.enabled is false"};
    case Action::kPurgeTable:
      return {false, "the table lives"};
  }
  return {false, ""};
}

}  // namespace

std::string WhyBroken(const upkeep::MaintenanceConfig& config, Action action) {
  const auto* problem = upkeep::WhatStops(config, action);
  return problem == nullptr ? std::string() : problem->Text();
}

std::string WhyForbidden(const upkeep::MaintenanceConfig& config, Action action) {
  if (!config.gc_enabled && Deletes(action)) return "gc.enabled is false: nothing is deleted";
  if (action == Action::kExpireData && config.legal_hold)
    return "data-expire.legal-hold is true: nothing of the table expires";
  return {};
}

std::string WhySwitchedOff(const upkeep::MaintenanceConfig& config, Action action) {
  if (std::string why = WhyBroken(config, action); !why.empty()) return why;
  if (std::string why = WhyForbidden(config, action); !why.empty()) return why;
  const Switch found = SwitchOf(config, action);
  return found.on ? std::string() : found.off;
}

bool IsPassing(const Status& status) {
  switch (status.code()) {
    case Code::kUnavailable:
    case Code::kExhausted:
    case Code::kDeadline:
    case Code::kCancelled:
    case Code::kConflict:
    case Code::kCommitUnknown:
      return true;
    default:
      return false;
  }
}

Millis BackOff(int64_t failures, const Options& options) {
  return optimizing::BackOff(failures, options.backoff_first, options.backoff_last);
}

}  // namespace moraine::maintenance
