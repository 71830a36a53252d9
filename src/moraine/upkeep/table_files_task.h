#pragma once
// The worker task "list-table-files": every file that the last version of a table reaches, as a
// list file; what a purge deletes (delete-files with table_gone). Never a folder as it is: what
// nobody named is nobody's to delete. Content comes first and metadata last, so that a purge that
// was cut short can be begun again.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::upkeep {

inline constexpr std::string_view kListTableFilesKind = "list-table-files";

/// Body.
struct TableFilesBody {
  std::string metadata_location;
  /// Only files below these are listed: a table may name files of others (added in place).
  std::vector<std::string> roots;

  bool operator==(const TableFilesBody&) const = default;
};
std::string TableFilesBodyToJson(const TableFilesBody& body);
Result<TableFilesBody> TableFilesBodyFromJson(std::string_view text);

/// Result.
struct TableFilesResult {
  std::string list;  ///< empty: no files
  int64_t files = 0;
  int64_t bytes = 0;    ///< as far as the table says
  int64_t outside = 0;  ///< named, but of other places: they stay

  bool operator==(const TableFilesResult&) const = default;
};
std::string TableFilesResultToJson(const TableFilesResult& result);
Result<TableFilesResult> TableFilesResultFromJson(std::string_view text);

/// Errors: NotFound if a metadata file, manifest list or manifest is gone: then the rest can't be
/// known. Conflict for metadata of another table.
Result<tasks::MaintenanceOutput> RunListTableFiles(Call& call, io::FileSystem& files,
                                                   const tasks::MaintenanceTask& task,
                                                   const JobOptions& options,
                                                   JobProgress* progress);

}  // namespace moraine::upkeep
