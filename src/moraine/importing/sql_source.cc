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
constexpr std::string_view kExistsMark = "exists";

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
    std::map<NamespaceName, Space> spaces;
    MORAINE_TRY(ReadNamespaces(call, &spaces));
    for (const auto& [name, place] : places_) {
      Space& space = spaces[name.first];
      (place.kind == ObjectKind::kView ? space.views : space.tables).push_back(name.second);
    }
    std::vector<Space> out;
    std::set<NamespaceName> made;
    for (auto& [name, space] : spaces) {
      if (!IsWithin(name, below)) continue;
      AddParents(name, spaces, &made, &out);
      made.insert(name);
      space.name = name;
      out.push_back(std::move(space));
    }
    return out;
  }

  Result<std::string> MetadataLocation(Call&, ObjectKind kind, const TableName& name) override {
    const auto found = places_.find({name.ns, name.name});
    if (found != places_.end() && found->second.kind == kind && !found->second.location.empty()) {
      return found->second.location;
    }
    return NotFound(
        fmt::format("iceberg_tables names no metadata file of {}", catalog::ToText(name)));
  }

 private:
  struct Place {
    ObjectKind kind = ObjectKind::kTable;
    std::string location;
  };

  /// Those of which the catalog has no row of their own, or that lie above what was asked for.
  static void AddParents(const NamespaceName& name, const std::map<NamespaceName, Space>& spaces,
                         std::set<NamespaceName>* made, std::vector<Space>* out) {
    for (size_t size = 1; size < name.size(); ++size) {
      NamespaceName parent(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(size));
      if (!made->insert(parent).second) continue;
      Space space;
      const auto found = spaces.find(parent);
      if (found != spaces.end()) space.properties = found->second.properties;
      space.name = std::move(parent);
      out->push_back(std::move(space));
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
        "SELECT table_namespace, table_name, metadata_location, {} FROM iceberg_tables WHERE "
        "catalog_name = ? AND (table_namespace > ? OR (table_namespace = ? AND table_name > ?)){} "
        "ORDER BY table_namespace, table_name LIMIT {}",
        tells_views ? "COALESCE(iceberg_type, 'TABLE')" : "'TABLE'",
        tells_views ? " AND (iceberg_type IN ('TABLE', 'VIEW') OR iceberg_type IS NULL)" : "",
        kPage);
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
        MORAINE_ASSIGN(const std::string kind, row.Text(3));
        places_[{LevelsOf(space), table}] = {
            kind == "VIEW" ? ObjectKind::kView : ObjectKind::kTable, location.value_or("")};
      }
      more = rows.size() == kPage && (space != last_space || table != last_table);
    }
    return {};
  }

  Status ReadNamespaces(Call& call, std::map<NamespaceName, Space>* spaces) const {
    auto rows = RunFor(call, database_, Access::kRead, [&](Transaction& t) {
      return t.Query(
          "SELECT namespace, property_key, property_value FROM iceberg_namespace_properties WHERE "
          "catalog_name = ?",
          {catalog_name_});
    });
    if (!rows.ok()) return call.Check();  // an older catalog has no such table
    for (const Row& row : *rows) {
      MORAINE_ASSIGN(const std::string name, row.Text(0));
      MORAINE_ASSIGN(const auto key, row.OptText(1));
      MORAINE_ASSIGN(const auto value, row.OptText(2));
      Space& space = (*spaces)[LevelsOf(name)];
      // A mark of the catalog's own, for a namespace that says nothing else of itself.
      if (key && value && (*key != kExistsMark || *value != "true"))
        space.properties[*key] = *value;
    }
    return {};
  }

  store::Database& database_;
  std::string catalog_name_;
  std::map<std::pair<NamespaceName, std::string>, Place> places_;
};

}  // namespace

std::unique_ptr<CatalogSource> MakeSqlSource(store::Database& database, std::string catalog_name) {
  return std::make_unique<SqlSource>(database, std::move(catalog_name));
}

}  // namespace moraine::importing
