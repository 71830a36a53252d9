#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/text.h"
#include "moraine/importing/catalog_source.h"

namespace moraine::importing {
namespace {

using catalog::NamespaceName;
using catalog::TableName;
using store::Access;
using store::Row;
using store::Transaction;

constexpr int64_t kPage = 1000;

NamespaceName LevelsOf(const std::string& text) {
  NamespaceName levels;
  for (std::string_view level : Split(text, '.')) levels.emplace_back(level);
  return levels;
}

bool IsWithin(const NamespaceName& name, const NamespaceName& below) {
  return name.size() >= below.size() && std::equal(below.begin(), below.end(), name.begin());
}

class SqlSource final : public CatalogSource {
 public:
  SqlSource(store::Database& database, std::string catalog_name)
      : database_(database), catalog_name_(std::move(catalog_name)) {}

  Result<std::vector<Space>> Tables(Call& call, const NamespaceName& below) override {
    MORAINE_TRY(ChooseCatalog(call));
    MORAINE_TRY(ReadTables(call));
    std::map<NamespaceName, std::vector<std::string>> spaces;
    MORAINE_TRY(ReadNamespaces(call, &spaces));
    for (const auto& [name, location] : locations_) spaces[name.first].push_back(name.second);
    std::vector<Space> out;
    std::set<NamespaceName> made;
    for (auto& [name, tables] : spaces) {
      if (!IsWithin(name, below)) continue;
      AddParents(name, &made, &out);
      made.insert(name);
      out.push_back({name, std::move(tables)});
    }
    return out;
  }

  Result<std::string> MetadataLocation(Call&, const TableName& name) override {
    const auto found = locations_.find({name.ns, name.name});
    if (found != locations_.end() && !found->second.empty()) return found->second;
    return NotFound(
        fmt::format("iceberg_tables names no metadata file of {}", catalog::ToText(name)));
  }

 private:
  /// Those of which the catalog has no row of their own.
  static void AddParents(const NamespaceName& name, std::set<NamespaceName>* made,
                         std::vector<Space>* out) {
    for (size_t size = 1; size < name.size(); ++size) {
      NamespaceName parent(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(size));
      if (made->insert(parent).second) out->push_back({std::move(parent), {}});
    }
  }

  Status ChooseCatalog(Call& call) {
    MORAINE_ASSIGN(auto rows, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                     return t.Query("SELECT DISTINCT catalog_name FROM iceberg_tables", {});
                   }));
    std::vector<std::string> names;
    for (const Row& row : rows) {
      MORAINE_ASSIGN(std::string name, row.Text(0));
      names.push_back(std::move(name));
    }
    if (catalog_name_.empty() && names.size() == 1) catalog_name_ = names[0];
    if (names.empty()) return {};
    if (std::find(names.begin(), names.end(), catalog_name_) != names.end()) return {};
    return InvalidArgument(fmt::format("{}; there are: {}",
                                       catalog_name_.empty()
                                           ? "the database has several catalogs, name one of them"
                                           : fmt::format("there is no catalog {}", catalog_name_),
                                       fmt::join(names, ", ")));
  }

  /// Whether the table has the column of schema V1, which tells views.
  Result<bool> TellsViews(Call& call) {
    auto asked = RunFor(call, database_, Access::kRead, [&](Transaction& t) {
      return t.Query("SELECT iceberg_type FROM iceberg_tables LIMIT 1", {});
    });
    if (asked.ok()) return true;
    MORAINE_TRY(call.Check());
    return asked.status().code() == Code::kUnavailable ? Result<bool>(asked.status()) : false;
  }

  Status ReadTables(Call& call) {
    MORAINE_ASSIGN(const bool tells_views, TellsViews(call));
    const std::string query = fmt::format(
        "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables WHERE "
        "catalog_name = ? AND (table_namespace > ? OR (table_namespace = ? AND table_name > ?)){} "
        "ORDER BY table_namespace, table_name LIMIT {}",
        tells_views ? " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)" : "", kPage);
    std::string space, table;
    for (bool more = true; more;) {
      MORAINE_ASSIGN(auto rows, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                       return t.Query(query, {catalog_name_, space, space, table});
                     }));
      const std::string last_space = space, last_table = table;
      for (const Row& row : rows) {
        MORAINE_ASSIGN(space, row.Text(0));
        MORAINE_ASSIGN(table, row.Text(1));
        MORAINE_ASSIGN(auto location, row.OptText(2));
        locations_[{LevelsOf(space), table}] = location.value_or("");
      }
      more = rows.size() == kPage && (space != last_space || table != last_table);
    }
    return {};
  }

  Status ReadNamespaces(Call& call,
                        std::map<NamespaceName, std::vector<std::string>>* spaces) const {
    auto rows = RunFor(call, database_, Access::kRead, [&](Transaction& t) {
      return t.Query(
          "SELECT DISTINCT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?",
          {catalog_name_});
    });
    if (!rows.ok()) return call.Check();  // an older catalog has no such table
    for (const Row& row : *rows) {
      MORAINE_ASSIGN(const std::string name, row.Text(0));
      spaces->try_emplace(LevelsOf(name));
    }
    return {};
  }

  store::Database& database_;
  std::string catalog_name_;
  std::map<std::pair<NamespaceName, std::string>, std::string> locations_;
};

}  // namespace

std::unique_ptr<CatalogSource> MakeSqlSource(store::Database& database, std::string catalog_name) {
  return std::make_unique<SqlSource>(database, std::move(catalog_name));
}

}  // namespace moraine::importing
