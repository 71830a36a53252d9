#pragma once
// The policies of tables as they are now, for a fleet: what a namespace says is read once for all
// tables of a round, and tables that are told the same share one policy.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "moraine/base/call.h"
#include "moraine/catalog/catalog.h"
#include "moraine/maintenance/policy.h"

namespace moraine::maintenance {

/// What namespaces say, as it was read in one round: made after the round has found out which
/// tables it is about, since tables are looked at again when that changes. Thread-safe.
class Inherited {
 public:
  using Properties = std::shared_ptr<const iceberg::StringMap>;
  Result<Properties> Of(Call& call, catalog::Catalog& catalog, const std::string& warehouse,
                        const catalog::NamespaceName& level);

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, catalog::NamespaceName>, Properties> read_;  // under mutex_
};

/// Thread-safe.
class Policies {
 public:
  /// properties: what the server's settings say of all tables.
  Policies(catalog::Catalog& catalog, iceberg::StringMap properties)
      : catalog_(catalog), properties_(std::move(properties)) {}

  Result<TablePolicyPtr> Of(Call& call, const catalog::LoadedTable& table, Inherited& inherited);

 private:
  TablePolicyPtr Read(EffectiveProperties properties);

  catalog::Catalog& catalog_;
  const iceberg::StringMap properties_;
  TimeZones zones_;
  std::mutex mutex_;
  std::unordered_map<std::string, TablePolicyPtr> known_;  // under mutex_
};

}  // namespace moraine::maintenance
