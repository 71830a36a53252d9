#pragma once
// A catalog that tables and views are imported from: another Iceberg REST catalog, folders of a
// Hadoop warehouse, or the SQL tables in which Iceberg's JDBC catalog and PyIceberg's keep theirs.
// Read, never changed. Called by import.h.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/catalog/rest/rest_catalog.h"
#include "moraine/io/file_system.h"
#include "moraine/store/database.h"

namespace moraine::importing {

enum class ObjectKind : uint8_t { kTable, kView };
std::string_view ObjectKindName(ObjectKind kind);

/// Thread-safe but for Tables, which is called first and once.
class CatalogSource {
 public:
  virtual ~CatalogSource() = default;
  /// Namespaces, parents before their children, each with what it says of itself and the names of
  /// its tables and views.
  struct Space {
    catalog::NamespaceName name;
    std::vector<std::string> tables;
    std::vector<std::string> views = {};
    iceberg::StringMap properties = {};
    std::string note = {};  ///< what the source would not tell of it
  };
  /// below: only this namespace and those in it; empty: all. Errors: of the source.
  virtual Result<std::vector<Space>> Tables(Call& call, const catalog::NamespaceName& below) = 0;
  /// Where the current metadata of the table or view is. Errors: NotFound, and those of the source.
  virtual Result<std::string> MetadataLocation(Call& call, ObjectKind kind,
                                               const catalog::TableName& name) = 0;
};

/// Borrows the client.
std::unique_ptr<CatalogSource> MakeRestSource(catalog::RestCatalog& rest);

/// root: the warehouse's folder, in which folders are namespaces and those with a "metadata" folder
/// of version-hint.text or vN.metadata.json files are tables (Iceberg's HadoopCatalog and
/// HadoopTables, which know neither views nor properties of namespaces). Borrows the files.
std::unique_ptr<CatalogSource> MakeFolderSource(io::FileSystem& files, std::string root);

/// Rows of iceberg_tables (JDBC catalog, schema V0 and V1) that have this catalog_name; empty: the
/// only one there is, else InvalidArgument that names them all. Borrows the database.
std::unique_ptr<CatalogSource> MakeSqlSource(store::Database& database, std::string catalog_name);

}  // namespace moraine::importing
