#pragma once
// What scans ask a table for (iceberg/scan/scan_usage.h), one row for each table and day. Each
// server adds to it what it was told in some seconds (pending_scan_usage.h).

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/iceberg/scan/scan_usage.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

const std::vector<store::Migration>& ScanUsageMigrations();

/// The day, by UTC, that a time counts for.
int64_t ScanDay(int64_t at_ms);
/// Adds to the row of the day. A row that can't be read is begun anew. Nothing for a table that is
/// gone.
Status AddScanUsage(store::Transaction& t, int64_t table_id, const iceberg::ScanUsage& usage,
                    int64_t now_ms);
/// The days from that of since_ms on, as JSON.
Result<std::vector<std::string>> ScanUsageTexts(store::Transaction& t, int64_t table_id,
                                                int64_t since_ms);
/// Those that can be read.
iceberg::ScanUsage SumScanUsage(const std::vector<std::string>& texts);
Status DeleteScanUsage(store::Transaction& t, int64_t table_id);
/// Rows of days that ended before.
Status DeleteScanUsageBefore(store::Transaction& t, int64_t before_ms);

}  // namespace moraine::catalog
