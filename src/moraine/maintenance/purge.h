#pragma once
// Driver of purge-table: the files of a table that was dropped to be purged, once its hold has
// ended. What its last version reaches is listed (upkeep/table_files_task.h) and deleted; never a
// folder as it is. Files in places that another table has by now, and files outside of the table's
// own places, stay. Quarantines of the table are emptied, too.

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakePurgeTable();

}  // namespace moraine::maintenance
