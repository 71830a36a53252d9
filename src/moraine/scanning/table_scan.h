#pragma once
// One scan of one table: its data manifests in parts of about a page each, and pages of scan tasks
// (REST spec, "ScanTasks"). A page is bounded in files and bytes and says where the next one goes
// on, so neither side ever holds the whole of a large table.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/expression/rest_filter.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/io/file_system.h"
#include "moraine/scanning/plan_task.h"
#include "moraine/scanning/scan_manifests.h"
#include "moraine/scanning/scan_request.h"

namespace moraine::scanning {

struct PageLimits {
  int64_t files = 5'000;                       ///< data files of one page
  int64_t bytes = int64_t{8} << 20;            ///< of memory for them, about
  int64_t manifest_bytes = int64_t{16} << 20;  ///< of manifests read for one page
};

struct TaskPage {
  std::string file_scan_tasks = "[]";  ///< JSON
  std::string delete_files;            ///< JSON; "" for none
  int64_t files = 0;
  std::optional<ManifestRange> rest;  ///< what was left for another page
};

/// Immutable; borrows the files.
class TableScan {
 public:
  /// Errors: NotFound for a schema that is gone since the scan was planned.
  static Result<TableScan> Make(io::FileSystem& files, iceberg::TablePtr metadata, ScanSpec scan,
                                ScanManifestsPtr manifests, const PageLimits& limits);

  ManifestRange All() const { return {0, static_cast<int64_t>(manifests_->data.size()), 0}; }
  /// Parts of about a page each; manifests that hold nothing of the scan are in none.
  std::vector<ManifestRange> Split(const ManifestRange& range) const;
  /// Stops early once enough rows are certain, where the scan says how many are. Errors: as
  /// ReadManifest; Corruption for deletes that contradict the spec.
  Result<TaskPage> Read(Call& call, const ManifestRange& range) const;

 private:
  struct Chosen {
    iceberg::ManifestEntry entry;
    std::shared_ptr<const std::string> residual;  ///< JSON
  };
  struct Residual {
    iceberg::ExpressionPtr expression;
    std::shared_ptr<const std::string> text;  ///< JSON
  };
  class Residuals;
  class Chooser;
  class Page;

  TableScan(io::FileSystem& files, iceberg::TablePtr metadata, iceberg::SchemaPtr schema,
            ScanSpec scan, ScanManifestsPtr manifests, const PageLimits& limits)
      : files_(&files),
        metadata_(std::move(metadata)),
        schema_(std::move(schema)),
        scan_(std::move(scan)),
        manifests_(std::move(manifests)),
        limits_(limits) {}

  bool incremental() const { return scan_.after_snapshot_id.has_value(); }
  bool MayHold(const iceberg::ManifestFile& manifest) const;
  bool IsOfScan(const iceberg::ManifestEntry& entry, const iceberg::ManifestFile& manifest) const;
  std::vector<int32_t> MetricsColumns() const;
  Status Write(Call& call, const std::vector<Chosen>& chosen, TaskPage* page) const;

  io::FileSystem* files_;
  iceberg::TablePtr metadata_;
  iceberg::SchemaPtr schema_;
  ScanSpec scan_;
  ScanManifestsPtr manifests_;
  PageLimits limits_;
  iceberg::TableFilter filter_;
  std::vector<Json> opaque_;  ///< of the filter
};

}  // namespace moraine::scanning
