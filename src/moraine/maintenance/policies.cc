#include "moraine/maintenance/policies.h"

#include <cstddef>
#include <utility>
#include <vector>

namespace moraine::maintenance {
namespace {

constexpr size_t kMaxKnown = 1'000;

/// The namespace's levels from the outermost in: "a", "a.b".
std::vector<catalog::NamespaceName> LevelsOf(const catalog::NamespaceName& ns) {
  std::vector<catalog::NamespaceName> levels;
  for (size_t i = 1; i <= ns.size(); ++i) {
    levels.emplace_back(ns.begin(), ns.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return levels;
}

/// Texts have no control bytes.
std::string KeyOf(const EffectiveProperties& properties) {
  std::string key;
  for (const auto& [name, said] : properties) {
    key.append(name).append(1, '\0').append(said.value).append(1, '\0');
    key.append(LevelName(said.level)).append(1, '\0').append(said.where).append(1, '\0');
  }
  return key;
}

}  // namespace

Result<Inherited::Properties> Inherited::Of(Call& call, catalog::Catalog& catalog,
                                            const std::string& warehouse,
                                            const catalog::NamespaceName& level) {
  const std::pair key(warehouse, level);
  {
    std::lock_guard lock(mutex_);
    auto found = read_.find(key);
    if (found != read_.end()) return found->second;
  }
  MORAINE_ASSIGN(auto properties, catalog.LoadNamespace(call, warehouse, level));
  auto read = std::make_shared<const iceberg::StringMap>(std::move(properties));
  std::lock_guard lock(mutex_);
  return read_.emplace(key, std::move(read)).first->second;
}

Result<TablePolicyPtr> Policies::Of(Call& call, const catalog::LoadedTable& table,
                                    Inherited& inherited) {
  MORAINE_ASSIGN(const auto warehouse, catalog_.FindWarehouse(call, table.warehouse));
  std::vector<Inherited::Properties> said;
  PolicyLayers layers;
  layers.server = &properties_;
  layers.warehouse = table.warehouse;
  layers.defaults = &warehouse.defaults;
  layers.overrides = &warehouse.overrides;
  for (const auto& level : LevelsOf(table.name.ns)) {
    MORAINE_ASSIGN(auto properties, inherited.Of(call, catalog_, table.warehouse, level));
    layers.namespaces.emplace_back(catalog::ToText(level), properties.get());
    said.push_back(std::move(properties));
  }
  layers.table = &table.metadata->properties;
  return Read(EffectiveOf(layers));
}

TablePolicyPtr Policies::Read(EffectiveProperties properties) {
  const std::string key = KeyOf(properties);
  {
    std::lock_guard lock(mutex_);
    auto found = known_.find(key);
    if (found != known_.end()) return found->second;
  }
  auto policy = std::make_shared<const TablePolicy>(PolicyOf(std::move(properties), zones_));
  std::lock_guard lock(mutex_);
  if (known_.size() >= kMaxKnown) known_.clear();
  return known_.emplace(key, std::move(policy)).first->second;
}

}  // namespace moraine::maintenance
