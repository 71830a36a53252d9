#pragma once
// What the parts of the API share.

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "moraine/api/service.h"
#include "moraine/catalog/lifecycle.h"

namespace moraine::catalog {
struct Blocker;
}
namespace moraine::maintenance {
class Holds;
struct Hold;
struct Schedule;
}  // namespace moraine::maintenance

namespace moraine::api {

class Service::Impl {
 public:
  Impl(catalog::Catalog& catalog_in, io::FileSystem& files_in, optimizing::Service& optimizing_in,
       WallTime started_in)
      : catalog(catalog_in), files(files_in), optimizing(optimizing_in), started(started_in) {}

  void AddTables(net::Router& router);
  void AddLifecycle(net::Router& router);
  void AddProcesses(net::Router& router);
  void AddOptimizers(net::Router& router);
  void AddServer(net::Router& router);
  void AddWarehouses(net::Router& router);
  void AddReports(net::Router& router);
  void AddDescription(net::Router& router);
  void AddEvents(net::Router& router);
  void AddWebhooks(net::Router& router);
  void AddMaintenance(net::Router& router);
  void AddMaintenanceSchedules(net::Router& router);
  void AddBlockers(net::Router& router);
  void AddHolds(net::Router& router);
  void AddAdvice(net::Router& router);

  catalog::Catalog& catalog;
  io::FileSystem& files;
  optimizing::Service& optimizing;
  const WallTime started;
  catalog::StorageKeys keys = catalog::StorageKeys::kWithout;  ///< that optimizers are told
  WarehouseCheck check_warehouse;
  events::Service* events = nullptr;
  maintenance::Controls* maintenance = nullptr;

  std::mutex mutex;
  std::vector<std::weak_ptr<net::Waiter>> parked;  // under mutex
};

/// Runs a function that gives JSON text and turns its error into an answer.
template <typename Body>
net::Answer AnswerJson(Body&& body) {
  Result<std::string> text = body();
  if (!text.ok()) return ErrorResponse(text.status());
  return net::Response::Json(200, std::move(*text));
}

/// Runs a function that gives a Status; 204 when it is OK.
template <typename Body>
net::Answer AnswerEmpty(Body&& body) {
  Status status = body();
  if (!status.ok()) return ErrorResponse(status);
  return net::Response::Empty(204);
}

/// The levels of a namespace, parted by the unit separator as in the Iceberg protocol.
catalog::NamespaceName LevelsOf(std::string_view text);
/// The table that a path names.
Result<catalog::LoadedTablePtr> LoadTable(Call& call, catalog::Catalog& catalog,
                                          const net::PathParams& params);
/// The answer of a table's "statistics".
std::string StatisticsText(const catalog::LoadedTable& table);
void WriteBlocker(const catalog::Blocker& blocker, JsonWriter* out);
/// How the last run ended, why the next one waits.
void WriteSchedule(const maintenance::Schedule& schedule, JsonWriter* out);
void WriteHold(const maintenance::Holds& holds, const maintenance::Hold& hold, int64_t now_ms,
               JsonWriter* out);
/// "limit" of the query: 1 to max, else InvalidArgument.
Result<size_t> LimitOf(const net::Request& request, size_t fallback, size_t max);
/// {"protected": true, "since-ms": ..., "by": ..., "reason": ...}, or {"protected": false}.
void WriteProtection(const std::optional<catalog::Protection>& protection, JsonWriter* out);
/// The body as JSON. Errors: InvalidArgument.
Result<Json> BodyOf(const net::Request& request);

}  // namespace moraine::api
