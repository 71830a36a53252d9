#pragma once
// What scan planning keeps in the store: one secret, made by whichever replica needs it first, and
// the plans that a client fetches later or that are too large to ride in their tasks. Plans end by
// themselves; each new one sweeps away what has expired.

#include <mutex>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/scanning/scan_request.h"
#include "moraine/store/database.h"

namespace moraine::scanning {

struct KeptPlan {
  std::string plan_id;
  int64_t table_id = 0;
  std::string principal;
  ScanSpec scan;
  int64_t expires_ms = 0;  ///< by the store's clock
};

/// Thread-safe. Borrows the database.
class PlanStore {
 public:
  explicit PlanStore(store::Database& database) : database_(database) {}

  /// Makes the tables; called once at start.
  Status Open(Call& call);
  /// The same for all replicas; read once.
  Result<std::string> Secret(Call& call);
  Status Keep(Call& call, const KeptPlan& plan, Millis lifetime);
  /// NotFound when there is none, it has expired, or it is of another table or principal.
  Result<KeptPlan> Find(Call& call, const std::string& plan_id, int64_t table_id);
  /// Likewise NotFound.
  Status Remove(Call& call, const std::string& plan_id, int64_t table_id);

 private:
  store::Database& database_;
  std::mutex mutex_;
  std::string secret_;  // under mutex_; empty until it was read
};

}  // namespace moraine::scanning
