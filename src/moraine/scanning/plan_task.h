#pragma once
// Plan tasks: the opaque texts by which a client fetches the rest of a plan, from any replica. Each
// carries what is to be read and is signed with a secret that the store keeps, so nothing has to be
// remembered; it is good for one table and one principal, for a time.

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/scanning/scan_request.h"

namespace moraine::scanning {

/// Data manifests of a scan by their places in its list, from the entry skip of the first on.
struct ManifestRange {
  int64_t begin = 0;
  int64_t end = 0;  ///< exclusive
  int64_t skip = 0;

  bool operator==(const ManifestRange&) const = default;
};

struct PlanTask {
  int64_t table_id = 0;
  std::string principal;
  int64_t expires_ms = 0;
  std::string plan_id;  ///< of a plan that is kept in the store; "": the scan is in the task
  ScanSpec scan;        ///< without plan_id
  ManifestRange range;

  bool operator==(const PlanTask&) const = default;
};

std::string SealPlanTask(const PlanTask& task, std::string_view secret);
/// Errors: NotFound for anything that was not sealed with this secret. Whether it is expired, or
/// about another table or principal, is for the caller to see.
Result<PlanTask> OpenPlanTask(std::string_view text, std::string_view secret);

}  // namespace moraine::scanning
