// Blockers and holds of tables: what writers and readers ask of maintenance.

#include "moraine/maintenance/holds.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/catalog/blockers.h"
#include "moraine/maintenance/controls.h"
#include "moraine/upkeep/config.h"

namespace moraine::api {
namespace {

using net::Method;
using net::PathParams;
using net::Request;

constexpr char kTablePath[] =
    "/api/v1/warehouses/{warehouse}/namespaces/{namespace}/tables/{table}";

constexpr int kPutAttempts = 5;

Result<std::optional<Millis>> LengthOf(const JsonCursor& body) {
  MORAINE_ASSIGN(auto length_ms, body.OptInt64("length-ms"));
  if (!length_ms) return std::optional<Millis>();
  return std::optional<Millis>(Millis(*length_ms));
}

Status CheckOperations(const std::vector<std::string>& operations) {
  for (const auto& name : operations) {
    if (name == catalog::kOptimizeOperation || name == catalog::kWriteOperation ||
        name == catalog::kAllOperations || upkeep::ActionFromName(name).ok()) {
      continue;
    }
    std::string names = fmt::format("{}, {}, {}", catalog::kAllOperations,
                                    catalog::kOptimizeOperation, catalog::kWriteOperation);
    for (auto action : upkeep::kActions) names += fmt::format(", {}", upkeep::ActionName(action));
    return InvalidArgument(
        fmt::format("operations: expected some of {}, got '{}'", names, name.substr(0, 60)));
  }
  return {};
}

Result<catalog::NewBlocker> NewBlockerOf(const Request& request) {
  MORAINE_ASSIGN(auto json, BodyOf(request));
  JsonCursor body(json);
  catalog::NewBlocker wanted;
  MORAINE_ASSIGN(wanted.owner, body.String("owner"));
  MORAINE_ASSIGN(auto operations, body.Get("operations"));
  MORAINE_TRY(operations.ExpectArray());
  for (size_t i = 0; i < operations.size(); ++i) {
    MORAINE_ASSIGN(auto operation, operations.At(i).String());
    wanted.operations.push_back(std::move(operation));
  }
  MORAINE_TRY(CheckOperations(wanted.operations));
  MORAINE_ASSIGN(auto exclusive, body.OptBool("exclusive"));
  wanted.exclusive = exclusive.value_or(false);
  MORAINE_ASSIGN(auto length, LengthOf(body));
  wanted.length = length.value_or(catalog::kDefaultBlockerLength);
  return wanted;
}

std::string BlockerText(const catalog::Blocker& blocker) {
  std::string text;
  JsonWriter out(&text);
  WriteBlocker(blocker, &out);
  return text;
}

Result<std::string> PutHold(Call& call, maintenance::Holds& holds,
                            const catalog::LoadedTable& table, const std::string& name,
                            const JsonCursor& body) {
  maintenance::NewHold wanted;
  wanted.name = name;
  MORAINE_ASSIGN(auto snapshot_id, body.OptInt64("snapshot-id"));
  wanted.snapshot_id = snapshot_id.value_or(table.metadata->current_snapshot_id);
  if (!snapshot_id && wanted.snapshot_id == iceberg::kNoSnapshot) {
    return Conflict("the table has no snapshot yet");
  }
  MORAINE_ASSIGN(auto and_later, body.OptBool("and-later"));
  wanted.and_later = and_later.value_or(true);
  MORAINE_ASSIGN(auto reason, body.OptString("reason"));
  wanted.reason = reason.value_or("");
  MORAINE_ASSIGN(auto length, LengthOf(body));
  if (length && *length == Millis(0)) return body.Error("length-ms: expected more than 0");
  wanted.length = length.value_or(Millis(0));
  wanted.table_version = table.version;
  MORAINE_ASSIGN(auto hold, holds.Put(call, table.table_id, *table.metadata, wanted));
  std::string text;
  JsonWriter out(&text);
  WriteHold(holds, hold, hold.moved_ms, &out);
  return text;
}

}  // namespace

void WriteBlocker(const catalog::Blocker& blocker, JsonWriter* out) {
  out->BeginObject().Field("id", blocker.id).Key("operations").BeginArray();
  for (const auto& operation : blocker.operations) out->String(operation);
  out->EndArray()
      .Field("exclusive", blocker.exclusive)
      .Field("owner", blocker.owner)
      .Field("taken-by", blocker.taken_by)
      .Field("taken-ms", blocker.taken_ms)
      .Field("length-ms", blocker.length_ms)
      .Field("expires-ms", blocker.expires_ms)
      .EndObject();
}

void WriteHold(const maintenance::Holds& holds, const maintenance::Hold& hold, int64_t now_ms,
               JsonWriter* out) {
  out->BeginObject()
      .Field("name", hold.name)
      .Field("snapshot-id", hold.snapshot_id)
      .Field("snapshot-ms", hold.snapshot_ms)
      .Field("and-later", hold.and_later)
      .Field("reason", hold.reason)
      .Field("set-by", hold.set_by)
      .Field("created-ms", hold.created_ms)
      .Field("moved-ms", hold.moved_ms)
      .Field("expires-ms", hold.expires_ms)
      .Field("warning", holds.WarningOf(hold, now_ms))
      .EndObject();
}

void Service::Impl::AddBlockers(net::Router& router) {
  const std::string path = std::string(kTablePath) + "/blockers";
  const auto add = [&](Method method, const std::string& at, auto body) {
    router.Add(method, at,
               [this, body](Call& call, const Request& request, const PathParams& params) {
                 return AnswerJson([&]() -> Result<std::string> {
                   MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                   return body(call, maintenance->blockers(), table->table_id, request, params);
                 });
               });
  };
  add(Method::kGet, path,
      [](Call& call, catalog::Blockers& blockers, int64_t table_id, const Request&,
         const PathParams&) -> Result<std::string> {
        MORAINE_ASSIGN(auto found, blockers.List(call, table_id));
        std::string text;
        JsonWriter out(&text);
        out.BeginObject().Key("blockers").BeginArray();
        for (const auto& blocker : found) WriteBlocker(blocker, &out);
        out.EndArray().EndObject();
        return text;
      });
  add(Method::kPost, path,
      [](Call& call, catalog::Blockers& blockers, int64_t table_id, const Request& request,
         const PathParams&) -> Result<std::string> {
        MORAINE_ASSIGN(auto wanted, NewBlockerOf(request));
        MORAINE_ASSIGN(auto blocker, blockers.Take(call, table_id, wanted));
        return BlockerText(blocker);
      });
  add(Method::kPut, path + "/{blocker}",
      [](Call& call, catalog::Blockers& blockers, int64_t table_id, const Request& request,
         const PathParams& params) -> Result<std::string> {
        MORAINE_ASSIGN(auto json, BodyOf(request));
        MORAINE_ASSIGN(auto length, LengthOf(JsonCursor(json)));
        MORAINE_ASSIGN(auto blocker, blockers.Renew(call, table_id, params.Get("blocker"), length));
        return BlockerText(blocker);
      });
  router.Add(Method::kDelete, path + "/{blocker}",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerEmpty([&]() -> Status {
                 MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                 MORAINE_ASSIGN(bool was_there, maintenance->blockers().Release(
                                                    call, table->table_id, params.Get("blocker")));
                 return was_there ? Status()
                                  : NotFound("blocker does not exist, or has expired: " +
                                             params.Get("blocker"));
               });
             });
}

void Service::Impl::AddHolds(net::Router& router) {
  const std::string path = std::string(kTablePath) + "/holds";
  router.Add(Method::kGet, path, [this](Call& call, const Request&, const PathParams& params) {
    return AnswerJson([&]() -> Result<std::string> {
      MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
      maintenance::Holds& holds = maintenance->holds();
      MORAINE_ASSIGN(auto found, holds.List(call, table->table_id));
      const int64_t now_ms = ToMillis(call.clock().Wall());
      std::string text;
      JsonWriter out(&text);
      out.BeginObject().Key("holds").BeginArray();
      for (const auto& hold : found) WriteHold(holds, hold, now_ms, &out);
      out.EndArray().EndObject();
      return text;
    });
  });
  router.Add(Method::kPut, path + "/{hold}",
             [this](Call& call, const Request& request, const PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto json, BodyOf(request));
                 MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                 for (int attempt = 1;; ++attempt) {
                   auto text = PutHold(call, maintenance->holds(), *table, params.Get("hold"),
                                       JsonCursor(json));
                   if (text.status().code() != Code::kConflict || attempt == kPutAttempts) {
                     return text;
                   }
                   // Where a writer was quicker, the table as it is now decides.
                   MORAINE_ASSIGN(auto newer, LoadTable(call, catalog, params));
                   if (newer->version == table->version) return text;
                   table = std::move(newer);
                 }
               });
             });
  router.Add(
      Method::kDelete, path + "/{hold}",
      [this](Call& call, const Request&, const PathParams& params) {
        return AnswerEmpty([&]() -> Status {
          MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
          MORAINE_ASSIGN(bool was_there,
                         maintenance->holds().Release(call, table->table_id, params.Get("hold")));
          return was_there ? Status() : NotFound("hold does not exist: " + params.Get("hold"));
        });
      });
}

}  // namespace moraine::api
