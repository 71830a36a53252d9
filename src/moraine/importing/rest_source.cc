#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/importing/catalog_source.h"

namespace moraine::importing {
namespace {

using catalog::NamespaceName;

constexpr size_t kMostSpaces = 1'000'000;

class RestSource final : public CatalogSource {
 public:
  explicit RestSource(catalog::RestCatalog& rest) : rest_(rest) {}

  Result<std::vector<Space>> Tables(Call& call, const NamespaceName& below) override {
    std::vector<Space> spaces;
    std::vector<NamespaceName> open;  // to be looked into
    if (below.empty()) {
      MORAINE_ASSIGN(open, rest_.ListNamespaces(call, {}));
    } else {
      open.push_back(below);
    }
    while (!open.empty()) {
      Space space;
      space.name = std::move(open.back());
      open.pop_back();
      MORAINE_ASSIGN(auto tables, rest_.ListTables(call, space.name));
      for (auto& table : tables) space.tables.push_back(std::move(table.name));
      MORAINE_TRY(AddViews(call, &space));
      MORAINE_TRY(AddProperties(call, &space));
      MORAINE_ASSIGN(auto children, rest_.ListNamespaces(call, space.name));
      for (auto& child : children) {
        // Some catalogs know one level, and answer with it again.
        if (child.size() > space.name.size()) open.push_back(std::move(child));
      }
      spaces.push_back(std::move(space));
      if (spaces.size() > kMostSpaces) return Exhausted("a catalog of too many namespaces");
    }
    return spaces;
  }

  Result<std::string> MetadataLocation(Call& call, ObjectKind kind,
                                       const catalog::TableName& name) override {
    std::string location;
    if (kind == ObjectKind::kView) {
      MORAINE_ASSIGN(location, rest_.ViewMetadataLocation(call, name));
    } else {
      MORAINE_ASSIGN(auto table, rest_.LoadTable(call, name, nullptr));
      location = table->metadata_location;
    }
    if (!location.empty()) return location;
    return NotFound(fmt::format("the catalog names no metadata file of {}", catalog::ToText(name)));
  }

 private:
  Status AddViews(Call& call, Space* space) {
    auto views = rest_.ListViews(call, space->name);
    if (IsWithheld(views.status(), "views", space)) return {};
    MORAINE_TRY(views.status());
    for (auto& view : *views) space->views.push_back(std::move(view.name));
    return {};
  }

  Status AddProperties(Call& call, Space* space) {
    auto properties = rest_.LoadNamespace(call, space->name);
    // A catalog may list a parent that is no namespace of its own.
    if (properties.status().code() == Code::kNotFound) return {};
    if (IsWithheld(properties.status(), "properties", space)) return {};
    MORAINE_TRY(properties.status());
    space->properties = *std::move(properties);
    return {};
  }

  /// Whether the catalog does not do it, or not for this caller: then the tables come all the same.
  static bool IsWithheld(const Status& status, std::string_view what, Space* space) {
    if (status.code() != Code::kPermissionDenied && status.code() != Code::kUnsupported) {
      return false;
    }
    if (!space->note.empty()) space->note += "; ";
    space->note += fmt::format("without its {}: {}", what, status.message());
    return true;
  }

  catalog::RestCatalog& rest_;
};

}  // namespace

std::unique_ptr<CatalogSource> MakeRestSource(catalog::RestCatalog& rest) {
  return std::make_unique<RestSource>(rest);
}

}  // namespace moraine::importing
