#pragma once
// Worker tasks on a quarantine, the folder that delete-files has moved orphans to:
// "empty-quarantine" deletes what is in it once the hold has ended, "restore-quarantine" moves all
// back to where it came from. A quarantine is "<table's location>/.quarantine/<run>/<number of the
// root>/<path below the root>": it needs no list, since nothing else is in it. Inside the table's
// location, so it lies where the server may write, and goes with the table; hidden from engines by
// its dot, and from find-orphans by the same rule.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::upkeep {

inline constexpr std::string_view kEmptyQuarantineKind = "empty-quarantine";
/// In a quarantine's folder: the roots of the tasks that filled it, as a JSON array of locations.
inline constexpr std::string_view kQuarantineRoots = "roots.json";

inline constexpr std::string_view kRestoreQuarantineKind = "restore-quarantine";

/// "<location>/.quarantine/<run>".
std::string QuarantineFolder(std::string_view table_location, std::string_view run_id);

/// Body of both. The result is a DeletionResult: deleted or restored, failed.
struct QuarantineBody {
  std::string folder;              ///< as QuarantineFolder has it
  std::vector<std::string> roots;  ///< restore: those of the tasks that filled it, in their order
  int64_t files_per_second = 0;    ///< 0: no limit
  /// No batch begins later: the result is stale, what is left stays as it is. 0: never.
  int64_t fresh_until_ms = 0;

  bool operator==(const QuarantineBody&) const = default;
};
std::string QuarantineBodyToJson(const QuarantineBody& body);
Result<QuarantineBody> QuarantineBodyFromJson(std::string_view text);

/// Errors: PermissionDenied for a folder that is no quarantine; as listing gives. Running it again
/// does what is left. A restored file's place that is taken meanwhile is a failure of that file,
/// which stays in the quarantine.
Result<tasks::MaintenanceOutput> RunEmptyQuarantine(Call& call, io::FileSystem& files,
                                                    const tasks::MaintenanceTask& task,
                                                    const JobOptions& options,
                                                    JobProgress* progress);
Result<tasks::MaintenanceOutput> RunRestoreQuarantine(Call& call, io::FileSystem& files,
                                                      const tasks::MaintenanceTask& task,
                                                      const JobOptions& options,
                                                      JobProgress* progress);

}  // namespace moraine::upkeep
