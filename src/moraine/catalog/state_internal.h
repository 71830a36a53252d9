#pragma once
// What the parts of the catalog share.

#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/catalog/metadata_cache.h"
#include "moraine/catalog/metrics_internal.h"
#include "moraine/catalog/rows_internal.h"
#include "moraine/catalog/table_turns.h"

namespace moraine::catalog {

/// Runs in the swap's transaction, after it.
using Note = std::function<Status(store::Transaction&)>;

struct Catalog::State {
  State(store::Database& database_in, io::FileSystem& files_in, CatalogOptions options_in)
      : database(database_in),
        files(files_in),
        options(options_in),
        cache(options_in.metadata_cache_bytes),
        metrics(options_in.metrics) {}

  store::Database& database;
  io::FileSystem& files;
  const CatalogOptions options;
  MetadataCache cache;
  CatalogMetrics metrics;
  using Turn = TableTurns::Turn;
  TableTurns turns;
  TableTurns reads;  ///< of metadata files: one request reads a table's, the others share it
  std::mutex mutex;
  std::unordered_map<std::string, Warehouse>
      warehouses;                                // under mutex; rows change only through here
  std::vector<std::function<void()>> listeners;  // under mutex

  /// From memory, else from the store. NotFound if there is none.
  Result<Warehouse> FindWarehouse(Call& call, const std::string& name);
  /// Outside of transactions.
  Result<TableRow> GetTable(Call& call, int64_t warehouse_id, const TableName& name);
  /// Calls the listeners.
  void Announce();

  // metadata_files.cc

  /// Whether a cached file is asked for again: a load must notice one that is gone.
  enum class Freshness { kCached, kFilePresent };
  /// The row's metadata, from the cache or the file. NotFound when the file is gone, Corruption
  /// when it can't be read as metadata.
  Result<LoadedTablePtr> Load(Call& call, const TableRow& row, Freshness freshness);
  Result<CachedMetadata> ReadMetadata(Call& call, const std::string& location);
  /// Writes the metadata file, durable. After an error there may be one all the same.
  Result<CachedMetadata> WriteMetadata(Call& call, iceberg::TableMetadata metadata,
                                       const std::string& location);
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
  /// Inserts the row of a table whose metadata file exists.
  Result<int64_t> InsertRow(store::Transaction& t, Call& call, const Warehouse& warehouse,
                            const TableName& name, const CachedMetadata& cached,
                            const std::string& metadata_location, std::string_view origin,
                            std::string_view change_kind);
  /// Leads a row that is there to a registered file.
  Status OverwriteRow(store::Transaction& t, Call& call, const TableRow& row,
                      const CachedMetadata& cached, const std::string& metadata_location);
  /// Reads a file that a client wants to have registered.
  Result<CachedMetadata> ReadForeign(Call& call, const Warehouse& warehouse,
                                     const std::string& metadata_location);
  Result<std::string> LocationForNew(Call& call, const Warehouse& warehouse, const TableName& name,
                                     const std::string& table_uuid);
  Result<LoadedTablePtr> CommitCreate(Call& call, const Warehouse& warehouse, const TableName& name,
                                      const iceberg::CommitRequest& request, const Note& note);

  // commit.cc

  /// CommitOnce, as often as races ask for it.
  Result<LoadedTablePtr> CommitWithRetries(Call& call, const Warehouse& warehouse,
                                           const TableName& name,
                                           const iceberg::CommitRequest& request, const Note& note,
                                           const Turn* turn);
  Result<LoadedTablePtr> CommitOnce(Call& call, const Warehouse& warehouse, const TableName& name,
                                    const iceberg::CommitRequest& request, const Note& note,
                                    const Turn* held, bool* lost_race);
  /// What became of a swap whose commit gave no clear answer. Afterwards a refused one can't land
  /// any more, so its file may go.
  enum class Fate { kLanded, kRefused, kUnknown };
  struct Settled {
    Fate fate = Fate::kUnknown;
    int64_t table_id = 0;  ///< when landed
  };
  /// row is the one that the swap replaces, or nullptr for a new table.
  Settled Settle(Call& call, const TableRow* row, const std::string& metadata_location);
};

/// Where files lie in folders of this machine.
bool IsLocal(std::string_view location);

/// The row with its metadata.
LoadedTablePtr MakeLoaded(const TableRow& row, const CachedMetadata& cached);

}  // namespace moraine::catalog
