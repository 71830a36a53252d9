// moraine warehouse ...: by the management API. Secrets are read from files and never shown.

#include <fstream>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/commands.h"
#include "moraine/cli/property_warnings.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

constexpr char kPath[] = "/api/v1/warehouses";

std::string PathOf(const WarehouseOptions& options) {
  return fmt::format("{}/{}", kPath, net::EncodePart(options.name));
}

Result<std::string> FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line))
    return InvalidArgument(fmt::format("can't read a line of {}", path));
  return std::string(Trim(line));
}

/// PROPERTY=VALUE pairs as a JSON object; PROPERTY= as null.
Status WritePairs(std::string_view flag, std::string_view key,
                  const std::vector<std::string>& pairs, JsonWriter* out) {
  if (pairs.empty()) return {};
  out->Key(key).BeginObject();
  for (const auto& pair : pairs) {
    size_t equals = pair.find('=');
    if (equals == 0 || equals == pair.npos)
      return InvalidArgument(fmt::format("{}: expected PROPERTY=VALUE", flag));
    std::string value = pair.substr(equals + 1);
    if (value.starts_with('@')) {
      auto line = FirstLine(value.substr(1));
      if (!line.ok()) return std::move(line).status().Annotate(flag);
      value = std::move(*line);
    }
    out->Key(pair.substr(0, equals));
    value.empty() ? out->Null() : out->String(value);
  }
  out->EndObject();
  return {};
}

void WriteSwitch(std::string_view key, const std::string& value, JsonWriter* out) {
  if (!value.empty()) out->Key(key).Bool(value == "true");
}

Result<std::string> BodyOf(const WarehouseOptions& options, bool with_name) {
  std::string body;
  JsonWriter out(&body);
  out.BeginObject();
  if (with_name) out.Field("name", options.name);
  if (!options.root.empty()) out.Field("root", options.root);
  if (!options.allowed_locations.empty()) {
    out.Key("allowed-locations").BeginArray();
    for (const auto& location : options.allowed_locations) out.String(location);
    out.EndArray();
  }
  MORAINE_TRY(WritePairs("--storage", "storage", options.storage, &out));
  MORAINE_TRY(
      WritePairs("--client-credential", "client-credentials", options.client_credentials, &out));
  MORAINE_TRY(WritePairs("--default", "defaults", options.defaults, &out));
  MORAINE_TRY(WritePairs("--override", "overrides", options.overrides, &out));
  WriteSwitch("send-credentials", options.send_credentials, &out);
  WriteSwitch("remote-signing", options.remote_signing, &out);
  out.EndObject();
  return body;
}

std::string ShowMap(const Json& map) {
  std::string text;
  if (!map.is_object()) return text;
  for (const auto& [key, value] : map.as_object()) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", key,
                        value.is_string() ? value.as_string() : "");
  }
  return text;
}

void Warn(Session& session, const WarehouseOptions& options) {
  WarnOfProperties(session.console, options.defaults);
  WarnOfProperties(session.console, options.overrides);
}

void Print(Session& session, const Answer& answer) {
  if (session.PrintedJson(answer)) return;
  const Json& warehouse = answer.json;
  std::string allowed;
  for (const auto& location : ListOf(warehouse, "allowed-locations")) {
    if (location.is_string()) allowed += (allowed.empty() ? "" : ", ") + location.as_string();
  }
  FactList table;
  table.Add("name", TextOf(warehouse, "name"));
  table.Add("root", TextOf(warehouse, "root"));
  table.Add("allowed locations", allowed);
  table.Add("kept by", BoolOf(warehouse, "from-settings") ? "the server's settings" : "the store");
  table.Add("storage", ShowMap(ObjectOf(warehouse, "storage")));
  table.Add("send credentials", BoolOf(warehouse, "send-credentials") ? "true" : "false");
  table.Add("remote signing", BoolOf(warehouse, "remote-signing") ? "true" : "false");
  table.Add("client credentials", ShowMap(ObjectOf(warehouse, "client-credentials")));
  table.Add("defaults", ShowMap(ObjectOf(warehouse, "defaults")));
  table.Add("overrides", ShowMap(ObjectOf(warehouse, "overrides")));
  session.console.out(table.Text(session.console));
}

}  // namespace

Status CreateWarehouse(Session& session, const WarehouseOptions& options) {
  MORAINE_ASSIGN(auto body, BodyOf(options, true));
  MORAINE_ASSIGN(auto answer, session.client.Post(kPath, std::move(body)));
  Warn(session, options);
  Print(session, answer);
  return {};
}

Status SetWarehouse(Session& session, const WarehouseOptions& options) {
  MORAINE_ASSIGN(auto body, BodyOf(options, false));
  if (body == "{}") return InvalidArgument("nothing to change: see moraine warehouse set --help");
  MORAINE_ASSIGN(auto answer, session.client.Post(PathOf(options), std::move(body)));
  Warn(session, options);
  Print(session, answer);
  return {};
}

Status ShowWarehouse(Session& session, const WarehouseOptions& options) {
  MORAINE_ASSIGN(auto answer, session.client.Get(PathOf(options)));
  Print(session, answer);
  return {};
}

Status DropWarehouse(Session& session, const WarehouseOptions& options) {
  MORAINE_TRY(session.client.Delete(PathOf(options)).status());
  if (!session.json)
    session.console.out(fmt::format("Dropped {}. Its files stay.\n", options.name));
  return {};
}

}  // namespace moraine::cli
