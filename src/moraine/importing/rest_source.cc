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

  Result<std::string> MetadataLocation(Call& call, const catalog::TableName& name) override {
    MORAINE_ASSIGN(auto table, rest_.LoadTable(call, name, nullptr));
    if (!table->metadata_location.empty()) return table->metadata_location;
    return NotFound(fmt::format("the catalog names no metadata file of {}", catalog::ToText(name)));
  }

 private:
  catalog::RestCatalog& rest_;
};

}  // namespace

std::unique_ptr<CatalogSource> MakeRestSource(catalog::RestCatalog& rest) {
  return std::make_unique<RestSource>(rest);
}

}  // namespace moraine::importing
