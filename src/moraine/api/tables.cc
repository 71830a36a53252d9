// Tables: list, show, health, files, snapshots, statistics, "optimize now".

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"
#include "moraine/catalog/lifecycle.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::api {
namespace {

using catalog::LoadedTable;
using net::PathParams;
using net::Request;
using optimizing::TableState;

constexpr size_t kDefaultLimit = 1'000;
constexpr size_t kMaxLimit = 10'000;
constexpr char kTablePath[] =
    "/api/v1/warehouses/{warehouse}/namespaces/{namespace}/tables/{table}";

/// The levels of a namespace in a path: parted by %1F, as in the Iceberg protocol.
Result<catalog::NamespaceName> NamespaceOf(const PathParams& params) {
  return LevelsOf(params.Get("namespace"));
}

/// The state, or that of a table which was not looked at yet.
Result<TableState> StateOf(Call& call, optimizing::Service& optimizing, int64_t table_id) {
  auto state = optimizing.Table(call, table_id);
  if (state.status().code() != Code::kNotFound) return state;
  TableState fresh;
  fresh.table_id = table_id;
  fresh.reason = "not looked at yet";
  return fresh;
}

void WriteState(const TableState& state, JsonWriter* out) {
  out->Field("group", state.group)
      .Field("status", TableStatusName(state.status))
      .Field("reason", state.reason)
      .Field("score", state.score)
      .Field("refreshed-ms", state.last_refreshed_ms)
      .Field("planned-ms", state.last_planned_ms)
      .Field("last-minor-ms", state.times.last_minor_ms)
      .Field("last-major-ms", state.times.last_major_ms)
      .Field("last-full-ms", state.times.last_full_ms)
      .Field("failures", state.failures)
      .Field("last-failure", state.last_failure)
      .Field("written-bytes", state.written_bytes);
  if (state.due_ms) out->Field("due-ms", *state.due_ms);
  out->Key("health").Raw(state.health_json);
}

void WriteName(const catalog::TableName& name, JsonWriter* out) {
  out->Key("namespace").BeginArray();
  for (const auto& level : name.ns) out->String(level);
  out->EndArray().Field("name", name.name);
}

std::string ShowText(const LoadedTable& table, const TableState& state,
                     const std::optional<catalog::Protection>& protection) {
  const auto& metadata = *table.metadata;
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("id", table.table_id).Field("warehouse", table.warehouse);
  WriteName(table.name, &out);
  out.Field("uuid", metadata.table_uuid)
      .Field("location", metadata.location)
      .Field("metadata-location", table.metadata_location)
      .Field("origin", table.origin)
      .Field("format-version", metadata.format_version)
      .Field("version", table.version)
      .Field("snapshots", static_cast<int64_t>(metadata.snapshots.size()))
      .Field("current-snapshot-id", metadata.current_snapshot_id)
      .Field("last-updated-ms", metadata.last_updated_ms);
  if (protection) {
    out.Key("protection");
    WriteProtection(protection, &out);
  }
  out.Key("schema");
  iceberg::WriteSchema(metadata.CurrentSchema(), &out);
  out.Key("partition-spec");
  iceberg::WritePartitionSpec(metadata.DefaultSpec(), &out);
  out.Key("properties");
  iceberg::WriteStringMap(metadata.properties, &out);
  WriteState(state, &out);
  out.EndObject();
  return text;
}

/// What rows know of a table that is there, and whose metadata can't be read; else the error.
Result<std::string> DamagedText(Call& call, catalog::Catalog& catalog,
                                optimizing::Service& optimizing, const PathParams& params,
                                const Status& why) {
  auto ns = NamespaceOf(params);
  if (!ns.ok()) return why;
  const std::string& warehouse = params.Get("warehouse");
  catalog::TableName name{*ns, params.Get("table")};
  if (!catalog.TableExists(call, warehouse, name).ok()) return why;
  auto state = optimizing.DamagedTable(call, warehouse, name, why);
  if (!state.ok()) return why;
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("id", state->table_id).Field("warehouse", warehouse);
  WriteName(name, &out);
  WriteState(*state, &out);
  out.EndObject();
  return text;
}

void WriteSnapshotLine(const iceberg::Snapshot& snapshot, bool current, JsonWriter* out) {
  out->BeginObject()
      .Field("snapshot-id", snapshot.snapshot_id)
      .Field("sequence-number", snapshot.sequence_number)
      .Field("timestamp-ms", snapshot.timestamp_ms)
      .Field("operation", snapshot.operation())
      .Field("current", current)
      .Key("summary");
  iceberg::WriteStringMap(snapshot.summary, out);
  out->EndObject();
}

/// The live files of the current snapshot, the first limit of them.
Result<std::string> FilesText(Call& call, io::FileSystem& files, const LoadedTable& table,
                              size_t limit) {
  static constexpr std::string_view kContent[] = {"data", "position-deletes", "equality-deletes"};
  const auto& metadata = *table.metadata;
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("files").BeginArray();
  size_t count = 0;
  bool complete = true;
  if (const auto* snapshot = metadata.CurrentSnapshot()) {
    MORAINE_ASSIGN(auto manifests, iceberg::LoadManifests(call, files, metadata, *snapshot));
    iceberg::ManifestReadOptions options;
    options.counts = false;
    options.bounds = false;
    for (const auto& manifest : manifests) {
      if (!manifest.has_live()) continue;
      if (count >= limit) {
        complete = false;
        break;
      }
      MORAINE_ASSIGN(auto spec, iceberg::SpecOf(metadata, manifest));
      MORAINE_TRY(iceberg::ReadManifest(
          call, files, manifest, *spec, metadata.CurrentSchema(), options,
          [&](iceberg::ManifestEntry& entry) {
            if (!entry.is_live()) return Status();
            if (count >= limit) {
              complete = false;
              return Status();
            }
            ++count;
            out.BeginObject()
                .Field("path", entry.file.file_path)
                .Field("content", kContent[static_cast<size_t>(entry.file.content)])
                .Field("format", iceberg::FileFormatName(entry.file.format))
                .Field("partition", iceberg::PartitionPath(*spec, metadata.CurrentSchema(),
                                                           entry.file.partition))
                .Field("records", entry.file.record_count)
                .Field("bytes", entry.file.file_size_in_bytes)
                .Field("sequence-number", entry.sequence_number.value_or(0))
                .EndObject();
            return Status();
          }));
    }
  }
  out.EndArray().Field("complete", complete).EndObject();
  return text;
}

/// Body of POST .../optimize.
Result<optimizing::RunRequest> RunRequestOf(const JsonCursor& json) {
  optimizing::RunRequest run;
  MORAINE_ASSIGN(auto type, json.OptString("type"));
  MORAINE_ASSIGN(auto layout, json.OptString("layout"));
  MORAINE_ASSIGN(auto branch, json.OptString("branch"));
  MORAINE_ASSIGN(auto dedup, json.Find("dedup"));
  run.layout = layout.value_or("");
  run.branch = branch.value_or("");
  if (dedup) {
    MORAINE_ASSIGN(run.dedup_key, dedup->String("key"));
    if (run.dedup_key.empty()) return dedup->Error("key: expected columns, or *");
    MORAINE_ASSIGN(auto by, dedup->OptString("keep-last-by"));
    run.dedup_by = by.value_or("");
  }
  run.type = type.value_or(layout || dedup ? "full" : "major");
  return run;
}

}  // namespace

Result<catalog::LoadedTablePtr> LoadTable(Call& call, catalog::Catalog& catalog,
                                          const PathParams& params) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(params));
  auto table = catalog.Load(call, params.Get("warehouse"), {ns, params.Get("table")});
  // The table is there and its file is not: that is no 404 to whoever asked for the table.
  if (catalog::ExceptionName(table.status()) == "NotFoundException") {
    return Corruption(fmt::format("the metadata file of a table that is there is missing: {}",
                                  table.status().message()));
  }
  return table;
}

catalog::NamespaceName LevelsOf(std::string_view text) {
  catalog::NamespaceName name;
  for (auto level : Split(text, '\x1f')) name.emplace_back(level);
  return name;
}

void Service::Impl::AddTables(net::Router& router) {
  using net::Method;
  router.Add(
      Method::kGet, "/api/v1/tables",
      [this](Call& call, const Request& request, const PathParams&) {
        return AnswerJson([&]() -> Result<std::string> {
          MORAINE_ASSIGN(size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
          catalog::PageRequest page{std::string(request.Query("page-token").value_or("")), limit};
          auto tables_found = catalog.AllTables(call, page);
          // The catalog's words for it are those of the Iceberg protocol.
          if (tables_found.status().code() == Code::kInvalidArgument) {
            return InvalidArgument("page-token: not a token of this listing");
          }
          MORAINE_ASSIGN(auto tables, std::move(tables_found));
          int64_t before = tables.items.empty() ? 0 : tables.items.front().table_id - 1;
          MORAINE_ASSIGN(auto states, optimizing.Tables(call, before, limit));
          std::map<int64_t, const TableState*> by_id;
          for (const auto& state : states) by_id[state.table_id] = &state;
          TableState unseen;
          unseen.reason = "not looked at yet";
          std::string text;
          JsonWriter out(&text);
          out.BeginObject().Key("tables").BeginArray();
          for (const auto& table : tables.items) {
            out.BeginObject().Field("id", table.table_id).Field("warehouse", table.warehouse);
            WriteName(table.name, &out);
            out.Field("format-version", table.format_version)
                .Field("current-snapshot-id", table.current_snapshot_id)
                .Field("origin", table.origin);
            auto found = by_id.find(table.table_id);
            WriteState(found == by_id.end() ? unseen : *found->second, &out);
            out.EndObject();
          }
          out.EndArray();
          if (!tables.next_token.empty()) out.Field("next-page-token", tables.next_token);
          out.EndObject();
          return text;
        });
      });
  router.Add(
      Method::kGet, kTablePath, [this](Call& call, const Request&, const PathParams& params) {
        return AnswerJson([&]() -> Result<std::string> {
          auto table = LoadTable(call, catalog, params);
          if (!table.ok()) {
            return DamagedText(call, catalog, optimizing, params, table.status());
          }
          MORAINE_ASSIGN(auto state, StateOf(call, optimizing, (*table)->table_id));
          const catalog::TableName& name = (*table)->name;
          MORAINE_ASSIGN(auto protection, catalog::Lifecycle(catalog).ProtectionOf(
                                              call, {catalog::ObjectKind::kTable,
                                                     params.Get("warehouse"), name.ns, name.name}));
          return ShowText(**table, state, protection);
        });
      });
  router.Add(Method::kGet, std::string(kTablePath) + "/snapshots",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                 std::string text;
                 JsonWriter out(&text);
                 out.BeginObject().Key("snapshots").BeginArray();
                 for (const auto& snapshot : table->metadata->snapshots) {
                   WriteSnapshotLine(*snapshot,
                                     snapshot->snapshot_id == table->metadata->current_snapshot_id,
                                     &out);
                 }
                 out.EndArray().EndObject();
                 return text;
               });
             });
  router.Add(Method::kGet, std::string(kTablePath) + "/statistics",
             [this](Call& call, const Request&, const PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                 return StatisticsText(*table);
               });
             });
  router.Add(Method::kGet, std::string(kTablePath) + "/files",
             [this](Call& call, const Request& request, const PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
                 MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                 return FilesText(call, files, *table, limit);
               });
             });
  router.Add(Method::kPost, std::string(kTablePath) + "/optimize",
             [this](Call& call, const Request& request, const PathParams& params) {
               return AnswerEmpty([&]() -> Status {
                 MORAINE_ASSIGN(auto body, BodyOf(request));
                 MORAINE_ASSIGN(auto run, RunRequestOf(JsonCursor(body)));
                 MORAINE_ASSIGN(auto table, LoadTable(call, catalog, params));
                 return optimizing.Request(call, table->table_id, run);
               });
             });
}

}  // namespace moraine::api
