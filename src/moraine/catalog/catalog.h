#pragma once
// The catalog: namespaces and tables in Moraine's own store, and the one place where a table
// changes. Called by rest (engines), api and optimizing alike. Facts of the store: decision
// "store"; of locations: decision "locations"; of commit errors: decision "HTTP", commit errors by
// phase.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/catalog/request_keys.h"
#include "moraine/catalog/table_turns.h"
#include "moraine/catalog/warehouse.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/iceberg/scan/scan_usage.h"
#include "moraine/io/file_system.h"
#include "moraine/store/database.h"

namespace moraine {
class Metrics;
}

namespace moraine::catalog {

using NamespaceName =
    std::vector<std::string>;  ///< levels, each any UTF-8 text without control bytes
std::string ToText(const NamespaceName& name);  ///< levels joined by dots, for people
struct TableName {
  NamespaceName ns;
  std::string name;
  bool operator==(const TableName&) const = default;
};
std::string ToText(const TableName& name);

/// One table as its row and metadata file say. Immutable.
struct LoadedTable {
  int64_t table_id = 0;  ///< survives rename
  int64_t version = 0;   ///< of the row; every change adds one
  int64_t warehouse_id = 0;
  std::string warehouse;
  TableName name;
  std::string origin;  ///< "created" or "registered" (not optimized unasked)
  std::string metadata_location;
  std::shared_ptr<const std::string> metadata_json;  ///< raw bytes of the metadata file
  iceberg::TablePtr metadata;
  /// As long as it is true a load would give the same again, if the metadata file is still there.
  /// Null where that can't be known without asking the store.
  std::shared_ptr<const std::atomic<bool>> current;
};
using LoadedTablePtr = std::shared_ptr<const LoadedTable>;

/// A row of a table or view as it was once read.
struct KnownRow {
  int64_t id = 0;
  int64_t version = 0;
  int64_t warehouse_id = 0;
  TableName name;
};

struct CreateTable {
  TableName name;
  iceberg::Schema schema{0, {}};
  iceberg::PartitionSpec spec;
  iceberg::SortOrder sort_order;
  iceberg::StringMap properties;
  std::optional<std::string> location;
  bool stage = false;  ///< nothing is stored; the metadata is only returned
};

/// One table of a commit to many.
struct TableCommit {
  TableName name;
  iceberg::CommitRequest request;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_token;  ///< empty: the last page
};
struct PageRequest {
  std::string token;
  size_t size = 1000;
};

/// Whom a row of the feed is about, and what else there is to say (change_detail.h).
struct ChangeDetail {
  int64_t warehouse_id = 0;
  TableName name;  ///< after the change; of a namespace only ns
  std::string uuid;
  std::string operation;       ///< of the snapshot, where the change gave the table another one
  std::string updates;         ///< what a commit updated that gave it no snapshot of its own
  iceberg::StringMap summary;  ///< the counts of the snapshot that people ask for
  std::string by;              ///< principal; empty: nobody in particular
  std::optional<TableName> renamed_from;
  std::string last_metadata_location;  ///< of what was dropped or brought back
  std::optional<bool> purge_requested;
  bool operator==(const ChangeDetail&) const = default;
};

/// A row of the feed, numbered without gaps in commit order (decision "store", feed).
struct TableChange {
  int64_t feed_seq = 0;
  int64_t table_id = 0;  ///< 0 of a namespace
  /// "create", "commit", "rename", "drop", "undrop", "purge", "register"; "view-create", ...;
  /// "namespace-create", ...
  std::string kind;
  int64_t version = 0;
  int64_t snapshot_id = iceberg::kNoSnapshot;
  int64_t changed_ms = 0;
  std::string metadata_location;  ///< that the change led to; empty if to none
  std::string warehouse;          ///< "" where the row was written by a server that did not say
  ChangeDetail detail;

  /// Changes of views and namespaces are in the feed, too.
  bool IsOfTable() const { return !kind.starts_with("view-") && !kind.starts_with("namespace-"); }
};

struct TableSummary {
  int64_t table_id = 0;
  std::string warehouse;
  TableName name;
  int64_t version = 0;
  int format_version = 2;
  int64_t current_snapshot_id = iceberg::kNoSnapshot;
  std::string metadata_location;
  std::string origin;  ///< "created" or "registered" (not optimized unasked)
};

struct CatalogOptions {
  int64_t metadata_cache_bytes = int64_t{64} << 20;
  int64_t max_metadata_bytes = int64_t{256} << 20;
  size_t live_rows = 20'000;  ///< of tables and views, kept where nobody else writes to the store
  Millis max_warehouse_age{1'000};  ///< of what is known of warehouses; others may change them
  /// How long what was dropped can be brought back; 0: not at all. Warehouses and tables may have
  /// another wish (property kDropHoldTime).
  Millis drop_hold{7LL * 24 * 3'600'000};
  /// The history of tables goes back so far; as far as the feed if that is kept for longer.
  Millis history_retention{0};
  Metrics* metrics = nullptr;  ///< outlives the catalog; null: nothing is counted
};

/// Whether a metadata file that was read or written before is still there. True where that can't be
/// told in a moment: on object stores.
bool MetadataFileIsThere(const std::string& metadata_location);

/// The property of tables, and of a warehouse's defaults and overrides, that says how long they can
/// be brought back after a drop: "7d", "0".
inline constexpr char kDropHoldTime[] = "catalog.drop-hold-time";

/// The exception name of the REST protocol for an error of a catalog call ("NoSuchTableException",
/// "NamespaceNotEmptyException", ...), or "" where the code says it all.
std::string_view ExceptionName(const Status& status);

/// Thread-safe. Errors of all calls: NotFound with the exact wording of rest-spec tables ("Table
/// does not exist: a.b"), AlreadyExists, Conflict, InvalidArgument naming the field, CommitUnknown.
class Catalog {
 public:
  Catalog(store::Database& database, io::FileSystem& files, CatalogOptions options);
  ~Catalog();

  /// Makes the tables of the store; called once at start.
  Status Open(Call& call);
  /// Creates or updates the warehouse's row.
  Status PutWarehouse(Call& call, const Warehouse& warehouse);
  /// Errors: AlreadyExists; Conflict where the locations overlap another's.
  Status CreateWarehouse(Call& call, const Warehouse& warehouse);
  /// All but the id. Errors: NotFound; Conflict for one that the server's settings describe.
  Status UpdateWarehouse(Call& call, const Warehouse& warehouse);
  /// Errors: NotFound; Conflict while there are namespaces in it.
  Status DropWarehouse(Call& call, const std::string& name);
  /// By name, as the store has them now.
  Result<std::vector<Warehouse>> Warehouses(Call& call);
  /// By name, as they were known a moment ago at least.
  Result<WarehousesPtr> CurrentWarehouses(Call& call);
  Result<Warehouse> FindWarehouse(Call& call, const std::string& name);
  /// What CurrentWarehouses would say without asking the store, and when that was; null where the
  /// store has to be asked. As long as no warehouse changes it is the same object. Does not block.
  struct WarehousesNow {
    WarehousesPtr all;
    int64_t at_ms = 0;  ///< since the epoch
  };
  WarehousesNow KnownWarehouses();

  Status CreateNamespace(Call& call, const std::string& warehouse, const NamespaceName& name,
                         const iceberg::StringMap& properties);
  Result<iceberg::StringMap> LoadNamespace(Call& call, const std::string& warehouse,
                                           const NamespaceName& name);
  Result<Page<NamespaceName>> ListNamespaces(Call& call, const std::string& warehouse,
                                             const NamespaceName& parent, const PageRequest& page);
  struct PropertyChanges {
    std::vector<std::string> updated, removed, missing;
  };
  Result<PropertyChanges> UpdateNamespace(Call& call, const std::string& warehouse,
                                          const NamespaceName& name,
                                          const iceberg::StringMap& updates,
                                          const std::vector<std::string>& removals);
  Status DropNamespace(Call& call, const std::string& warehouse, const NamespaceName& name);

  Result<Page<TableName>> ListTables(Call& call, const std::string& warehouse,
                                     const NamespaceName& ns, const PageRequest& page);
  Result<LoadedTablePtr> Create(Call& call, const std::string& warehouse,
                                const CreateTable& request);
  Result<LoadedTablePtr> Register(Call& call, const std::string& warehouse, const TableName& name,
                                  const std::string& metadata_location);
  /// As Register, but a table that has this name already is led to the file, in one transaction: it
  /// keeps its number, and counts as registered from then on. Commits that were under way lose.
  Result<LoadedTablePtr> RegisterOver(Call& call, const std::string& warehouse,
                                      const TableName& name, const std::string& metadata_location);
  Result<LoadedTablePtr> Load(Call& call, const std::string& warehouse, const TableName& name);
  /// NotFound if there is none. Reads no file.
  Status TableExists(Call& call, const std::string& warehouse, const TableName& name);
  Result<LoadedTablePtr> LoadById(Call& call, int64_t table_id);
  /// Asks the store whether a row is as it was when it was loaded, together with others who ask,
  /// and calls done with the answer: on another thread, to which it must be short. False, too, when
  /// that can't be found out. A load that is told so need not ask again.
  void AskWhetherSame(const KnownRow& row, std::function<void(bool same)> done);
  /// Requirements checked, updates applied, metadata file written durable, row swapped, feed row
  /// added: in that order. With assert-create among the requirements the table is made. note, if
  /// given, runs in the swap's transaction after it (optimizing marks its process committed there).
  /// turn: the table's turn, if the caller has it already.
  /// Errors: before the swap was sent: Conflict (requirement or lost race: retried inside while the
  /// requirements still hold), InvalidArgument, Exhausted, Unavailable, Deadline, Cancelled; after
  /// it CommitUnknown only, and then no file is deleted.
  Result<LoadedTablePtr> Commit(Call& call, const std::string& warehouse, const TableName& name,
                                const iceberg::CommitRequest& request,
                                const std::function<Status(store::Transaction&)>& note,
                                const TableTurns::Turn* turn = nullptr);
  /// Commits to many tables at once, all in one transaction of the store: every one of them, or
  /// none. A table whose updates change nothing must still be as its requirements saw it. note and
  /// errors as Commit; InvalidArgument, too, for a table that is named twice.
  Status CommitAll(Call& call, const std::string& warehouse,
                   const std::vector<TableCommit>& commits,
                   const std::function<Status(store::Transaction&)>& note);
  /// Keeps the other committers of this process off a table for as long as the turn lives. For
  /// those that must read much before they commit, and would lose to quicker writers for ever; they
  /// wait meanwhile, so be short. Errors: Deadline, Cancelled.
  Result<TableTurns::Turn> TakeTurn(Call& call, int64_t table_id);
  Status Rename(Call& call, const std::string& warehouse, const TableName& from,
                const TableName& to);
  /// Out of sight at once; can be brought back until its hold ends (lifecycle.h). Files stay
  /// (maintenance may purge them later; purge is recorded with the feed row).
  enum class Purge { kNo, kRequested };
  Status Drop(Call& call, const std::string& warehouse, const TableName& name, Purge purge);
  /// Drops the row and returns what it named last: no commit lands between the two. Files stay.
  Result<LoadedTablePtr> Unregister(Call& call, const std::string& warehouse,
                                    const TableName& name);
  /// Keeps a report that an engine sent of a scan or a commit (JSON text); the newest of a table
  /// are kept.
  Status ReportMetrics(Call& call, const std::string& warehouse, const TableName& name,
                       const std::string& report);
  struct Report {
    int64_t reported_ms = 0;
    std::string report;  ///< JSON text, as it came
  };
  /// Newest first.
  Result<std::vector<Report>> Reports(Call& call, const std::string& warehouse,
                                      const TableName& name, size_t limit);
  /// Deletes reports older than before_ms, of all tables, some at a time.
  Status TrimReports(Call& call, int64_t before_ms);
  /// What the scans asked the table for that were reported since then; whole days (UTC).
  Result<iceberg::ScanUsage> ScanUsageSince(Call& call, int64_t table_id, int64_t since_ms);
  /// Deletes the sums of days before that of before_ms, of all tables.
  Status TrimScanUsage(Call& call, int64_t before_ms);

  /// Keys of requests that may come again.
  RequestKeys& request_keys();
  /// The text of the metadata file that a receipt names, or, where that is gone, of what the table
  /// or view has become: the location comes with it. NotFound if that is gone, too.
  struct MetadataText {
    std::string metadata_location;
    std::shared_ptr<const std::string> metadata_json;
  };
  Result<MetadataText> MetadataOf(Call& call, const Receipt& receipt);

  /// Every live table, by (table_id) pages; for status pages and reconciliation.
  Result<Page<TableSummary>> AllTables(Call& call, const PageRequest& page);
  Result<std::vector<TableChange>> Changes(Call& call, int64_t after_feed_seq, size_t limit);
  /// The number of the newest row of the feed; 0 if there is none.
  Result<int64_t> LastChange(Call& call);
  /// Deletes feed rows older than before_ms that every consumer has read (up to that number).
  Status TrimChanges(Call& call, int64_t before_ms, int64_t up_to_feed_seq);
  /// Called (on the committing thread, without locks) after each change; wakes the optimizing loop.
  void OnChange(std::function<void()> listener);

 private:
  friend class Lifecycle;
  friend class Views;
  struct State;
  std::unique_ptr<State> state_;
};

/// As the REST protocol has it (UpdateNamespacePropertiesResponse).
std::string ToJson(const Catalog::PropertyChanges& changes);

}  // namespace moraine::catalog
