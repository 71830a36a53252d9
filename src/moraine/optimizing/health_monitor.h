#pragma once
// Learns of changes from the feed and keeps each table's health: reads only manifests it has no
// digest of, and decides what the table waits for. One tick a call; every decision ends as a row of
// optimizing_table.

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "moraine/catalog/catalog.h"
#include "moraine/io/file_system.h"
#include "moraine/optimizing/metrics_internal.h"
#include "moraine/optimizing/options.h"
#include "moraine/optimizing/table_state.h"
#include "moraine/planning/health.h"
#include "moraine/store/shards.h"

namespace moraine::optimizing {

/// JSON of a health, for rows and the API; and a sum as it is kept in memory.
std::string HealthToJson(const planning::Health& health);

/// Sums of digests by table, the least lately used ones dropped. Used by one thread at a time per
/// table.
class HealthCache {
 public:
  explicit HealthCache(size_t tables) : limit_(tables) {}
  std::shared_ptr<planning::HealthSum> Get(int64_t table_id);
  void Drop(int64_t table_id);

 private:
  std::mutex mutex_;
  size_t limit_;
  std::list<int64_t> recent_;
  struct Entry {
    std::shared_ptr<planning::HealthSum> sum;
    std::list<int64_t>::iterator place;
  };
  std::unordered_map<int64_t, Entry> entries_;
};

class HealthMonitor {
 public:
  HealthMonitor(catalog::Catalog& catalog, io::FileSystem& files, store::Shards& shards,
                Options options);

  /// One server for all: takes new rows of the feed: their tables become due, dropped ones are
  /// forgotten. True when there may be more.
  Result<bool> FeedTick(Call& call);
  /// Refreshes up to limit of this server's tables that are due. A table whose files can't be read
  /// is marked with the reason and looked at again later; the others go on. Returns how many it
  /// looked at.
  Result<size_t> RefreshTick(Call& call, size_t limit);
  /// Deletes rows of the feed that every consumer has read and that are older than the retention.
  Status TrimFeed(Call& call);
  /// Brings the sum of a table up to its current snapshot, from stored digests and new manifests.
  Result<std::shared_ptr<planning::HealthSum>> SumOf(Call& call, int64_t table_id,
                                                     const iceberg::TableMetadata& metadata);
  /// The sum of a branch's head (metadata as planning::AtBranch gives it), made for this call
  /// alone; digests of manifests that main has, too, are not read again. main: as SumOf.
  Result<std::shared_ptr<planning::HealthSum>> SumOfBranch(Call& call, int64_t table_id,
                                                           const iceberg::TableMetadata& metadata,
                                                           const std::string& branch);

 private:
  /// Takes all tables for changed, and forgets those that are gone.
  Status Reconcile(Call& call);
  Status RefreshTable(Call& call, const TableState& before);
  Status LookAt(Call& call, const TableState& before, Status* problem);
  Status Save(Call& call, const TableState& next);
  Status MarkUnreadable(Call& call, const TableState& before, const Status& why);
  Status Forget(Call& call, int64_t table_id);
  Result<planning::HealthSum::DigestPtr> LoadDigest(
      Call& call, const iceberg::TableMetadata& metadata, const iceberg::ManifestFile& manifest,
      const std::unordered_map<std::string, std::string>& stored);

  catalog::Catalog& catalog_;
  io::FileSystem& files_;
  store::Shards& shards_;
  store::Database& database_;
  const Options options_;
  HealthCache cache_;
  OptimizingMetrics metrics_;
};

/// Pure: the row after a look at the table. had_process: a process of the table has not ended.
enum class HasProcess { kNo, kYes };
TableState DecideState(const TableState& before, const planning::Health& health,
                       const planning::OptimizingConfig& config, HasProcess has_process,
                       int64_t now_ms);

}  // namespace moraine::optimizing
