#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/change_detail.h"
#include "moraine/catalog/rows_internal.h"
#include "moraine/store/execute_later.h"

namespace moraine::catalog {
namespace {

using store::Row;
using store::Transaction;
using store::Value;

constexpr char kLevelSeparator = '\x1f';
constexpr char kTokenEnd = '\0';  // never part of a name
constexpr size_t kMaxNameBytes = 1'000;
constexpr size_t kMaxLevels = 50;
constexpr std::string_view kTableKind = "table";
constexpr std::string_view kViewKind = "view";

constexpr std::string_view kTabularColumns =
    "t.id, t.warehouse_id, w.name, n.path_key, t.name, t.version, t.metadata_location, "
    "t.format_version,"
    " t.current_snapshot_id, t.origin, t.kind, t.table_uuid FROM tabular t JOIN namespace n ON "
    "n.id = t.namespace_id"
    " JOIN warehouse w ON w.id = t.warehouse_id";

TabularKind KindOf(std::string_view name) {
  return name == kViewKind ? TabularKind::kView : TabularKind::kTable;
}

Result<TabularRow> TabularFromRow(const Row& row) {
  TabularRow table;
  MORAINE_ASSIGN(table.id, row.Int(0));
  MORAINE_ASSIGN(table.warehouse_id, row.Int(1));
  MORAINE_ASSIGN(table.warehouse, row.Text(2));
  MORAINE_ASSIGN(auto path_key, row.Text(3));
  table.name.ns = FromPathKey(path_key);
  MORAINE_ASSIGN(table.name.name, row.Text(4));
  MORAINE_ASSIGN(table.version, row.Int(5));
  MORAINE_ASSIGN(table.metadata_location, row.Text(6));
  MORAINE_ASSIGN(table.format_version, row.Int(7));
  MORAINE_ASSIGN(table.current_snapshot_id, row.Int(8));
  MORAINE_ASSIGN(table.origin, row.Text(9));
  MORAINE_ASSIGN(auto kind, row.Text(10));
  table.kind = KindOf(kind);
  MORAINE_ASSIGN(table.uuid, row.Text(11));
  return table;
}

Result<std::vector<TabularRow>> ManyTabulars(Transaction& t, std::string_view where,
                                             const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(auto rows,
                 t.Query(fmt::format("SELECT {} {}", kTabularColumns, where), parameters));
  std::vector<TabularRow> tabulars;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto tabular, TabularFromRow(row));
    tabulars.push_back(std::move(tabular));
  }
  return tabulars;
}

Result<std::optional<TabularRow>> OneTabular(Transaction& t, std::string_view where,
                                             const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(auto found, ManyTabulars(t, where, parameters));
  if (found.empty()) return std::optional<TabularRow>();
  return std::optional<TabularRow>(std::move(found[0]));
}

}  // namespace

std::string ToText(const NamespaceName& name) { return fmt::format("{}", fmt::join(name, ".")); }

std::string ToText(const TableName& name) {
  return name.ns.empty() ? name.name : ToText(name.ns) + "." + name.name;
}

std::string_view ExceptionName(const Status& status) {
  auto begins = [&](std::string_view words) { return status.message().starts_with(words); };
  if (status.code() == Code::kNotFound) {
    if (begins(kNoNamespace)) return "NoSuchNamespaceException";
    if (begins(kNoWarehouse)) return "NoSuchWarehouseException";
    if (begins(kNoMetadataFile)) return "NotFoundException";
    if (begins(kNoView)) return "NoSuchViewException";
    return "NoSuchTableException";
  }
  if (status.code() == Code::kConflict && status.message().ends_with(kNamespaceNotEmpty))
    return "NamespaceNotEmptyException";
  if (status.code() == Code::kInvalidArgument && begins(kUnprocessable))
    return "UnprocessableEntityException";
  if (status.code() == Code::kInvalidArgument && begins(kInvalidVersion))
    return "IllegalArgumentException";
  return "";
}

Status NoTable(const TableName& name) {
  return NotFound(fmt::format("{}{}", kNoTable, ToText(name)));
}
Status NoView(const TableName& name) {
  return NotFound(fmt::format("{}{}", kNoView, ToText(name)));
}
Status NoNamespace(const NamespaceName& name) {
  return NotFound(fmt::format("{}{}", kNoNamespace, ToText(name)));
}

Status CheckName(std::string_view what, std::string_view name) {
  if (name.empty())
    return InvalidArgument(fmt::format("{}: expected a name that is not empty", what));
  if (name.size() > kMaxNameBytes) {
    return InvalidArgument(
        fmt::format("{}: expected at most {} bytes, got {}", what, kMaxNameBytes, name.size()));
  }
  if (!IsValidUtf8(name)) return InvalidArgument(fmt::format("{}: expected UTF-8", what));
  // As parts of a path they would lead elsewhere.
  if (name == "." || name == "..") {
    return InvalidArgument(fmt::format("{}: '{}' is not allowed as a name", what, name));
  }
  for (char c : name) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      return InvalidArgument(fmt::format("{}: control characters are not allowed in names", what));
    }
  }
  return {};
}

Status CheckNamespaceName(const NamespaceName& name) {
  if (name.empty()) return InvalidArgument("namespace: expected at least one level");
  if (name.size() > kMaxLevels)
    return InvalidArgument(fmt::format("namespace: expected at most {} levels", kMaxLevels));
  for (const auto& level : name) MORAINE_TRY(CheckName("namespace", level));
  return {};
}

std::string PathKey(const NamespaceName& name) {
  return fmt::format("{}", fmt::join(name, std::string_view(&kLevelSeparator, 1)));
}

NamespaceName FromPathKey(std::string_view key) {
  NamespaceName name;
  for (auto level : Split(key, kLevelSeparator)) name.emplace_back(level);
  return name;
}

Result<std::optional<NamespaceRow>> FindNamespace(Transaction& t, int64_t warehouse_id,
                                                  const NamespaceName& name) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT id, properties FROM namespace WHERE warehouse_id = ? AND path_key = ? AND "
              "parent_id >= 0",  // -1: was dropped
              {warehouse_id, PathKey(name)}));
  if (rows.empty()) return std::optional<NamespaceRow>();
  NamespaceRow found;
  found.name = name;
  MORAINE_ASSIGN(found.id, rows[0].Int(0));
  MORAINE_ASSIGN(auto properties, rows[0].Text(1));
  MORAINE_ASSIGN(found.properties, PropertiesFromText(properties));
  return std::optional<NamespaceRow>(std::move(found));
}

Result<NamespaceRow> GetNamespace(Transaction& t, int64_t warehouse_id, const NamespaceName& name) {
  MORAINE_ASSIGN(auto found, FindNamespace(t, warehouse_id, name));
  if (!found) return NoNamespace(name);
  return std::move(*found);
}

std::string_view TabularKindName(TabularKind kind) {
  return kind == TabularKind::kView ? kViewKind : kTableKind;
}

Result<std::optional<TabularRow>> FindTabular(Transaction& t, int64_t warehouse_id,
                                              const TableName& name) {
  return OneTabular(
      t, "WHERE n.warehouse_id = ? AND n.path_key = ? AND t.name = ? AND t.deleted_at = 0",
      {warehouse_id, PathKey(name.ns), name.name});
}

Result<TabularRow> GetTabular(Transaction& t, int64_t warehouse_id, const TableName& name,
                              TabularKind kind) {
  MORAINE_ASSIGN(auto found, FindTabular(t, warehouse_id, name));
  if (found && found->kind == kind) return std::move(*found);
  return kind == TabularKind::kView ? NoView(name) : NoTable(name);
}

Status CheckNameFree(Transaction& t, int64_t warehouse_id, const TableName& name,
                     TabularKind kind) {
  MORAINE_ASSIGN(auto taken, FindTabular(t, warehouse_id, name));
  return taken ? NameTaken(name, taken->kind, kind) : Status();
}

Status NameTaken(const TableName& name, TabularKind taken, TabularKind wanted) {
  return AlreadyExists(fmt::format("{}{} already exists: {}",
                                   taken == TabularKind::kView ? "View" : "Table",
                                   taken == wanted ? "" : " with same name", ToText(name)));
}

Result<NewHome> FindHome(Transaction& t, int64_t warehouse_id, const TableName& name) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT n.id, n.properties, t.kind FROM namespace n LEFT JOIN tabular t ON "
              "t.namespace_id = n.id AND t.name = ? AND t.deleted_at = 0 WHERE n.warehouse_id = ? "
              "AND n.path_key = ? AND n.parent_id >= 0",
              {name.name, warehouse_id, PathKey(name.ns)}));
  if (rows.empty()) return NoNamespace(name.ns);
  NewHome home;
  home.ns.name = name.ns;
  MORAINE_ASSIGN(home.ns.id, rows[0].Int(0));
  MORAINE_ASSIGN(auto properties, rows[0].Text(1));
  MORAINE_ASSIGN(home.ns.properties, PropertiesFromText(properties));
  MORAINE_ASSIGN(auto kind, rows[0].OptText(2));
  if (kind) home.taken = KindOf(*kind);
  return home;
}

Result<NamespaceRow> GetFreeHome(Transaction& t, int64_t warehouse_id, const TableName& name,
                                 TabularKind kind) {
  MORAINE_ASSIGN(auto home, FindHome(t, warehouse_id, name));
  if (home.taken) return NameTaken(name, *home.taken, kind);
  return std::move(home.ns);
}

Result<std::string> MetadataLocationById(Transaction& t, int64_t tabular_id) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT metadata_location FROM tabular WHERE id = ? AND deleted_at = 0",
                         {tabular_id}));
  if (rows.empty()) return NotFound(fmt::format("{}number {}", kNoTable, tabular_id));
  return rows[0].Text(0);
}

Result<std::optional<TabularRow>> FindTableById(Transaction& t, int64_t table_id) {
  return OneTabular(t, "WHERE t.id = ? AND t.kind = 'table' AND t.deleted_at = 0", {table_id});
}

Result<std::vector<TabularRow>> TabularsOf(Transaction& t, std::vector<int64_t> ids) {
  std::vector<TabularRow> found;
  if (ids.empty()) return found;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  // Few lengths, so that few statements are kept prepared.
  ids.resize(std::bit_ceil(ids.size()), ids.back());
  std::string marks(ids.size() * 2 - 1, '?');
  for (size_t i = 1; i < marks.size(); i += 2) marks[i] = ',';
  MORAINE_ASSIGN(auto rows, t.Query(fmt::format("SELECT {} WHERE t.id IN ({}) AND t.deleted_at = 0",
                                                kTabularColumns, marks),
                                    std::vector<Value>(ids.begin(), ids.end())));
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto tabular, TabularFromRow(row));
    found.push_back(std::move(tabular));
  }
  return found;
}

Result<std::optional<TabularRow>> FindHiddenTabular(Transaction& t, int64_t id) {
  return OneTabular(t, "WHERE t.id = ? AND t.deleted_at <> 0", {id});
}

Result<std::vector<TabularRow>> TabularsIn(Transaction& t, int64_t namespace_id, int64_t limit) {
  return ManyTabulars(t, "WHERE t.namespace_id = ? AND t.deleted_at = 0 ORDER BY t.name LIMIT ?",
                      {namespace_id, limit});
}

Result<std::vector<TabularRow>> TablesAfter(Transaction& t, int64_t after_id, size_t limit) {
  return ManyTabulars(
      t, "WHERE t.id > ? AND t.kind = 'table' AND t.deleted_at = 0 ORDER BY t.id LIMIT ?",
      {after_id, static_cast<int64_t>(limit)});
}

Status AddChange(Transaction& t, const ChangeRow& change) {
  // One writer at a time (SQLite): numbered at once. Where many write, the order of their commits
  // is not known yet: NumberChanges() comes later.
  std::string_view number = t.dialect() == "sqlite"
                                ? "(SELECT COALESCE(MAX(feed_seq), 0) + 1 FROM table_change)"
                                : "NULL";
  return store::ExecuteLater(
      t,
      fmt::format("INSERT INTO table_change (feed_seq, table_id, kind, version, snapshot_id, "
                  "changed_ms, metadata_location, detail) VALUES ({}, ?, ?, ?, ?, ?, ?, ?)",
                  number),
      {change.table_id, change.kind, change.version, change.snapshot_id, change.changed_ms,
       change.metadata_location, ToText(change.detail)});
}

Result<bool> HasUnnumberedChanges(Transaction& t) {
  if (t.dialect() == "sqlite") return false;
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT id FROM table_change WHERE feed_seq IS NULL LIMIT 1", {}));
  return !rows.empty();
}

Status NumberChanges(Transaction& t, size_t limit) {
  MORAINE_ASSIGN(auto last, t.Query("SELECT COALESCE(MAX(feed_seq), 0) FROM table_change", {}));
  MORAINE_ASSIGN(int64_t feed_seq, last.at(0).Int(0));
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT id FROM table_change WHERE feed_seq IS NULL ORDER BY id LIMIT ?",
                         {static_cast<int64_t>(limit)}));
  for (const auto& row : rows) {
    MORAINE_ASSIGN(int64_t id, row.Int(0));
    MORAINE_TRY(t.Execute("UPDATE table_change SET feed_seq = ? WHERE id = ?", {++feed_seq, id}));
  }
  return {};
}

std::string PropertiesToText(const iceberg::StringMap& properties) {
  std::string text;
  JsonWriter out(&text);
  iceberg::WriteStringMap(properties, &out);
  return text;
}

Result<iceberg::StringMap> PropertiesFromText(const std::string& text) {
  MORAINE_ASSIGN(auto json, Json::Parse(text));
  return iceberg::StringMapFromJson(JsonCursor(json));
}

std::string MakeToken(std::string_view listing, std::string_view last) {
  return HexEncode(fmt::format("{}{}{}", listing, kTokenEnd, last));
}

Result<std::string> ReadToken(std::string_view listing, const std::string& token) {
  if (token.empty()) return std::string();
  auto text = HexDecode(token);
  std::string prefix = std::string(listing) + kTokenEnd;
  if (!text.ok() || !text->starts_with(prefix))
    return InvalidArgument("pageToken: not a token of this listing");
  return text->substr(prefix.size());
}

Result<int64_t> ReadNumberToken(std::string_view listing, const std::string& token, int64_t start) {
  MORAINE_ASSIGN(auto text, ReadToken(listing, token));
  if (text.empty()) return start;
  auto number = ParseInt64(text);
  if (!number.ok()) return InvalidArgument("pageToken: not a token of this listing");
  return *number;
}

}  // namespace moraine::catalog
