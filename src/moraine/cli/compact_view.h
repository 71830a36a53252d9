#pragma once
// What `moraine compact` shows: a line while it runs, a summary when it has ended. Pure.

#include <chrono>
#include <string>

#include "moraine/cli/console.h"
#include "moraine/compact/compaction.h"
#include "moraine/compact/progress.h"

namespace moraine::cli {

/// "[####----]  50%  120.5 MiB of 241.0 MiB  60.2 MiB/s  2 s left  3/8 tasks". rewriting: how long
/// the tasks have been running.
std::string CompactionLine(const compact::ProgressFigures& figures,
                           std::chrono::nanoseconds rewriting);

/// What was done, or would be done, or why nothing is; ends in a new line.
std::string CompactionSummary(const std::string& table, const compact::CompactionReport& report,
                              std::chrono::nanoseconds took, const Console& console);

/// The same as one JSON object.
std::string CompactionJson(const std::string& table, const compact::CompactionReport& report,
                           std::chrono::nanoseconds took);

}  // namespace moraine::cli
