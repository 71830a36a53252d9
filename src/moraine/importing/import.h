#pragma once
// Moves tables and views into a catalog by registering their metadata files, and namespaces with
// their properties: nothing is copied and nothing of the source is changed. Doing it again goes on
// where it ended, since what is there already is passed over. Called by `moraine catalog import`.

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/importing/catalog_source.h"

namespace moraine::importing {

/// The catalog that tables move into. Thread-safe.
struct ImportTarget {
  /// AlreadyExists is as good as OK. InvalidArgument for a location that it does not allow.
  std::function<Status(Call& call, const catalog::NamespaceName& name,
                       const iceberg::StringMap& properties)>
      create_namespace;
  /// NotFound if there is no such namespace.
  std::function<Result<iceberg::StringMap>(Call& call, const catalog::NamespaceName& name)>
      namespace_properties;
  /// NotFound if there is no such table or view.
  std::function<Result<std::string>(Call& call, ObjectKind kind, const catalog::TableName& name)>
      metadata_location;
  /// AlreadyExists for a name that is taken.
  std::function<Status(Call& call, ObjectKind kind, const catalog::TableName& name,
                       const std::string& location)>
      register_object;
  /// InvalidArgument for a metadata file where register_object takes none; asked in dry runs. Null:
  /// nothing is known of that.
  std::function<Status(const std::string& location)> allows;
};

struct ImportOptions {
  catalog::NamespaceName below;  ///< only this namespace and those in it; empty: all
  bool dry_run = false;
  int threads = 4;
};

enum class ImportOutcome : uint8_t {
  kRegistered,  ///< in a dry run: would be
  kThere,       ///< the name has this metadata file already
  kTaken,       ///< the name has another metadata file
  kFailed,
};
std::string_view ImportOutcomeName(ImportOutcome outcome);

struct ImportedNamespace {
  catalog::NamespaceName name;
  iceberg::StringMap properties;  ///< of the source
  bool made = false;              ///< in a dry run: would be; else it was there, and stays as it is
  std::string note;  ///< what the source did not tell, or the target does not have, and why
};

/// Or a view.
struct ImportedTable {
  ObjectKind kind = ObjectKind::kTable;
  catalog::TableName name;
  ImportOutcome outcome = ImportOutcome::kFailed;
  std::string metadata_location;  ///< of the source; empty if it could not be found out
  std::string problem;            ///< of kTaken and kFailed
};

struct ImportCounts {
  int64_t tables = 0;  ///< in all, and views
  int64_t done = 0;
  int64_t registered = 0, there = 0, taken = 0, failed = 0;
};

/// Read by a display on another thread while the import runs.
class ImportProgress {
 public:
  ImportCounts counts() const {
    std::lock_guard lock(mutex_);
    return counts_;
  }
  void SetTables(int64_t tables) {
    std::lock_guard lock(mutex_);
    counts_.tables = tables;
  }
  void Count(ImportOutcome outcome);

 private:
  mutable std::mutex mutex_;
  ImportCounts counts_;
};

struct ImportReport {
  ImportCounts counts;
  std::vector<ImportedNamespace> namespaces;  ///< parents before their children
  std::vector<ImportedTable> tables;          ///< in the order of the source, tables before views
};

/// A table that can't be imported is reported and does not end it. Errors: of listing the source,
/// of making namespaces; Deadline, Cancelled; Unauthenticated and Unavailable of the target, after
/// which nothing else would be done either.
Result<ImportReport> RunImport(Call& call, CatalogSource& source, const ImportTarget& target,
                               const ImportOptions& options, ImportProgress* progress);

}  // namespace moraine::importing
