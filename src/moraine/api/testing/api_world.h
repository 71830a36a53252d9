#pragma once
// The management API over a world in memory (optimizing/testing/optimizing_world.h): requests by
// method and target, each answer held against the API's document.

#include <memory>
#include <string>

#include "moraine/api/service.h"
#include "moraine/api/testing/schema_check.h"
#include "moraine/io/testing/hooked_files.h"
#include "moraine/maintenance/controls.h"
#include "moraine/net/testing/handler_transport.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::api {

/// Used by one thread, but for Serve and WakePolls.
class ApiWorld {
 public:
  ApiWorld();

  optimizing::OptimizingWorld& world() { return world_; }
  optimizing::Service& optimizing() { return *optimizing_; }
  Service& service() { return *service_; }
  events::Service& events() { return *events_; }
  maintenance::Controls& maintenance() { return *maintenance_; }
  /// What the receivers of webhooks answer; 204 unless told.
  void OnDelivery(net::Handler handler) { receiver_ = std::move(handler); }
  /// The files as the service sees them.
  io::HookedFiles& files() { return files_; }
  net::Router& router() { return router_; }
  const Json& document() const { return document_; }
  const SchemaCheck& schema() const { return schema_; }
  Call call() { return world_.call(); }

  /// Serves without waiting for a parked answer.
  net::Answer Serve(net::Method method, const std::string& target, const std::string& body = "",
                    const net::Headers& headers = {});
  /// Waits in place; fails the test when the answer does not fit the document.
  net::Response Send(net::Method method, const std::string& target, const std::string& body = "");
  /// The JSON of an answer that must be 200.
  Json Get(const std::string& target);
  Json Post(const std::string& target, const std::string& body);
  /// Every tick of the optimizing service until it has nothing to do.
  void Settle();

 private:
  void ExpectDescribed(net::Method method, const net::Response& response,
                       const std::string& target);

  optimizing::OptimizingWorld world_;
  io::HookedFiles files_{world_.disk()};
  std::unique_ptr<optimizing::Service> optimizing_;
  net::Handler receiver_;
  net::HandlerTransport deliveries_;
  std::unique_ptr<events::Service> events_;
  std::unique_ptr<maintenance::Controls> maintenance_;
  std::unique_ptr<Service> service_;
  net::Router router_;
  Json document_;
  SchemaCheck schema_;
};

}  // namespace moraine::api
