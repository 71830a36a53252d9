#pragma once
// The catalog's views: texts of SQL that live beside tables, in one name space with them, and
// change as tables do: a new metadata file, then a swap of the row. Called by rest.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "moraine/catalog/catalog.h"
#include "moraine/iceberg/view/view_update.h"

namespace moraine::catalog {

struct Step;

/// One view as its row and metadata file say. Immutable.
struct LoadedView {
  int64_t view_id = 0;  ///< survives rename
  int64_t version = 0;  ///< of the row; every commit adds one
  int64_t warehouse_id = 0;
  TableName name;
  std::string metadata_location;
  std::shared_ptr<const std::string> metadata_json;
  iceberg::ViewPtr metadata;
  /// As in LoadedTable.
  std::shared_ptr<const std::atomic<bool>> current;
};
using LoadedViewPtr = std::shared_ptr<const LoadedView>;

struct CreateView {
  TableName name;
  iceberg::Schema schema{0, {}};
  iceberg::ViewVersion version;
  iceberg::StringMap properties;
  std::optional<std::string> location;
};

/// Thread-safe. Borrows the catalog. Errors of all calls as the catalog's: NotFound worded "View
/// does not exist: a.b", AlreadyExists where a view or a table has the name.
class Views {
 public:
  explicit Views(Catalog& catalog) : state_(*catalog.state_) {}

  Result<Page<TableName>> List(Call& call, const std::string& warehouse, const NamespaceName& ns,
                               const PageRequest& page);
  Result<LoadedViewPtr> Create(Call& call, const std::string& warehouse, const CreateView& request);
  /// A view from a metadata file that is there.
  Result<LoadedViewPtr> Register(Call& call, const std::string& warehouse, const TableName& name,
                                 const std::string& metadata_location);
  Result<LoadedViewPtr> Load(Call& call, const std::string& warehouse, const TableName& name);
  Status Exists(Call& call, const std::string& warehouse, const TableName& name);
  /// As Catalog::Commit: races that are lost are tried again while the requirements hold.
  Result<LoadedViewPtr> Commit(Call& call, const std::string& warehouse, const TableName& name,
                               const iceberg::ViewCommitRequest& request);
  Status Rename(Call& call, const std::string& warehouse, const TableName& from,
                const TableName& to);
  /// The view can be brought back until its hold ends (lifecycle.h); files stay.
  Status Drop(Call& call, const std::string& warehouse, const TableName& name);

 private:
  struct File;
  /// Of the next version, or of the first; durable.
  Result<File> WriteFile(Call& call, const Warehouse& warehouse, iceberg::ViewMetadata metadata,
                         int64_t version);
  /// Runs the swap, or the insertion, unless planning it failed; a refused one leaves no file.
  /// swap gets the place of the row's number, which Land returns.
  Result<int64_t> Land(Call& call, const Status& planned, Step step, const File& file,
                       const std::function<Status(store::Transaction&, int64_t*)>& swap);
  Result<LoadedViewPtr> CommitOnce(Call& call, const Warehouse& warehouse, const TableName& name,
                                   const iceberg::ViewCommitRequest& request, bool* lost_race);

  Catalog::State& state_;
};

}  // namespace moraine::catalog
