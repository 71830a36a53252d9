#pragma once
// Rows of the catalog, read and written inside a transaction of the caller. Shared by the catalog's
// parts.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

// Wordings that clients and the protocol's exception names rest on.
inline constexpr std::string_view kNoTable = "Table does not exist: ";
inline constexpr std::string_view kNoView = "View does not exist: ";
inline constexpr std::string_view kNoNamespace = "Namespace does not exist: ";
inline constexpr std::string_view kNoWarehouse = "Warehouse does not exist: ";
inline constexpr std::string_view kNoMetadataFile = "Failed to open input stream for file: ";
inline constexpr std::string_view kNamespaceNotEmpty = " is not empty";
inline constexpr std::string_view kInvalidVersion = "Invalid view version: ";
inline constexpr std::string_view kUnprocessable = "A key is both removed and updated: ";

Status NoTable(const TableName& name);
Status NoView(const TableName& name);
Status NoNamespace(const NamespaceName& name);
/// Levels and names: not empty, valid UTF-8, no control bytes. InvalidArgument naming what.
Status CheckName(std::string_view what, std::string_view name);
Status CheckNamespaceName(const NamespaceName& name);
/// Levels joined by 0x1F, which no level may hold.
std::string PathKey(const NamespaceName& name);
NamespaceName FromPathKey(std::string_view key);

struct NamespaceRow {
  int64_t id = 0;
  NamespaceName name;
  iceberg::StringMap properties;
};
Result<std::optional<NamespaceRow>> FindNamespace(store::Transaction& t, int64_t warehouse_id,
                                                  const NamespaceName& name);
/// NotFound if there is none.
Result<NamespaceRow> GetNamespace(store::Transaction& t, int64_t warehouse_id,
                                  const NamespaceName& name);

/// Tables and views share one name space and one table of the store.
enum class TabularKind { kTable, kView };
std::string_view TabularKindName(TabularKind kind);  ///< "table", "view"

/// Where something new would come to be.
struct NewHome {
  NamespaceRow ns;
  std::optional<TabularKind> taken;  ///< what has the name already
};

struct TabularRow {
  int64_t id = 0;
  int64_t warehouse_id = 0;
  std::string warehouse;
  TableName name;
  int64_t version = 0;
  std::string metadata_location;
  int64_t format_version = 2;
  int64_t current_snapshot_id = -1;
  std::string origin;
  TabularKind kind = TabularKind::kTable;
  std::shared_ptr<const std::atomic<bool>> current;  ///< as in LoadedTable
  std::string uuid = {};

  /// Whom a change of it is about.
  ChangeDetail detail() const { return {.warehouse_id = warehouse_id, .name = name, .uuid = uuid}; }
};
/// Whatever has the name.
Result<std::optional<TabularRow>> FindTabular(store::Transaction& t, int64_t warehouse_id,
                                              const TableName& name);
/// NotFound, worded for the kind, if nothing of this kind has the name.
Result<TabularRow> GetTabular(store::Transaction& t, int64_t warehouse_id, const TableName& name,
                              TabularKind kind);
/// AlreadyExists if anything has the name that one of this kind shall get.
Status CheckNameFree(store::Transaction& t, int64_t warehouse_id, const TableName& name,
                     TabularKind kind);
/// AlreadyExists, worded for what has the name and what should get it.
Status NameTaken(const TableName& name, TabularKind taken, TabularKind wanted);
/// The namespace, and what has the name in it, by one question. NotFound if there is no namespace.
Result<NewHome> FindHome(store::Transaction& t, int64_t warehouse_id, const TableName& name);
/// The same; AlreadyExists as CheckNameFree.
Result<NamespaceRow> GetFreeHome(store::Transaction& t, int64_t warehouse_id, const TableName& name,
                                 TabularKind kind);
/// Of a table or a view. NotFound if there is none.
Result<std::string> MetadataLocationById(store::Transaction& t, int64_t tabular_id);
Result<std::optional<TabularRow>> FindTableById(store::Transaction& t, int64_t table_id);
/// Those of these tables and views that are there, in any order, each once.
Result<std::vector<TabularRow>> TabularsOf(store::Transaction& t, std::vector<int64_t> ids);
/// A table or view that was dropped and waits; the namespace in its name may be gone.
Result<std::optional<TabularRow>> FindHiddenTabular(store::Transaction& t, int64_t id);
/// Tables and views of a namespace.
Result<std::vector<TabularRow>> TabularsIn(store::Transaction& t, int64_t namespace_id,
                                           int64_t limit);
/// Tables alone.
Result<std::vector<TabularRow>> TablesAfter(store::Transaction& t, int64_t after_id, size_t limit);

/// A row of the feed, numbered when it is written.
struct ChangeRow {
  std::string kind;
  int64_t table_id = 0;
  int64_t version = 0;
  int64_t snapshot_id = iceberg::kNoSnapshot;
  int64_t changed_ms = 0;
  std::string metadata_location;  ///< what the row names after the change
  ChangeDetail detail;
};
Status AddChange(store::Transaction& t, const ChangeRow& change);
struct NamespaceChange {
  std::string_view what;  ///< "create", "update", "drop", "undrop", "purge"
  int64_t warehouse_id = 0;
  const NamespaceName& name;
  int64_t now_ms = 0;
  std::string by = {};
};
Status AddNamespaceChange(store::Transaction& t, const NamespaceChange& change);
/// Where many write at once, a row has no place in the feed until its transaction was seen
/// committed: an id that was given earlier may be committed later.
Result<bool> HasUnnumberedChanges(store::Transaction& t);
/// Gives the next numbers to committed rows. Two that do it at once are one after the other, as all
/// transactions.
Status NumberChanges(store::Transaction& t, size_t limit);

std::string PropertiesToText(const iceberg::StringMap& properties);
Result<iceberg::StringMap> PropertiesFromText(const std::string& text);

/// Keyset tokens: opaque, bound to the listing that made them.
std::string MakeToken(std::string_view listing, std::string_view last);
Result<std::string> ReadToken(std::string_view listing, const std::string& token);
/// Of a listing in the order of numbers. start: without a token.
Result<int64_t> ReadNumberToken(std::string_view listing, const std::string& token, int64_t start);

}  // namespace moraine::catalog
