#include "moraine/rest/table_answers.h"

#include <memory>
#include <set>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::rest {
namespace {

net::SharedBytes Piece(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

/// The metadata with only the snapshots that refs point at, and their statistics.
std::string MetadataOfRefs(const iceberg::TableMetadata& metadata) {
  std::set<int64_t> shown;
  for (const auto& [name, ref] : metadata.refs) shown.insert(ref.snapshot_id);
  iceberg::TableMetadata copy = metadata;
  std::erase_if(copy.snapshots, [&](const auto& s) { return !shown.contains(s->snapshot_id); });
  std::erase_if(copy.statistics, [&](const auto& s) { return !shown.contains(s.snapshot_id); });
  std::erase_if(copy.partition_statistics,
                [&](const auto& s) { return !shown.contains(s.snapshot_id); });
  return iceberg::TableMetadataToJson(copy);
}

net::Response AnswerWith(const std::string& metadata_location, net::SharedBytes metadata,
                         std::string_view end, Snapshots snapshots, std::string_view mark = "") {
  std::string begin = "{";
  if (!metadata_location.empty()) {
    begin += "\"metadata-location\":";
    AppendJsonString(metadata_location, &begin);
    begin += ',';
  }
  begin += "\"metadata\":";
  net::Response response = net::Response::Json(200, "");
  response.body = {Piece(std::move(begin)), std::move(metadata), Piece(std::string(end))};
  if (!metadata_location.empty()) {
    response.headers.Add("ETag", fmt::format("\"{}\"", EtagOf(metadata_location, snapshots, mark)));
  }
  return response;
}

constexpr std::string_view kNoConfig = ",\"config\":{}}";

}  // namespace

std::string EtagOf(std::string_view metadata_location, Snapshots snapshots, std::string_view mark) {
  // FNV-1a: a metadata file's name holds a random uuid, so 64 bits of any good mix tell versions
  // apart.
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : metadata_location) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return fmt::format("{:016x}{}{}{}", hash, snapshots == Snapshots::kRefs ? "-refs" : "",
                     mark.empty() ? "" : "-", mark);
}

net::Response LoadAnswer(const catalog::LoadedTable& table, Snapshots snapshots) {
  net::SharedBytes metadata =
      snapshots == Snapshots::kAll ? table.metadata_json : Piece(MetadataOfRefs(*table.metadata));
  return AnswerWith(table.metadata_location, std::move(metadata), kNoConfig, snapshots);
}

std::string CredentialsText(const catalog::StorageGrant& grant) {
  std::string text;
  JsonWriter out(&text);
  out.BeginArray();
  for (const auto& each : grant.credentials) {
    out.BeginObject().Field("prefix", each.prefix).Key("config");
    iceberg::WriteStringMap(each.config, &out);
    out.EndObject();
  }
  out.EndArray();
  return text;
}

net::Response LoadAnswer(const catalog::LoadedTable& table, Snapshots snapshots,
                         const catalog::StorageGrant& grant) {
  if (grant.config.empty()) return LoadAnswer(table, snapshots);
  net::SharedBytes metadata =
      snapshots == Snapshots::kAll ? table.metadata_json : Piece(MetadataOfRefs(*table.metadata));
  std::string end = ",\"config\":";
  JsonWriter out(&end);
  iceberg::WriteStringMap(grant.config, &out);
  if (grant.has_secrets()) end += ",\"storage-credentials\":" + CredentialsText(grant);
  end += "}";
  auto response =
      AnswerWith(table.metadata_location, std::move(metadata), end, snapshots, grant.Mark());
  if (grant.has_secrets()) response.headers.Set("Cache-Control", "no-store");
  return response;
}

net::Response LoadAnswer(const std::string& metadata_location, net::SharedBytes metadata) {
  return AnswerWith(metadata_location, std::move(metadata), kNoConfig, Snapshots::kAll);
}

net::Response CommitAnswer(const catalog::LoadedTable& table) {
  return AnswerWith(table.metadata_location, table.metadata_json, "}", Snapshots::kAll);
}

}  // namespace moraine::rest
