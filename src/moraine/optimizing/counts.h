#pragma once
// How many tables, processes, tasks and optimizers are in which state, and how far the feed has
// been read: counted in the store, cheap enough for every scrape of the metrics.

#include <cstdint>
#include <map>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/store/database.h"

namespace moraine::optimizing {

struct GroupCounts {
  int64_t optimizers = 0;
  int64_t threads = 0;
  int64_t busy_threads = 0;
};

struct Counts {
  // Every state is there, also when nothing is in it.
  std::map<std::string, int64_t> tables;  ///< by TableStatusName
  std::map<std::string, int64_t>
      open_processes;                         ///< by ProcessStateName; those that have not ended
  std::map<std::string, int64_t> tasks;       ///< by state, of open processes
  std::map<std::string, GroupCounts> groups;  ///< those that have optimizers
  int64_t due_tables = 0;                     ///< whose health waits to be looked at
  int64_t feed_lag = 0;                       ///< changes not read yet
  Millis feed_lag_time{0};                    ///< age of the oldest of them
};

Result<Counts> CountAll(Call& call, store::Database& database, catalog::Catalog& catalog);

}  // namespace moraine::optimizing
