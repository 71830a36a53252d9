#pragma once
// The properties of one table that say how it is maintained, read once per decision. Names,
// meanings and defaults are the reference system's where it has them (docs/guide/maintenance.md
// lists them all). A property may come from the server's settings, the warehouse, the namespace or
// the table: whoever calls has put those together, the nearest last (maintenance).

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/iceberg/types/snapshot.h"

namespace moraine::upkeep {

/// What is done to tables, by the name that rows, routes and commands have for it.
enum class Action {
  kExpireSnapshots,
  kCleanOrphanFiles,
  kCleanDanglingDeletes,
  kRewriteManifests,
  kExpireData,
  kCreateTags,
  kComputeStatistics,
  kPurgeTable,  ///< of a dropped table whose hold has ended
};
inline constexpr Action kActions[] = {Action::kExpireSnapshots,      Action::kCleanOrphanFiles,
                                      Action::kCleanDanglingDeletes, Action::kRewriteManifests,
                                      Action::kExpireData,           Action::kCreateTags,
                                      Action::kComputeStatistics,    Action::kPurgeTable};
/// "expire-snapshots", "clean-orphan-files", "clean-dangling-delete-files", "rewrite-manifests",
/// "expire-data", "auto-create-tags", "compute-statistics", "purge-table".
std::string_view ActionName(Action action);
/// Errors: InvalidArgument that names the actions.
Result<Action> ActionFromName(std::string_view name);

/// What is wrong with a property. A value that can't be read says nothing: whatever would go by it
/// is not done until somebody has mended it, as its default may be the opposite of what was meant.
struct ConfigProblem {
  std::string property;
  std::string where;          ///< where it is said: "namespace a"; "": whoever read it did not know
  std::string what;           ///< "is 'yes', expected true or false"
  std::vector<Action> stops;  ///< in the order of kActions; of a name that is not known: none

  /// "gc.enabled (table) is 'no', expected true or false; nothing is deleted until it is mended".
  std::string Text() const;
};
/// The actions that go by a property, by itself or by hand.
std::vector<Action> ReadersOf(std::string_view property);

enum class ExpireLevel { kPartition, kFile, kRow };
enum class ExpireBase { kLastCommitTime, kCurrentTime };
enum class TagPeriod { kHourly, kDaily, kWeekly, kMonthly };

struct MaintenanceConfig {
  bool gc_enabled = true;  ///< gc.enabled: false turns off whatever deletes

  bool expire_snapshots = true;  ///< table-expire.enabled
  /// snapshot.keep.duration, history.expire.max-snapshot-age-ms: the longer one of those that are
  /// set.
  Millis snapshot_keep{720LL * 60'000};
  /// snapshot.keep.min-count, history.expire.min-snapshots-to-keep: the larger one likewise.
  int64_t snapshot_keep_min_count = 1;
  Millis ref_max_age{-1};      ///< history.expire.max-ref-age-ms: of refs but main; < 0: for ever
  bool clean_schemas = false;  ///< table-expire.clean-schemas: those that no snapshot has go, too
  Millis flink_checkpoint_retention{7LL * 24 *
                                    3'600'000};  ///< snapshot.keep.flink.checkpoint-retention

  bool clean_orphan_files = false;          ///< clean-orphan-file.enabled
  Millis orphan_min_age{2'880LL * 60'000};  ///< clean-orphan-file.min-existing-time-minutes
  bool orphan_quarantine = true;            ///< clean-orphan-file.quarantine
  Millis orphan_quarantine_hold{7LL * 24 * 3'600'000};  ///< clean-orphan-file.quarantine-hold

  int64_t delete_files_per_second = 0;  ///< maintenance.delete-files-per-second; 0: no limit

  bool clean_dangling_deletes = true;  ///< clean-dangling-delete-files.enabled

  bool rewrite_manifests = true;  ///< rewrite-manifests.enabled

  bool expire_data = false;                                 ///< data-expire.enabled
  ExpireLevel data_expire_level = ExpireLevel::kPartition;  ///< data-expire.level
  std::string data_expire_field;                            ///< data-expire.field
  std::string data_expire_string_pattern = "yyyy-MM-dd";    ///< data-expire.datetime-string-pattern
  bool data_expire_seconds = false;  ///< data-expire.datetime-number-format is TIMESTAMP_S
  Millis data_retention{0};          ///< data-expire.retention-time; 0: none, nothing expires
  ExpireBase data_expire_base = ExpireBase::kLastCommitTime;  ///< data-expire.base-on-rule
  std::string data_expire_zone = "UTC";  ///< data-expire.time-zone: of times without a zone
  bool legal_hold = false;               ///< data-expire.legal-hold: nothing of it expires

  bool create_tags = false;                  ///< tag.auto-create.enabled
  TagPeriod tag_period = TagPeriod::kDaily;  ///< tag.auto-create.trigger.period
  Millis tag_offset{0};                      ///< tag.auto-create.trigger.offset.minutes
  Millis tag_max_delay{60LL * 60'000};       ///< tag.auto-create.trigger.max-delay.minutes
  std::string tag_format;                    ///< tag.auto-create.tag-format; "": the period's
  Millis tag_max_age{-1};                    ///< tag.auto-create.max-age-ms; <= 0: for ever
  std::string tag_zone = "UTC";              ///< tag.auto-create.time-zone
  bool tag_makes_branch = false;             ///< tag.auto-create.kind is "branch"

  bool compute_statistics = false;              ///< statistics.enabled
  bool partition_statistics = true;             ///< statistics.partitions: where the former is set
  std::vector<std::string> statistics_columns;  ///< statistics.columns; empty: all at the top
  /// statistics.min-changed-percent: of the rows, for all to be read again after deletes
  int64_t statistics_min_changed_percent = 10;

  /// Of properties that are not known, or whose value can't be read: the field is as by default.
  std::vector<ConfigProblem> problems;
};

MaintenanceConfig MaintenanceConfigOf(const iceberg::StringMap& properties);

/// What is wrong with a property that the action goes by: it must not be done, not even if somebody
/// asks for it. Null: nothing. Borrowed.
const ConfigProblem* WhatStops(const MaintenanceConfig& config, Action action);

/// A property as people read of it.
struct KnownProperty {
  std::string_view name;
  std::string_view default_value;
  std::string_view meaning;
};
/// All that MaintenanceConfigOf reads, in the order of the struct.
const std::vector<KnownProperty>& KnownProperties();

/// "720min", "7d", "12h": as ParseDuration, with the reference system's "min", too.
Result<Millis> ParseRetention(std::string_view text);

}  // namespace moraine::upkeep
