#pragma once
// The columns that the new data files of a task have: the table's, and from format version 3 on
// those of row lineage behind them (table spec, "Row lineage"). Every way of rewriting reads and
// writes these.

#include <optional>
#include <string_view>
#include <vector>

#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::rewrite {

std::vector<iceberg::Field> WrittenFields(const tasks::RewriteTask& task);
/// The schema of WrittenFields.
iceberg::SchemaPtr WrittenSchema(const tasks::RewriteTask& task);

/// Whether a column of the table with this name could not be told from one of row lineage.
bool IsReservedName(const tasks::RewriteTask& task, std::string_view name);

/// What to read an input's lineage columns with (ReadOptions::lineage); nullopt before version 3.
std::optional<iceberg::RowLineage> LineageOf(const tasks::RewriteTask& task,
                                             const tasks::InputFile& input);

}  // namespace moraine::rewrite
