#pragma once
// Server-side scan planning of the REST protocol: plan, fetch, cancel, tasks. Called by rest. A
// plan is worked out from the table's metadata and manifest list alone; its files are listed page
// by page, by plan tasks that any replica serves (docs/design/0017-scan-planning.md).

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/io/file_system.h"
#include "moraine/scanning/plan_store.h"
#include "moraine/scanning/plan_task.h"
#include "moraine/scanning/scan_manifests.h"
#include "moraine/scanning/scan_request.h"
#include "moraine/scanning/table_scan.h"
#include "moraine/store/database.h"

namespace moraine::scanning {

struct ScanOptions {
  PageLimits page;
  size_t plan_tasks = 500;  ///< of one answer; of more parts, each stands for several
  Millis plan_lifetime = Millis(3'600'000);  ///< of plans and plan tasks
  /// A scan whose manifest lists are at least so long is planned when its result is fetched.
  int64_t submit_from_bytes = int64_t{16} << 20;
  int64_t list_cache_bytes = int64_t{32} << 20;
};

/// Thread-safe. Borrows files and store. What it returns are whole answers in JSON.
class Scans {
 public:
  Scans(io::FileSystem& files, store::Database& database, const ScanOptions& options)
      : files_(files),
        options_(options),
        plans_(database),
        lists_(files, options.list_cache_bytes) {}

  /// Makes the tables of the store; called once at start.
  Status Open(Call& call) { return plans_.Open(call); }

  /// storage_credentials: what the client is told of the storage with a completed plan (a JSON
  /// array); empty: nothing. Errors: InvalidArgument naming the member; as TableScan::Read.
  Result<std::string> Plan(Call& call, const catalog::LoadedTable& table,
                           const ScanRequest& request, std::string_view storage_credentials);
  /// The result of a submitted plan. NotFound for one that is unknown here, over, or whose snapshot
  /// has expired.
  Result<std::string> Fetch(Call& call, const catalog::LoadedTable& table,
                            const std::string& plan_id, std::string_view storage_credentials);
  /// Its plan tasks end with it. NotFound as Fetch.
  Status Cancel(Call& call, const catalog::LoadedTable& table, const std::string& plan_id);
  /// A page of scan tasks, and more plan tasks. NotFound as Fetch.
  Result<std::string> Tasks(Call& call, const catalog::LoadedTable& table,
                            const std::string& plan_task);

 private:
  Result<std::string> Complete(Call& call, const catalog::LoadedTable& table, KeptPlan plan,
                               std::string_view storage_credentials);
  Result<TableScan> Prepare(Call& call, const catalog::LoadedTable& table, const ScanSpec& scan);
  /// Texts of plan tasks for the parts; not too many, so some may stand for several.
  Result<std::vector<std::string>> Seal(Call& call, PlanTask task,
                                        const std::vector<ManifestRange>& parts);
  Status KeepIfLarge(Call& call, KeptPlan* plan);

  io::FileSystem& files_;
  const ScanOptions options_;
  PlanStore plans_;
  ManifestLists lists_;
};

}  // namespace moraine::scanning
