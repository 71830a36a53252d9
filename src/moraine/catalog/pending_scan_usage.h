#pragma once
// What scans asked tables for since it was last added to the store's rows (scan_usage_rows.h). A
// busy table gets many reports a second, from all servers: each server adds its own every few
// seconds. Used by the catalog's reports.cc. What waits when a server dies is lost.

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "moraine/iceberg/scan/scan_usage.h"

namespace moraine::catalog {

/// Thread-safe. Of bounded size where what is due is taken after each Add.
class PendingScanUsage {
 public:
  struct Sum {
    int64_t table_id = 0;
    int64_t at_ms = 0;  ///< on the day that it counts for
    iceberg::ScanUsage usage;
  };

  void Add(int64_t table_id, const iceberg::ScanUsage& usage, int64_t at_ms, int64_t now_ms);
  /// Some of those that have waited for some seconds; of the oldest ones where many wait.
  std::vector<Sum> TakeDue(int64_t now_ms);
  std::vector<Sum> TakeOf(int64_t table_id);
  std::vector<Sum> TakeAll();

 private:
  using Key = std::pair<int64_t, int64_t>;  ///< table, day
  struct Waiting {
    Sum sum;
    int64_t since_ms = 0;
  };

  std::mutex mutex_;
  std::map<Key, Waiting> waiting_;                    // under mutex_
  std::deque<std::pair<Key, int64_t>> oldest_first_;  // under mutex_; may name those that are gone
};

}  // namespace moraine::catalog
