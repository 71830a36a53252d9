// What was dropped, undrop, protection; the history of tables, and the way back.

#include "moraine/catalog/lifecycle.h"

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"

namespace moraine::api {
namespace {

using catalog::DroppedObject;
using catalog::DryRun;
using catalog::Lifecycle;
using catalog::ObjectKind;
using catalog::ObjectRef;
using net::Method;
using net::PathParams;
using net::Request;

constexpr size_t kDefaultLimit = 100;
constexpr size_t kMaxLimit = 10'000;
constexpr char kWarehousePath[] = "/api/v1/warehouses/{warehouse}";
constexpr char kNamespacePath[] = "/api/v1/warehouses/{warehouse}/namespaces/{namespace}";

/// The object that a path names.
ObjectRef ObjectOf(ObjectKind kind, const PathParams& params) {
  ObjectRef object;
  object.kind = kind;
  object.warehouse = params.Get("warehouse");
  if (kind == ObjectKind::kWarehouse) return object;
  for (auto level : Split(params.Get("namespace"), '\x1f')) object.ns.emplace_back(level);
  if (kind == ObjectKind::kTable) object.name = params.Get("table");
  if (kind == ObjectKind::kView) object.name = params.Get("view");
  return object;
}

std::string PathOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kTable:
      return std::string(kNamespacePath) + "/tables/{table}";
    case ObjectKind::kView:
      return std::string(kNamespacePath) + "/views/{view}";
    case ObjectKind::kNamespace:
      return kNamespacePath;
    case ObjectKind::kWarehouse:
      break;
  }
  return kWarehousePath;
}

/// "tables", "views" or "namespaces" of a path.
Result<ObjectKind> KindOf(const std::string& plural) {
  for (ObjectKind kind : {ObjectKind::kTable, ObjectKind::kView, ObjectKind::kNamespace}) {
    if (plural == std::string(ObjectKindName(kind)) + "s") return kind;
  }
  return NotFound(fmt::format("expected tables, views or namespaces, got {}", plural));
}

Result<DroppedObject> DroppedOf(Call& call, Lifecycle& lifecycle, const PathParams& params) {
  MORAINE_ASSIGN(auto kind, KindOf(params.Get("kind")));
  auto id = ParseInt64(params.Get("id"));
  if (!id.ok()) return NotFound(fmt::format("expected a number, got {}", params.Get("id")));
  return lifecycle.FindDropped(call, kind, *id);
}

void WriteLevels(const catalog::NamespaceName& ns, JsonWriter* out) {
  out->Key("namespace").BeginArray();
  for (const auto& level : ns) out->String(level);
  out->EndArray();
}

void WriteObjectFields(const ObjectRef& object, JsonWriter* out) {
  out->Field("kind", ObjectKindName(object.kind)).Field("warehouse", object.warehouse);
  WriteLevels(object.ns, out);
  if (object.kind != ObjectKind::kNamespace) out->Field("name", object.name);
}

void WriteObjects(std::string_view key, const std::vector<ObjectRef>& objects, JsonWriter* out) {
  out->Key(key).BeginArray();
  for (const auto& object : objects) {
    out->BeginObject();
    WriteObjectFields(object, out);
    out->EndObject();
  }
  out->EndArray();
}

void WriteDropped(const DroppedObject& dropped, JsonWriter* out) {
  out->BeginObject().Field("id", dropped.object_id);
  WriteObjectFields(dropped.object, out);
  out->Field("dropped-ms", dropped.dropped_ms)
      .Field("dropped-by", dropped.dropped_by)
      .Field("purge-after-ms", dropped.purge_after_ms)
      .Field("purge-requested", dropped.purge_requested);
  if (dropped.dropped_with != 0) out->Field("dropped-with", dropped.dropped_with);
  if (!dropped.yielded_to.empty()) out->Field("place-taken", dropped.yielded_to);
  out->EndObject();
}

Result<std::string> DroppedText(Call& call, Lifecycle& lifecycle, const Request& request) {
  MORAINE_ASSIGN(size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
  catalog::PageRequest page{std::string(request.Query("page-token").value_or("")), limit};
  auto found = lifecycle.Dropped(call, std::string(request.Query("warehouse").value_or("")), page);
  if (found.status().code() == Code::kInvalidArgument) {
    return InvalidArgument("page-token: not a token of this listing");
  }
  MORAINE_TRY(found.status());
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("dropped").BeginArray();
  for (const auto& dropped : found->items) WriteDropped(dropped, &out);
  out.EndArray();
  if (!found->next_token.empty()) out.Field("next-page-token", found->next_token);
  out.EndObject();
  return text;
}

DryRun DryRunOf(std::optional<bool> asked) {
  return asked.value_or(false) ? DryRun::kYes : DryRun::kNo;
}

/// The body of an undrop: {"to": {"namespace": [...], "name": "..."}, "dry-run": true}.
struct UndropBody {
  std::optional<catalog::TableName> to;
  DryRun dry_run = DryRun::kNo;
};
Result<UndropBody> UndropBodyOf(const Request& request) {
  MORAINE_ASSIGN(auto json, BodyOf(request));
  JsonCursor body(json);
  UndropBody undrop;
  MORAINE_ASSIGN(auto dry_run, body.OptBool("dry-run"));
  undrop.dry_run = DryRunOf(dry_run);
  MORAINE_ASSIGN(auto to, body.Find("to"));
  if (!to) return undrop;
  catalog::TableName name;
  MORAINE_ASSIGN(auto levels, to->Get("namespace"));
  MORAINE_TRY(levels.ExpectArray());
  for (size_t i = 0; i < levels.size(); ++i) {
    MORAINE_ASSIGN(auto level, levels.At(i).String());
    name.ns.push_back(std::move(level));
  }
  MORAINE_ASSIGN(name.name, to->String("name"));
  undrop.to = std::move(name);
  return undrop;
}

Result<std::string> Undrop(Call& call, Lifecycle& lifecycle, const DroppedObject& dropped,
                           const Request& request) {
  MORAINE_ASSIGN(auto body, UndropBodyOf(request));
  std::vector<ObjectRef> left;
  MORAINE_ASSIGN(auto back, lifecycle.Undrop(call, dropped, body.to, body.dry_run, &left));
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("id", dropped.object_id);
  WriteObjects("restored", back, &out);
  WriteObjects("left", left, &out);
  out.EndObject();
  return text;
}

Result<std::string> ProtectionText(Call& call, Lifecycle& lifecycle, const ObjectRef& object) {
  MORAINE_ASSIGN(auto protection, lifecycle.ProtectionOf(call, object));
  std::string text;
  JsonWriter out(&text);
  WriteProtection(protection, &out);
  return text;
}

Result<std::string> SetProtection(Call& call, Lifecycle& lifecycle, const ObjectRef& object,
                                  const Request& request) {
  MORAINE_ASSIGN(auto json, BodyOf(request));
  JsonCursor body(json);
  MORAINE_ASSIGN(bool on, body.Bool("protected"));
  MORAINE_ASSIGN(auto reason, body.OptString("reason"));
  MORAINE_TRY(on ? lifecycle.Protect(call, object, reason.value_or(""))
                 : lifecycle.Unprotect(call, object));
  return ProtectionText(call, lifecycle, object);
}

void WriteEntry(const catalog::HistoryEntry& entry, JsonWriter* out) {
  out->BeginObject()
      .Field("version", entry.version)
      .Field("kind", entry.kind)
      .Field("changed-ms", entry.changed_ms)
      .Field("changed-by", entry.changed_by)
      .Field("snapshot-id", entry.snapshot_id);
  auto field = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out->Field(key, value);
  };
  field("operation", entry.operation);
  field("metadata-location", entry.metadata_location);
  field("name", entry.name);
  field("old-name", entry.old_name);
  if (!entry.summary.empty()) {
    out->Key("summary");
    iceberg::WriteStringMap(entry.summary, out);
  }
  out->EndObject();
}

Result<std::string> HistoryText(Call& call, Lifecycle& lifecycle, const ObjectRef& object,
                                const Request& request) {
  MORAINE_ASSIGN(size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
  catalog::PageRequest page{std::string(request.Query("page-token").value_or("")), limit};
  MORAINE_ASSIGN(auto history, lifecycle.History(call, object, page));
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("history").BeginArray();
  for (const auto& entry : history.items) WriteEntry(entry, &out);
  out.EndArray();
  if (!history.next_token.empty()) out.Field("next-page-token", history.next_token);
  out.EndObject();
  return text;
}

Result<std::string> RollBack(Call& call, Lifecycle& lifecycle, const ObjectRef& object,
                             const Request& request) {
  MORAINE_ASSIGN(auto json, BodyOf(request));
  JsonCursor body(json);
  catalog::RollbackTarget target;
  MORAINE_ASSIGN(target.snapshot_id, body.OptInt64("snapshot-id"));
  MORAINE_ASSIGN(target.timestamp_ms, body.OptInt64("timestamp-ms"));
  MORAINE_ASSIGN(target.version, body.OptInt64("version"));
  MORAINE_ASSIGN(auto branch, body.OptString("branch"));
  target.branch = branch.value_or("");
  MORAINE_ASSIGN(auto force, body.OptBool("force"));
  target.any_snapshot = force.value_or(false);
  MORAINE_ASSIGN(auto dry_run, body.OptBool("dry-run"));
  MORAINE_ASSIGN(auto done, lifecycle.RollBack(call, object.warehouse, {object.ns, object.name},
                                               target, DryRunOf(dry_run)));
  std::string text;
  JsonWriter(&text)
      .BeginObject()
      .Field("branch", done.branch)
      .Field("from-snapshot-id", done.from_snapshot_id)
      .Field("to-snapshot-id", done.to_snapshot_id)
      .Field("changes", done.operation)
      .Field("version", done.version)
      .EndObject();
  return text;
}

Result<std::string> DropNamespace(Call& call, catalog::Catalog& catalog, Lifecycle& lifecycle,
                                  const ObjectRef& object, const Request& request) {
  MORAINE_ASSIGN(auto json, BodyOf(request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto recursive, body.OptBool("recursive"));
  MORAINE_ASSIGN(auto dry_run, body.OptBool("dry-run"));
  std::vector<ObjectRef> dropped = {object};
  if (recursive.value_or(false)) {
    MORAINE_ASSIGN(dropped,
                   lifecycle.DropTree(call, object.warehouse, object.ns, DryRunOf(dry_run)));
  } else {
    if (dry_run.value_or(false)) return InvalidArgument("dry-run: is for recursive drops");
    MORAINE_TRY(catalog.DropNamespace(call, object.warehouse, object.ns));
  }
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteObjects("dropped", dropped, &out);
  out.EndObject();
  return text;
}

}  // namespace

void WriteProtection(const std::optional<catalog::Protection>& protection, JsonWriter* out) {
  out->BeginObject().Field("protected", protection.has_value());
  if (protection) {
    out->Field("since-ms", protection->set_ms)
        .Field("by", protection->set_by)
        .Field("reason", protection->reason);
  }
  out->EndObject();
}

void Service::Impl::AddLifecycle(net::Router& router) {
  auto add = [&](Method method, const std::string& path, auto body) {
    router.Add(method, path,
               [this, body](Call& call, const Request& request, const PathParams& params) {
                 return AnswerJson([&]() -> Result<std::string> {
                   Lifecycle lifecycle(catalog);
                   return body(call, lifecycle, request, params);
                 });
               });
  };
  add(Method::kGet, "/api/v1/dropped",
      [](Call& call, Lifecycle& lifecycle, const Request& request, const PathParams&) {
        return DroppedText(call, lifecycle, request);
      });
  add(Method::kPost, "/api/v1/dropped/{kind}/{id}/undrop",
      [](Call& call, Lifecycle& lifecycle, const Request& request,
         const PathParams& params) -> Result<std::string> {
        MORAINE_ASSIGN(auto dropped, DroppedOf(call, lifecycle, params));
        return Undrop(call, lifecycle, dropped, request);
      });
  router.Add(Method::kPost, "/api/v1/dropped/{kind}/{id}/purge",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerEmpty([&]() -> Status {
                 Lifecycle lifecycle(catalog);
                 MORAINE_ASSIGN(auto dropped, DroppedOf(call, lifecycle, params));
                 return lifecycle.Purge(call, dropped);
               });
             });
  for (ObjectKind kind :
       {ObjectKind::kTable, ObjectKind::kView, ObjectKind::kNamespace, ObjectKind::kWarehouse}) {
    add(Method::kGet, PathOf(kind) + "/protection",
        [kind](Call& call, Lifecycle& lifecycle, const Request&, const PathParams& params) {
          return ProtectionText(call, lifecycle, ObjectOf(kind, params));
        });
    add(Method::kPost, PathOf(kind) + "/protection",
        [kind](Call& call, Lifecycle& lifecycle, const Request& request, const PathParams& params) {
          return SetProtection(call, lifecycle, ObjectOf(kind, params), request);
        });
    if (kind == ObjectKind::kWarehouse) continue;
    add(Method::kPost, PathOf(kind) + "/undrop",
        [kind](Call& call, Lifecycle& lifecycle, const Request& request,
               const PathParams& params) -> Result<std::string> {
          MORAINE_ASSIGN(auto dropped, lifecycle.LastDropped(call, ObjectOf(kind, params)));
          return Undrop(call, lifecycle, dropped, request);
        });
    if (kind == ObjectKind::kNamespace) continue;
    add(Method::kGet, PathOf(kind) + "/history",
        [kind](Call& call, Lifecycle& lifecycle, const Request& request, const PathParams& params) {
          return HistoryText(call, lifecycle, ObjectOf(kind, params), request);
        });
  }
  add(Method::kPost, PathOf(ObjectKind::kTable) + "/rollback",
      [](Call& call, Lifecycle& lifecycle, const Request& request, const PathParams& params) {
        return RollBack(call, lifecycle, ObjectOf(ObjectKind::kTable, params), request);
      });
  add(Method::kPost, PathOf(ObjectKind::kNamespace) + "/drop",
      [this](Call& call, Lifecycle& lifecycle, const Request& request, const PathParams& params) {
        return DropNamespace(call, catalog, lifecycle, ObjectOf(ObjectKind::kNamespace, params),
                             request);
      });
}

}  // namespace moraine::api
