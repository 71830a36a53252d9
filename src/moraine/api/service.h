#pragma once
// The management API, /api/v1, as functions from request to answer: tables and their health,
// processes, optimizers (for people and scripts) and the optimizer protocol (for `moraine
// optimizer`). The contract is api/openapi/moraine.yaml; a test holds every route against it.

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "moraine/catalog/catalog.h"
#include "moraine/events/service.h"
#include "moraine/io/file_system.h"
#include "moraine/net/router.h"
#include "moraine/optimizing/service.h"

namespace moraine::maintenance {
class Controls;
}

namespace moraine::api {

/// Thread-safe. Errors are answered as {"error": {"message", "type", "code"}}, type = the code's
/// name.
class Service {
 public:
  Service(catalog::Catalog& catalog, io::FileSystem& files, optimizing::Service& optimizing,
          WallTime started);
  ~Service();

  /// Whether optimizers are told the keys of the store with their tasks, or only where it is.
  /// Called before Register.
  void TellOptimizers(catalog::StorageKeys keys);
  /// Asked before a warehouse is made or changed, whether files can be kept there. Called before
  /// Register; without it nobody is asked.
  using WarehouseCheck = std::function<Status(Call&, const catalog::Warehouse&)>;
  void CheckNewWarehouses(WarehouseCheck check);
  /// With it there are the routes of events and webhooks. Called before Register; borrowed.
  void ServeEvents(events::Service& events);
  /// With it there are the routes of maintenance, blockers and holds. Called before Register;
  /// borrowed.
  void ServeMaintenance(maintenance::Controls& maintenance);
  /// Adds every route of /api/v1. The service must outlive the router.
  void Register(net::Router& router);
  /// Wakes optimizers whose polls are parked; called when new tasks are there.
  void WakePolls();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The answer to an error, in this API's form; other modules of the same port use it, too.
net::Response ErrorResponse(const Status& status);
/// As ErrorResponse for 404, 405 and the like of the HTTP layer.
net::Response RefusalOf(const net::Refusal& refusal);

}  // namespace moraine::api
