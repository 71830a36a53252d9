#pragma once
// Column "subject" of schedules and runs.

#include <cstdint>
#include <string>

#include "moraine/base/status.h"
#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::string SubjectToJson(const Subject& subject);
/// The number is a column of its own. Errors: InvalidArgument.
Result<Subject> SubjectFromJson(const std::string& text, int64_t table_id);
/// Of a table as it is now.
Subject SubjectOf(const catalog::LoadedTable& table);

}  // namespace moraine::maintenance
