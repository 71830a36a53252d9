// JSON of view metadata (view spec, "View Metadata").

#include <set>

#include <fmt/format.h>

#include "moraine/iceberg/view/view_metadata.h"

namespace moraine::iceberg {
namespace {

Result<std::vector<std::string>> StringsFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  std::vector<std::string> strings;
  for (size_t i = 0; i < json.size(); ++i) {
    MORAINE_ASSIGN(std::string text, json.At(i).String());
    strings.push_back(std::move(text));
  }
  return strings;
}

Result<ViewRepresentation> RepresentationFromJson(const JsonCursor& json) {
  ViewRepresentation representation;
  MORAINE_ASSIGN(representation.type, json.String("type"));
  if (representation.type != "sql") {
    representation.unknown = UnknownMembers(json, {"type"});
    return representation;
  }
  MORAINE_ASSIGN(representation.sql, json.String("sql"));
  MORAINE_ASSIGN(representation.dialect, json.String("dialect"));
  representation.unknown = UnknownMembers(json, {"type", "sql", "dialect"});
  return representation;
}

void WriteRepresentation(const ViewRepresentation& representation, JsonWriter* out) {
  out->BeginObject().Field("type", representation.type);
  if (representation.type == "sql") {
    out->Field("sql", representation.sql).Field("dialect", representation.dialect);
  }
  WriteUnknownMembers(representation.unknown, out);
  out->EndObject();
}

Result<std::vector<SchemaPtr>> SchemasFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  std::vector<SchemaPtr> schemas;
  std::set<int32_t> ids;
  for (size_t i = 0; i < json.size(); ++i) {
    JsonCursor item = json.At(i);
    MORAINE_ASSIGN(Schema schema, SchemaFromJson(item));
    if (!ids.insert(schema.schema_id()).second) {
      return item.Error(fmt::format("schema-id {} is there twice", schema.schema_id()));
    }
    schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
  }
  return schemas;
}

Result<std::vector<ViewVersion>> VersionsFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  std::vector<ViewVersion> versions;
  std::set<int32_t> ids;
  for (size_t i = 0; i < json.size(); ++i) {
    JsonCursor item = json.At(i);
    MORAINE_ASSIGN(ViewVersion version, ViewVersionFromJson(item));
    if (!ids.insert(version.version_id).second) {
      return item.Error(fmt::format("version-id {} is there twice", version.version_id));
    }
    versions.push_back(std::move(version));
  }
  return versions;
}

Result<std::vector<ViewLogEntry>> LogFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  std::vector<ViewLogEntry> log;
  for (size_t i = 0; i < json.size(); ++i) {
    ViewLogEntry entry;
    MORAINE_ASSIGN(entry.timestamp_ms, json.At(i).Int64("timestamp-ms"));
    MORAINE_ASSIGN(entry.version_id, json.At(i).Int32("version-id"));
    log.push_back(entry);
  }
  return log;
}

Status CheckReferences(const ViewMetadata& metadata, const JsonCursor& json) {
  if (metadata.FindVersion(metadata.current_version_id) == nullptr) {
    return json.Error(
        fmt::format("current-version-id {} is not among versions", metadata.current_version_id));
  }
  for (const ViewVersion& version : metadata.versions) {
    if (metadata.FindSchema(version.schema_id) != nullptr) continue;
    return json.Error(fmt::format("schema-id {} of version {} is not among schemas",
                                  version.schema_id, version.version_id));
  }
  return Status();
}

}  // namespace

Result<ViewVersion> ViewVersionFromJson(const JsonCursor& json) {
  ViewVersion version;
  MORAINE_ASSIGN(version.version_id, json.Int32("version-id"));
  MORAINE_ASSIGN(version.timestamp_ms, json.Int64("timestamp-ms"));
  MORAINE_ASSIGN(version.schema_id, json.Int32("schema-id"));
  MORAINE_ASSIGN(auto summary, json.Find("summary"));
  if (summary) {
    MORAINE_ASSIGN(version.summary, StringMapFromJson(*summary));
  }
  MORAINE_ASSIGN(auto representations, json.Get("representations"));
  MORAINE_TRY(representations.ExpectArray());
  for (size_t i = 0; i < representations.size(); ++i) {
    MORAINE_ASSIGN(auto representation, RepresentationFromJson(representations.At(i)));
    version.representations.push_back(std::move(representation));
  }
  MORAINE_ASSIGN(version.default_catalog, json.OptString("default-catalog"));
  MORAINE_ASSIGN(auto ns, json.Get("default-namespace"));
  MORAINE_ASSIGN(version.default_namespace, StringsFromJson(ns));
  version.unknown =
      UnknownMembers(json, {"version-id", "timestamp-ms", "schema-id", "summary", "representations",
                            "default-catalog", "default-namespace"});
  return version;
}

void WriteViewVersion(const ViewVersion& version, JsonWriter* out) {
  out->BeginObject()
      .Field("version-id", version.version_id)
      .Field("timestamp-ms", version.timestamp_ms)
      .Field("schema-id", version.schema_id)
      .Key("summary");
  WriteStringMap(version.summary, out);
  if (version.default_catalog) out->Field("default-catalog", *version.default_catalog);
  out->Key("default-namespace").BeginArray();
  for (const auto& level : version.default_namespace) out->String(level);
  out->EndArray().Key("representations").BeginArray();
  for (const auto& representation : version.representations) {
    WriteRepresentation(representation, out);
  }
  out->EndArray();
  WriteUnknownMembers(version.unknown, out);
  out->EndObject();
}

std::string ViewMetadataToJson(const ViewMetadata& metadata) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject()
      .Field("view-uuid", metadata.view_uuid)
      .Field("format-version", kViewFormatVersion)
      .Field("location", metadata.location)
      .Key("properties");
  WriteStringMap(metadata.properties, &out);
  out.Key("schemas").BeginArray();
  for (const auto& schema : metadata.schemas) WriteSchema(*schema, &out);
  out.EndArray().Field("current-version-id", metadata.current_version_id);
  out.Key("versions").BeginArray();
  for (const auto& version : metadata.versions) WriteViewVersion(version, &out);
  out.EndArray().Key("version-log").BeginArray();
  for (const auto& entry : metadata.version_log) {
    out.BeginObject()
        .Field("timestamp-ms", entry.timestamp_ms)
        .Field("version-id", entry.version_id)
        .EndObject();
  }
  out.EndArray();
  WriteUnknownMembers(metadata.unknown, &out);
  out.EndObject();
  return text;
}

Result<ViewMetadata> ViewMetadataFromJson(std::string_view text) {
  MORAINE_ASSIGN(Json json, Json::Parse(text));
  return ViewMetadataFromJson(JsonCursor(json));
}

Result<ViewMetadata> ViewMetadataFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(int32_t format_version, json.Int32("format-version"));
  if (format_version < 1) return json.Error("format-version: expected 1");
  if (format_version > kViewFormatVersion) {
    return Unsupported(fmt::format("view format version {} (supported: up to {})", format_version,
                                   kViewFormatVersion));
  }
  ViewMetadata metadata;
  MORAINE_ASSIGN(metadata.view_uuid, json.String("view-uuid"));
  MORAINE_ASSIGN(metadata.location, json.String("location"));
  MORAINE_ASSIGN(auto properties, json.Find("properties"));
  if (properties) {
    MORAINE_ASSIGN(metadata.properties, StringMapFromJson(*properties));
  }
  MORAINE_ASSIGN(auto schemas, json.Get("schemas"));
  MORAINE_ASSIGN(metadata.schemas, SchemasFromJson(schemas));
  MORAINE_ASSIGN(metadata.current_version_id, json.Int32("current-version-id"));
  MORAINE_ASSIGN(auto versions, json.Get("versions"));
  MORAINE_ASSIGN(metadata.versions, VersionsFromJson(versions));
  MORAINE_ASSIGN(auto log, json.Get("version-log"));
  MORAINE_ASSIGN(metadata.version_log, LogFromJson(log));
  metadata.unknown =
      UnknownMembers(json, {"view-uuid", "format-version", "location", "properties", "schemas",
                            "current-version-id", "versions", "version-log"});
  MORAINE_TRY(CheckReferences(metadata, json));
  return metadata;
}

}  // namespace moraine::iceberg
