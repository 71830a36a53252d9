#pragma once
// What the parts of the catalog share.

#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/catalog/metadata_cache.h"
#include "moraine/catalog/rows_internal.h"

namespace moraine::catalog {

struct Catalog::State {
  State(store::Database& database_in, io::FileSystem& files_in, CatalogOptions options_in)
      : database(database_in),
        files(files_in),
        options(options_in),
        cache(options_in.metadata_cache_bytes) {}

  store::Database& database;
  io::FileSystem& files;
  const CatalogOptions options;
  MetadataCache cache;
  std::mutex mutex;
  std::unordered_map<std::string, Warehouse>
      warehouses;                                // under mutex; rows change only through here
  std::vector<std::function<void()>> listeners;  // under mutex

  /// From memory, else from the store. NotFound if there is none.
  Result<Warehouse> FindWarehouse(Call& call, const std::string& name);
  /// The row's metadata, from the cache or the file. NotFound when the file is gone, Corruption
  /// when it can't be read as metadata.
  Result<LoadedTablePtr> Load(Call& call, const TableRow& row);
  /// Writes the metadata file, durable, and fills the cache.
  Result<CachedMetadata> WriteMetadata(Call& call, const iceberg::TableMetadata& metadata,
                                       const std::string& location);
  Status Announce();

  /// Makes a table from whole metadata: writes the file and inserts the row.
  Result<LoadedTablePtr> Insert(Call& call, const Warehouse& warehouse, const TableName& name,
                                iceberg::TableMetadata metadata,
                                const std::function<Status(store::Transaction&)>& note);
  /// Inserts the row of a table whose metadata file exists.
  Result<int64_t> InsertRow(store::Transaction& t, Call& call, const Warehouse& warehouse,
                            const TableName& name, const iceberg::TableMetadata& metadata,
                            const std::string& metadata_location, std::string_view origin,
                            std::string_view change_kind);
  Result<LoadedTablePtr> CommitOnce(Call& call, const Warehouse& warehouse, const TableName& name,
                                    const iceberg::CommitRequest& request,
                                    const std::function<Status(store::Transaction&)>& note,
                                    bool* lost_race);
  Result<LoadedTablePtr> CommitCreate(Call& call, const Warehouse& warehouse, const TableName& name,
                                      const iceberg::CommitRequest& request,
                                      const std::function<Status(store::Transaction&)>& note);
  /// After a swap of unknown outcome: whether the row names our file now. An error means it is
  /// still unknown.
  Result<bool> HasLanded(Call& call, int64_t warehouse_id, const TableName& name,
                         const std::string& metadata_location);
  /// Deletes what a refused commit wrote.
  void DiscardMetadata(Call& call, const Status& refusal, const std::string& metadata_location);
  /// write.metadata.delete-after-commit.enabled.
  void TrimMetadata(Call& call, const iceberg::TableMetadata& base, const LoadedTable& committed);
};

}  // namespace moraine::catalog
