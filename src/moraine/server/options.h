#pragma once
// From settings to what the modules take: each setting that can't be is refused here, in a sentence
// that names it, before anything is opened. Called by server.cc.

#include "moraine/base/config.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/events/options.h"
#include "moraine/maintenance/controls.h"
#include "moraine/maintenance/options.h"
#include "moraine/net/http_server.h"
#include "moraine/optimizing/options.h"
#include "moraine/scanning/scans.h"

namespace moraine::server {

/// Reads the token file. Errors: InvalidArgument; also for an address that others can reach when
/// there is no token.
Result<net::ServerOptions> HttpOptions(const Config& config);

/// Whether optimizer processes are told the keys of the store with their tasks. Errors:
/// InvalidArgument.
Result<catalog::StorageKeys> KeysForOptimizers(const Config& config);

/// 404, 405 and the like, in the form of the protocol that the path belongs to.
net::Response RefusalOf(const net::Refusal& refusal, std::string_view path);

/// The warehouse "default". Errors: InvalidArgument for a location where no files can be kept.
Result<catalog::Warehouse> WarehouseOf(const Config& config);

/// Whether sorts can put files aside in optimizer.spill-dir, where it is set. Errors:
/// InvalidArgument.
Status CheckSpillFolder(const Config& config);

optimizing::Options OptimizingOptions(const Config& config);
maintenance::Options MaintenanceOptions(const Config& config);
/// What the settings say of all tables. Errors: InvalidArgument that names the setting.
Result<maintenance::ControlOptions> MaintenanceControls(const Config& config);
scanning::ScanOptions ScanOptionsOf(const Config& config);

/// Errors: InvalidArgument.
Result<events::Options> EventOptions(const Config& config);

}  // namespace moraine::server
