// Optimizers: the list for people, and the protocol of tasks/optimizer_protocol.h over HTTP. A poll
// without a task is parked until work is announced; it costs no thread meanwhile.

#include <algorithm>

#include "moraine/api/impl_internal.h"
#include "moraine/tasks/optimizer_protocol.h"

namespace moraine::api {
namespace {

using net::Answer;
using net::Later;
using net::PathParams;
using net::Request;

constexpr int64_t kMaxWaitMs = 60'000;

std::string OptimizersText(const std::vector<optimizing::OptimizerInfo>& optimizers) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("optimizers").BeginArray();
  for (const auto& optimizer : optimizers) {
    out.BeginObject()
        .Field("token", optimizer.token)
        .Field("group", optimizer.group)
        .Field("threads", optimizer.threads)
        .Field("memory-bytes", optimizer.memory_bytes)
        .Field("host", optimizer.host)
        .Field("pid", optimizer.pid)
        .Field("version", optimizer.version)
        .Field("embedded", optimizer.embedded)
        .Field("running-tasks", optimizer.running_tasks)
        .Field("registered-ms", optimizer.registered_ms)
        .Field("heartbeat-ms", optimizer.heartbeat_ms)
        .EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

/// Every prefix below which tables may lie.
Result<std::vector<std::string>> LocationsOf(Call& call, catalog::Catalog& catalog) {
  MORAINE_ASSIGN(auto warehouses, catalog.Warehouses(call));
  std::vector<std::string> locations;
  for (const auto& warehouse : warehouses) {
    locations.push_back(warehouse.root);
    for (const auto& location : warehouse.allowed_locations) locations.push_back(location);
  }
  std::sort(locations.begin(), locations.end());
  locations.erase(std::unique(locations.begin(), locations.end()), locations.end());
  return locations;
}

struct PollRequest {
  std::string token;
  int32_t thread = 0;
  int64_t wait_ms = 0;
  int64_t protocol = 1;  ///< from 2 on polls say it
};

Result<PollRequest> PollRequestOf(const Request& request) {
  MORAINE_ASSIGN(auto body, BodyOf(request));
  JsonCursor json(body);
  PollRequest poll;
  MORAINE_ASSIGN(poll.token, json.String("token"));
  MORAINE_ASSIGN(poll.thread, json.Int32("thread"));
  MORAINE_ASSIGN(poll.wait_ms, json.Int64("wait-ms"));
  poll.wait_ms = std::clamp<int64_t>(poll.wait_ms, 0, kMaxWaitMs);
  MORAINE_ASSIGN(auto protocol, json.OptInt64("protocol"));
  poll.protocol = protocol.value_or(1);
  return poll;
}

/// One poll over as many looks as it takes.
class LongPoll : public std::enable_shared_from_this<LongPoll> {
 public:
  using Park = std::function<void(std::shared_ptr<net::Waiter>)>;
  LongPoll(optimizing::TaskQueue& queue, catalog::Catalog& catalog, catalog::StorageKeys keys,
           PollRequest poll, MonoTime until, Park park)
      : queue_(queue),
        catalog_(catalog),
        keys_(keys),
        poll_(std::move(poll)),
        until_(until),
        park_(std::move(park)) {}

  Answer Look(Call& call) {
    uint64_t seen = queue_.work_count();
    auto task = queue_.TryPoll(call, poll_.token, poll_.thread);
    if (!task.ok()) return ErrorResponse(task.status());
    if (*task) return AnswerOf(call, std::move(**task));
    if (call.clock().Mono() >= until_) return net::Response::Empty(204);
    auto later = std::make_shared<Later>();
    later->until = until_;
    later->resume = [self = shared_from_this()](Call& next, Later::Reason reason) -> Answer {
      if (reason == Later::Reason::kTimedOut) return net::Response::Empty(204);
      return self->Look(next);
    };
    later->on_parked = [self = shared_from_this(), seen](std::shared_ptr<net::Waiter> waiter) {
      self->park_(waiter);
      // Work that was announced between the look and the parking wakes nobody else.
      if (self->queue_.work_count() != seen) waiter->Wake();
    };
    return later;
  }

 private:
  Answer AnswerOf(Call& call, tasks::HandedTask task) const {
    if (poll_.protocol >= 2) {
      auto warehouse = catalog_.FindWarehouse(call, task.warehouse);
      // Nobody waits for the task of a warehouse that is gone: its attempt fails at its files.
      if (warehouse.ok()) {
        task.storage = catalog::StorageForOptimizers(*warehouse, keys_);
        task.locations = warehouse->allowed_locations;
      }
    }
    net::Response response = net::Response::Json(200, ToJson(task));
    response.headers.Set("Cache-Control", "no-store");
    return response;
  }

  optimizing::TaskQueue& queue_;
  catalog::Catalog& catalog_;
  const catalog::StorageKeys keys_;
  const PollRequest poll_;
  const MonoTime until_;
  const Park park_;
};

}  // namespace

void Service::Impl::AddOptimizers(net::Router& router) {
  using net::Method;
  auto& queue = optimizing.queue();
  router.Add(Method::kGet, "/api/v1/optimizers",
             [&queue](Call& call, const Request&, const PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto optimizers, queue.Optimizers(call));
                 return OptimizersText(optimizers);
               });
             });
  router.Add(Method::kPost, "/api/v1/optimizers",
             [this, &queue](Call& call, const Request& request, const PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto body, BodyOf(request));
                 MORAINE_ASSIGN(auto registration,
                                tasks::RegisterRequestFromJson(JsonCursor(body)));
                 MORAINE_ASSIGN(auto locations, LocationsOf(call, catalog));
                 MORAINE_ASSIGN(auto reply, queue.Register(call, registration));
                 reply.allowed_locations = std::move(locations);
                 return ToJson(reply);
               });
             });
  router.Add(Method::kPost, "/api/v1/optimizers/poll",
             [this, &queue](Call& call, const Request& request, const PathParams&) -> Answer {
               auto poll = PollRequestOf(request);
               if (!poll.ok()) return ErrorResponse(poll.status());
               MonoTime until = call.clock().Mono() + Millis(poll->wait_ms);
               auto park = [this](std::shared_ptr<net::Waiter> waiter) {
                 std::lock_guard lock(mutex);
                 std::erase_if(parked, [](const auto& other) { return other.expired(); });
                 parked.push_back(std::move(waiter));
               };
               return std::make_shared<LongPoll>(queue, catalog, keys, std::move(*poll), until,
                                                 park)
                   ->Look(call);
             });
  router.Add(Method::kPost, "/api/v1/optimizers/acknowledge",
             [&queue](Call& call, const Request& request, const PathParams&) {
               return AnswerEmpty([&]() -> Status {
                 MORAINE_ASSIGN(auto body, BodyOf(request));
                 JsonCursor json(body);
                 MORAINE_ASSIGN(auto token, json.String("token"));
                 MORAINE_ASSIGN(auto task, json.Get("task"));
                 MORAINE_ASSIGN(auto key, tasks::TaskKeyFromJson(task));
                 return queue.Acknowledge(call, token, key);
               });
             });
  router.Add(Method::kPost, "/api/v1/optimizers/heartbeat",
             [&queue](Call& call, const Request& request, const PathParams&) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto body, BodyOf(request));
                 MORAINE_ASSIGN(auto heartbeat, tasks::HeartbeatRequestFromJson(JsonCursor(body)));
                 MORAINE_ASSIGN(auto reply, queue.Heartbeat(call, heartbeat));
                 return ToJson(reply);
               });
             });
  router.Add(Method::kPost, "/api/v1/optimizers/report",
             [&queue](Call& call, const Request& request, const PathParams&) {
               return AnswerEmpty([&]() -> Status {
                 MORAINE_ASSIGN(auto body, BodyOf(request));
                 MORAINE_ASSIGN(auto report, tasks::TaskReportFromJson(JsonCursor(body)));
                 return queue.Report(call, report);
               });
             });
  router.Add(Method::kPost, "/api/v1/optimizers/unregister",
             [&queue](Call& call, const Request& request, const PathParams&) {
               return AnswerEmpty([&]() -> Status {
                 MORAINE_ASSIGN(auto body, BodyOf(request));
                 MORAINE_ASSIGN(auto token, JsonCursor(body).String("token"));
                 return queue.Unregister(call, token);
               });
             });
}

}  // namespace moraine::api
