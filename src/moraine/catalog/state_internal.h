#pragma once
// What the parts of the catalog share.

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/catalog/live_rows.h"
#include "moraine/catalog/metadata_cache.h"
#include "moraine/catalog/metrics_internal.h"
#include "moraine/catalog/pending_scan_usage.h"
#include "moraine/catalog/request_keys.h"
#include "moraine/catalog/row_checks.h"
#include "moraine/catalog/rows_internal.h"
#include "moraine/catalog/swap_internal.h"
#include "moraine/catalog/table_turns.h"
#include "moraine/catalog/warehouse_directory.h"

namespace moraine::catalog {

/// Runs in the swap's transaction, after it.
using Note = std::function<Status(store::Transaction&)>;

/// One table of a commit, worked out and its metadata file written; the swap is to come.
struct Prepared {
  TabularRow row;                         ///< as it was read; id 0: the table is made
  LoadedTablePtr base;                    ///< null where the table is made
  std::optional<CachedMetadata> written;  ///< nullopt: nothing changes
  std::string location;                   ///< of the file
  std::optional<Swap> swap;               ///< of a table that was there
  std::optional<NewRow> insertion;        ///< of one that is made
};

/// A row that a swap led, or would have led, to a metadata file.
struct Step {
  int64_t id = 0;  ///< 0: of a new row
  int64_t version = 0;
  std::string metadata_location;
};

struct Catalog::State {
  State(store::Database& database_in, io::FileSystem& files_in, CatalogOptions options_in)
      : database(database_in),
        files(files_in),
        options(options_in),
        cache(options_in.metadata_cache_bytes),
        live(std::make_shared<LiveRows>(options_in.live_rows)),
        checks(database_in),
        metrics(options_in.metrics),
        keys(database_in, options_in.metrics),
        warehouses(database_in, options_in.max_warehouse_age) {}

  store::Database& database;
  io::FileSystem& files;
  const CatalogOptions options;
  MetadataCache cache;
  const std::shared_ptr<LiveRows> live;
  RowChecks checks;
  CatalogMetrics metrics;
  RequestKeys keys;
  using Turn = TableTurns::Turn;
  TableTurns turns;
  TableTurns reads;  ///< of metadata files: one request reads a table's, the others share it
  PendingScanUsage pending_usage;
  std::mutex mutex;
  WarehouseDirectory warehouses;
  Clock* clock = nullptr;                        ///< set once, by Open
  std::vector<std::function<void()>> listeners;  // under mutex

  /// As WarehouseDirectory::Find.
  Result<Warehouse> FindWarehouse(Call& call, const std::string& name);
  /// Outside of transactions; from memory where that is exact. NotFound, worded for the kind.
  Result<TabularRow> GetRow(Call& call, int64_t warehouse_id, const TableName& name,
                            TabularKind kind);
  Result<Page<TableName>> ListTabulars(Call& call, const std::string& warehouse,
                                       const NamespaceName& ns, const PageRequest& page,
                                       TabularKind kind);
  /// Gives all committed changes their place in the feed, where writers can't (servers).
  Status NumberAllChanges(Call& call);
  /// Runs a change that a client asked for: every such change, in its one transaction, goes through
  /// here, so that its receipt is kept with it where the request has a key. The body may fill in
  /// the receipt.
  Status Mutate(Call& call, const Receipt& receipt, const Note& body);
  /// Calls the listeners.
  void Announce();

  // reports.cc

  /// Adds sums to their rows. What can't be added now waits again.
  void KeepUsage(Call& call, const std::vector<PendingScanUsage::Sum>& sums);

  // dropping.cc

  /// How something of this warehouse is dropped now: the row's hold is the table's own wish, where
  /// the warehouse leaves it one. null: a namespace.
  Removal RemovalOf(Call& call, const Warehouse& warehouse, const TabularRow* row);

  // metadata_files.cc

  /// Whether a cached file is asked for again: a load must notice one that is gone.
  enum class Freshness { kCached, kFilePresent };
  /// The row's metadata, from the cache or the file. NotFound when the file is gone, Corruption
  /// when it can't be read as metadata.
  Result<LoadedTablePtr> Load(Call& call, const TabularRow& row, Freshness freshness);
  /// The same of a view.
  Result<CachedView> LoadView(Call& call, const TabularRow& row, Freshness freshness);
  template <typename Cached>
  Result<Cached> ThroughCache(Call& call, const TabularRow& row, Freshness freshness,
                              const std::function<Cached()>& find,
                              const std::function<Result<Cached>()>& read);
  Result<CachedMetadata> ReadMetadata(Call& call, const std::string& location);
  Result<CachedView> ReadView(Call& call, const std::string& location);
  /// A metadata file's text, unzipped. NotFound when it is gone, Corruption.
  Result<std::string> ReadMetadataText(Call& call, const std::string& location);
  /// Writes the metadata file, durable. After an error there may be one all the same.
  Result<CachedMetadata> WriteMetadata(Call& call, iceberg::TableMetadata metadata,
                                       const std::string& location);
  Status WriteMetadataText(Call& call, const std::string& text, const std::string& location);
  /// Deletes what a refused commit wrote.
  void DiscardMetadata(Call& call, const Status& refusal, const std::string& metadata_location);
  /// write.metadata.delete-after-commit.enabled.
  void TrimMetadata(Call& call, const iceberg::TableMetadata& base, const LoadedTable& committed);

  // creation.cc

  /// The folders of a table that is only staged: its client writes there before it commits, and
  /// some make no folders. Nothing to do where files need none.
  Status MakeFolders(Call& call, const iceberg::TableMetadata& metadata);
  /// Makes a table from whole metadata: writes the file and inserts the row.
  Result<LoadedTablePtr> Insert(Call& call, const Warehouse& warehouse, const TableName& name,
                                iceberg::TableMetadata metadata, const Note& note);
  /// Inserts the row of a table whose metadata file was registered.
  Result<int64_t> InsertRegistered(store::Transaction& t, Call& call, const Warehouse& warehouse,
                                   const TableName& name, const CachedMetadata& cached,
                                   const std::string& metadata_location);
  /// Leads a row that is there to a registered file.
  Status OverwriteRow(store::Transaction& t, Call& call, const TabularRow& row,
                      const CachedMetadata& cached, const std::string& metadata_location);
  /// Reads a file that a client wants to have registered.
  Result<CachedMetadata> ReadForeign(Call& call, const Warehouse& warehouse,
                                     const std::string& metadata_location);
  /// The first metadata of a table that a commit makes.
  Result<iceberg::TableMetadata> MetadataOfCreate(Call& call, const Warehouse& warehouse,
                                                  const TableName& name,
                                                  const iceberg::CommitRequest& request);
  /// Writes the first metadata file.
  Result<Prepared> PrepareNew(Call& call, const Warehouse& warehouse, const TableName& name,
                              iceberg::TableMetadata metadata);

  // commit.cc

  /// Once, as often as races ask for it.
  Result<LoadedTablePtr> CommitOnce(Call& call, const Warehouse& warehouse, const TableName& name,
                                    const iceberg::CommitRequest& request, const Note& note,
                                    const Turn* held, bool* lost_race);
  Status CommitAllOnce(Call& call, const Warehouse& warehouse,
                       const std::vector<TableCommit>& commits, const Note& note, bool* lost_race);
  /// Reads the table, checks and applies the request, and writes the next metadata file.
  Result<Prepared> PrepareChange(Call& call, const Warehouse& warehouse, TabularRow row,
                                 const iceberg::CommitRequest& request);
  /// Makes all of it true in one transaction; brings the rows up to date. A refused one leaves no
  /// files. Errors as Catalog::Commit.
  Status Land(Call& call, std::span<Prepared> all, const Note& note, bool* lost_race);
  /// Of a commit that changes nothing: its note and its receipt.
  Status KeepUnchanged(Call& call, const TabularRow& row, const Note& note);
  /// What became of a swap whose commit gave no clear answer. Afterwards a refused one can't land
  /// any more, so its files may go.
  enum class Fate { kLanded, kRefused, kUnknown };
  struct Settled {
    Fate fate = Fate::kUnknown;
    std::vector<int64_t> ids;  ///< of the steps' rows, when landed
  };
  Settled Settle(Call& call, const std::vector<Step>& steps);
  /// The status of a swap after Settle; fills ids of rows that were made.
  Status SettledStatus(Call& call, Status swapped, const std::vector<Step>& steps,
                       std::vector<int64_t>* ids);
};

/// Corruption, or Unsupported where the file is of a newer version, naming the file.
Status UnreadableMetadata(Status status, const std::string& location);

/// Where a table or view comes to lie whose creator names no place.
std::string LocationForNew(const Warehouse& warehouse, const NamespaceRow& ns,
                           const TableName& name, const std::string& table_uuid);

/// Where files lie in folders of this machine.
bool IsLocal(std::string_view location);

/// The row with its metadata.
LoadedTablePtr MakeLoaded(const TabularRow& row, const CachedMetadata& cached);

/// Runs once(&lost_race) until it ends otherwise than by a race that it lost.
template <typename Once>
auto RetryLostRaces(Call& call, CatalogMetrics& metrics, Once once) {
  constexpr int kServerRetries = 10;
  for (int attempt = 0;; ++attempt) {
    bool lost_race = false;
    auto outcome = once(&lost_race);
    if (lost_race) metrics.LostRace();
    if (outcome.ok() || !lost_race || attempt == kServerRetries || !call.Check().ok()) {
      return outcome;
    }
    // Another process won. A short, uneven pause keeps many losers from meeting again.
    call.clock().SleepFor(Millis(call.random().Below(static_cast<uint64_t>(5 * (attempt + 1))) + 1),
                          call.stop());
  }
}

}  // namespace moraine::catalog
