#pragma once
// What a client asks of a plan, and the scan that it comes to for one table (REST spec,
// "PlanTableScanRequest"). A ScanSpec names everything by number, so that a plan stays what it is
// while the table goes on; it rides in plan tasks and is kept with submitted plans.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::scanning {

/// Clients of Java's library read bounds as hexadecimal text of their binary form; the protocol's
/// text, and others, as values of their types.
enum class BoundsForm { kTyped, kBinary };

struct ScanRequest {
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> start_snapshot_id;  ///< exclusive
  std::optional<int64_t> end_snapshot_id;    ///< inclusive
  Json filter;                               ///< null: every row
  std::optional<int64_t> min_rows;
  bool case_sensitive = true;
  bool use_snapshot_schema = false;
  std::vector<std::string> stats_fields;
  BoundsForm bounds = BoundsForm::kTyped;
};
/// Errors: InvalidArgument naming the member.
Result<ScanRequest> ScanRequestFromJson(const JsonCursor& json);

struct ScanSpec {
  int64_t snapshot_id = iceberg::kNoSnapshot;
  std::optional<int64_t> after_snapshot_id;  ///< incremental: the appends after this one
  int32_t schema_id = 0;
  std::string filter;  ///< JSON text as it came; "" for every row
  bool case_sensitive = true;
  std::vector<int32_t> stats_columns;  ///< ascending
  BoundsForm bounds = BoundsForm::kTyped;
  std::optional<int64_t> min_rows;  ///< whoever asked needs no more, though more may come

  bool operator==(const ScanSpec&) const = default;
};

/// Nothing for a table without a snapshot. Errors: InvalidArgument for an unknown snapshot or
/// column, or for a start that is no ancestor of the end.
Result<std::optional<ScanSpec>> ResolveScan(const iceberg::TableMetadata& metadata,
                                            const ScanRequest& request);

/// The snapshots after `after` up to `last`, newest first. Errors: InvalidArgument as ResolveScan.
Result<std::vector<const iceberg::Snapshot*>> SnapshotsBetween(
    const iceberg::TableMetadata& metadata, int64_t after, int64_t last);

void WriteScanSpec(const ScanSpec& spec, JsonWriter* out);
Result<ScanSpec> ScanSpecFromJson(const JsonCursor& json);

}  // namespace moraine::scanning
