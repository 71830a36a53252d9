#include "moraine/catalog/rest/rest_catalog.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/catalog/rest/rest_session.h"
#include "moraine/io/cloud_options.h"
#include "moraine/net/uri.h"

namespace moraine::catalog {
namespace {

constexpr size_t kMostPages = 100'000;
constexpr size_t kMostCredentials = 1'000;
constexpr int kMostChecks = 10;
constexpr int64_t kConfirmMs = 300'000;  // unless the table says otherwise
constexpr int64_t kMostConfirmMs = 1'800'000;

/// The answer's JSON. Errors: Corruption.
Result<Json> JsonOf(const net::Response& answer, const std::string& what) {
  auto json = Json::Parse(answer.BodyText());
  if (json.ok()) return json;
  return Corruption(
      fmt::format("the catalog's answer to {} is no JSON: {}", what, json.status().message()));
}

Status Unreadable(const Status& why, const std::string& what) {
  return Corruption(
      fmt::format("the catalog's answer to {} can't be read: {}", what, why.message()));
}

/// Unsupported stays: it names what to do.
Status OfTable(const Status& why, const std::string& what) {
  return why.code() == Code::kUnsupported ? why : Unreadable(why, what);
}

Result<std::vector<StorageCredential>> CredentialsOf(const JsonCursor& answer) {
  std::vector<StorageCredential> credentials;
  MORAINE_ASSIGN(auto list, answer.Find("storage-credentials"));
  if (!list) return credentials;
  MORAINE_TRY(list->ExpectArray());
  for (size_t i = 0; i < std::min(list->size(), kMostCredentials); ++i) {
    JsonCursor item = list->At(i);
    StorageCredential credential;
    MORAINE_ASSIGN(credential.prefix, item.String("prefix"));
    MORAINE_ASSIGN(auto config, item.Get("config"));
    MORAINE_ASSIGN(credential.config, iceberg::StringMapFromJson(config));
    credentials.push_back(std::move(credential));
  }
  return credentials;
}

Result<RestTable> TableOf(const TableName& name, const Json& json) {
  JsonCursor answer(json);
  RestTable table;
  table.name = name;
  MORAINE_ASSIGN(auto location, answer.OptString("metadata-location"));
  table.metadata_location = location.value_or("");
  MORAINE_ASSIGN(auto metadata_json, answer.Get("metadata"));
  MORAINE_ASSIGN(auto metadata, iceberg::TableMetadataFromJson(metadata_json));
  table.metadata = std::make_shared<const iceberg::TableMetadata>(std::move(metadata));
  MORAINE_ASSIGN(auto config, answer.Find("config"));
  if (config) {
    MORAINE_ASSIGN(table.config, iceberg::StringMapFromJson(*config));
  }
  MORAINE_ASSIGN(table.credentials, CredentialsOf(answer));
  return table;
}

Result<RestTablePtr> ReadTable(const TableName& name, const net::Response& answer,
                               const std::string& what) {
  MORAINE_ASSIGN(auto json, JsonOf(answer, what));
  auto table = TableOf(name, json);
  if (!table.ok()) return OfTable(table.status(), what);
  table->etag = std::string(answer.headers.Get("ETag").value_or(""));
  return RestTablePtr(std::make_shared<const RestTable>(*std::move(table)));
}

std::string TokenOf(const RestTable& table) {
  auto token = table.config.find("token");
  return token == table.config.end() ? "" : token->second;
}

NamespaceName LevelsOf(std::string_view text, std::string_view separator) {
  NamespaceName levels;
  while (true) {
    size_t at = separator.empty() ? text.npos : text.find(separator);
    levels.emplace_back(text.substr(0, at));
    if (at == text.npos) return levels;
    text.remove_prefix(at + separator.size());
  }
}

/// A level must not be mistaken for two.
Status CheckLevels(const NamespaceName& ns, const std::string& separator) {
  if (ns.empty()) return InvalidArgument("expected a namespace");
  MORAINE_ASSIGN(auto plain, net::DecodePart(separator));
  for (const auto& level : ns) {
    if (level.empty() || !IsValidUtf8(level)) {
      return InvalidArgument(fmt::format("the namespace {} has a level that is empty or not UTF-8",
                                         PercentEncode(ToText(ns), " .")));
    }
    if (LevelsOf(level, plain).size() > 1 && ToLowerAscii(separator) != "%2e") {
      return InvalidArgument(
          fmt::format("the namespace level {} holds the catalog's separator", level));
    }
  }
  return {};
}

Result<NamespaceName> NameFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  NamespaceName ns;
  for (size_t i = 0; i < json.size(); ++i) {
    MORAINE_ASSIGN(auto level, json.At(i).String());
    ns.push_back(std::move(level));
  }
  return ns;
}

void WriteLevels(const NamespaceName& ns, JsonWriter* out) {
  out->BeginArray();
  for (const auto& level : ns) out->String(level);
  out->EndArray();
}

std::string CommitBody(const TableName& name, const iceberg::CommitRequest& request) {
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Key("identifier").BeginObject().Key("namespace");
  WriteLevels(name.ns, &out);
  out.Field("name", name.name).EndObject().Key("requirements").BeginArray();
  for (const auto& requirement : request.requirements) {
    iceberg::WriteTableRequirement(requirement, &out);
  }
  out.EndArray().Key("updates").BeginArray();
  for (const auto& update : request.updates) iceberg::WriteTableUpdate(update, &out);
  out.EndArray().EndObject();
  return body;
}

std::string CreateBody(const CreateTable& creation) {
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Field("name", creation.name.name).Key("schema");
  iceberg::WriteSchema(creation.schema, &out);
  out.Key("partition-spec");
  iceberg::WritePartitionSpec(creation.spec, &out);
  out.Key("write-order");
  iceberg::WriteSortOrder(creation.sort_order, &out);
  if (creation.location) out.Field("location", *creation.location);
  out.Field("stage-create", false).Key("properties");
  iceberg::WriteStringMap(creation.properties, &out);
  out.EndObject();
  return body;
}

const iceberg::Snapshot* AddedSnapshot(const iceberg::CommitRequest& request) {
  for (const auto& update : request.updates) {
    if (const auto* add = std::get_if<iceberg::update::AddSnapshot>(&update)) return &add->snapshot;
  }
  return nullptr;
}

constexpr char kNamespaces[] = "GET /v1/{prefix}/namespaces";
constexpr char kViews[] = "GET /v1/{prefix}/namespaces/{namespace}/views";
constexpr char kRegisterView[] = "POST /v1/{prefix}/namespaces/{namespace}/register-view";
constexpr char kTables[] = "GET /v1/{prefix}/namespaces/{namespace}/tables";

Status NotOffered(const std::string& uri, std::string_view endpoint) {
  return Unsupported(fmt::format("the catalog {} does not offer {}", uri, endpoint));
}

/// Pages of a list, each given to take; until there is no next one.
Status ReadPages(Call& call, RestSession& session, RestRequest request,
                 const std::function<Status(const JsonCursor&)>& take) {
  std::string what = "GET " + session.uri() + request.path;
  std::string token;
  for (size_t page = 0; page < kMostPages; ++page) {
    RestRequest ask = request;
    ask.query.emplace_back("pageToken", token);
    MORAINE_ASSIGN(auto answer, session.Send(call, ask));
    MORAINE_ASSIGN(auto json, JsonOf(answer, what));
    JsonCursor cursor(json);
    if (Status taken = take(cursor); !taken.ok()) return Unreadable(taken, what);
    auto next = cursor.OptString("next-page-token");
    if (!next.ok()) return Unreadable(next.status(), what);
    if (!*next || (*next)->empty()) return {};
    if (**next == token) return Corruption(fmt::format("{} gives the same page for ever", what));
    token = **next;
  }
  return Exhausted(fmt::format("{} gives more than {} pages", what, kMostPages));
}

Status ReadNames(Call& call, RestSession& session, const RestRequest& request,
                 std::vector<TableName>* names) {
  return ReadPages(call, session, request, [&](const JsonCursor& page) -> Status {
    MORAINE_ASSIGN(auto list, page.Get("identifiers"));
    MORAINE_TRY(list.ExpectArray());
    for (size_t i = 0; i < list.size(); ++i) {
      JsonCursor item = list.At(i);
      TableName name;
      MORAINE_ASSIGN(auto levels, item.Get("namespace"));
      MORAINE_ASSIGN(name.ns, NameFromJson(levels));
      MORAINE_ASSIGN(name.name, item.String("name"));
      names->push_back(std::move(name));
    }
    return {};
  });
}

Result<iceberg::StringMap> PropertiesOf(const Json& json) {
  JsonCursor answer(json);
  MORAINE_ASSIGN(auto properties, answer.Find("properties"));
  if (!properties) return iceberg::StringMap();
  return iceberg::StringMapFromJson(*properties);
}

}  // namespace

RestCatalog::RestCatalog(std::unique_ptr<RestSession> session) : session_(std::move(session)) {}
RestCatalog::~RestCatalog() = default;

Result<std::unique_ptr<RestCatalog>> RestCatalog::Open(Call& call, net::HttpTransport& http,
                                                       RestCatalogOptions options) {
  MORAINE_ASSIGN(auto session,
                 RestSession::Open(call, http, options.uri, std::move(options.properties)));
  return std::unique_ptr<RestCatalog>(new RestCatalog(std::move(session)));
}

const iceberg::StringMap& RestCatalog::properties() const { return session_->properties(); }
const std::string& RestCatalog::uri() const { return session_->uri(); }

std::string RestCatalog::NamespacePath(const NamespaceName& ns) const {
  std::string levels;
  for (const auto& level : ns) {
    if (!levels.empty()) levels += session_->separator();
    levels += net::EncodePart(level);
  }
  return fmt::format("{}/namespaces/{}", session_->root(), levels);
}

std::string RestCatalog::TablePath(const TableName& name) const {
  return fmt::format("{}/tables/{}", NamespacePath(name.ns), net::EncodePart(name.name));
}

std::string RestCatalog::ViewPath(const TableName& name) const {
  return fmt::format("{}/views/{}", NamespacePath(name.ns), net::EncodePart(name.name));
}

Result<RestTablePtr> RestCatalog::LoadTable(Call& call, const TableName& name,
                                            const RestTablePtr& known) {
  MORAINE_TRY(CheckLevels(name.ns, session_->separator()));
  RestRequest request{.path = TablePath(name), .query = {{"snapshots", "all"}}};
  request.headers.Set("X-Iceberg-Access-Delegation", "vended-credentials");
  if (known && !known->etag.empty()) request.headers.Set("If-None-Match", known->etag);
  MORAINE_ASSIGN(auto answer, session_->Send(call, request));
  if (answer.status == 304 && known) return known;
  return ReadTable(name, answer, "GET " + session_->uri() + request.path);
}

Result<std::vector<NamespaceName>> RestCatalog::ListNamespaces(Call& call,
                                                               const NamespaceName& parent) {
  if (!session_->Offers(kNamespaces)) return NotOffered(session_->uri(), kNamespaces);
  RestRequest request{.path = session_->root() + "/namespaces"};
  if (!parent.empty()) {
    MORAINE_TRY(CheckLevels(parent, session_->separator()));
    MORAINE_ASSIGN(auto separator, net::DecodePart(session_->separator()));
    request.query.emplace_back("parent", fmt::format("{}", fmt::join(parent, separator)));
  }
  std::vector<NamespaceName> names;
  MORAINE_TRY(ReadPages(call, *session_, request, [&](const JsonCursor& page) -> Status {
    MORAINE_ASSIGN(auto list, page.Get("namespaces"));
    MORAINE_TRY(list.ExpectArray());
    for (size_t i = 0; i < list.size(); ++i) {
      MORAINE_ASSIGN(auto ns, NameFromJson(list.At(i)));
      names.push_back(std::move(ns));
    }
    return {};
  }));
  return names;
}

Result<std::vector<TableName>> RestCatalog::ListTables(Call& call, const NamespaceName& ns) {
  if (!session_->Offers(kTables)) return NotOffered(session_->uri(), kTables);
  MORAINE_TRY(CheckLevels(ns, session_->separator()));
  std::vector<TableName> names;
  RestRequest request{.path = NamespacePath(ns) + "/tables"};
  MORAINE_TRY(ReadNames(call, *session_, request, &names));
  return names;
}

Result<std::vector<TableName>> RestCatalog::ListViews(Call& call, const NamespaceName& ns) {
  std::vector<TableName> names;
  if (!session_->Offers(kViews)) return names;
  MORAINE_TRY(CheckLevels(ns, session_->separator()));
  RestRequest request{.path = NamespacePath(ns) + "/views"};
  MORAINE_TRY(ReadNames(call, *session_, request, &names));
  return names;
}

Result<iceberg::StringMap> RestCatalog::LoadNamespace(Call& call, const NamespaceName& ns) {
  MORAINE_TRY(CheckLevels(ns, session_->separator()));
  RestRequest request{.path = NamespacePath(ns)};
  const std::string what = "GET " + session_->uri() + request.path;
  MORAINE_ASSIGN(auto answer, session_->Send(call, request));
  MORAINE_ASSIGN(auto json, JsonOf(answer, what));
  auto properties = PropertiesOf(json);
  if (!properties.ok()) return Unreadable(properties.status(), what);
  return properties;
}

Result<std::string> RestCatalog::ViewMetadataLocation(Call& call, const TableName& name) {
  MORAINE_TRY(CheckLevels(name.ns, session_->separator()));
  RestRequest request{.path = ViewPath(name)};
  const std::string what = "GET " + session_->uri() + request.path;
  MORAINE_ASSIGN(auto answer, session_->Send(call, request));
  MORAINE_ASSIGN(auto json, JsonOf(answer, what));
  auto location = JsonCursor(json).String("metadata-location");
  if (!location.ok()) return Unreadable(location.status(), what);
  return location;
}

Status RestCatalog::RegisterView(Call& call, const TableName& name,
                                 const std::string& metadata_location) {
  if (!session_->Offers(kRegisterView)) return NotOffered(session_->uri(), kRegisterView);
  MORAINE_TRY(CheckLevels(name.ns, session_->separator()));
  RestRequest request{.ask = RestAsk::kCreate, .method = net::Method::kPost};
  request.path = NamespacePath(name.ns) + "/register-view";
  JsonWriter(&request.body)
      .BeginObject()
      .Field("name", name.name)
      .Field("metadata-location", metadata_location)
      .EndObject();
  return session_->Send(call, request).status();
}

Result<RestTablePtr> RestCatalog::Commit(Call& call, const RestTable& table,
                                         const iceberg::CommitRequest& request) {
  MORAINE_TRY(CheckLevels(table.name.ns, session_->separator()));
  RestRequest ask{.ask = RestAsk::kCommit, .method = net::Method::kPost};
  ask.path = TablePath(table.name);
  ask.body = CommitBody(table.name, request);
  ask.table_token = TokenOf(table);
  auto answer = session_->Send(call, ask);
  if (answer.status().code() == Code::kUnauthenticated && !ask.table_token.empty()) {
    // The table's own token has ended; a load without a tag brings a new one.
    MORAINE_ASSIGN(auto fresh, LoadTable(call, table.name, nullptr));
    if (TokenOf(*fresh) != ask.table_token) {
      ask.table_token = TokenOf(*fresh);
      answer = session_->Send(call, ask);
    }
  }
  Status problem = answer.status();
  if (answer.ok()) {
    auto read = ReadTable(table.name, *answer, "POST " + session_->uri() + ask.path);
    if (read.ok()) return read;
    // It said yes.
    problem = read.status().WithCode(Code::kCommitUnknown);
  }
  if (problem.code() != Code::kCommitUnknown) return problem;
  return Confirm(call, table, request, std::move(problem));
}

Result<RestTablePtr> RestCatalog::Confirm(Call& call, const RestTable& table,
                                          const iceberg::CommitRequest& request, Status unknown) {
  const auto* snapshot = AddedSnapshot(request);
  if (snapshot == nullptr) return unknown;
  const auto& metadata = *table.metadata;
  auto checks = std::clamp<int64_t>(metadata.IntProperty("commit.status-check.num-retries", 3), 0,
                                    kMostChecks);
  auto wait = std::clamp<int64_t>(metadata.IntProperty("commit.status-check.min-wait-ms", 1'000), 0,
                                  60'000);
  auto total = std::clamp<int64_t>(
      metadata.IntProperty("commit.status-check.total-timeout-ms", kConfirmMs), 0, kMostConfirmMs);
  // The commit may have taken all the time that it had.
  Call looking(call.env(), Millis(total), call.stop());
  looking.set_trace_id(call.trace_id());
  // A slow server may still be at it: not to be there once says little.
  for (int64_t i = 0; i <= checks; ++i) {
    if (i > 0) looking.clock().SleepFor(Millis(wait << (i - 1)), looking.stop());
    if (!looking.Check().ok()) break;
    auto loaded = LoadTable(looking, table.name, nullptr);
    if (loaded.ok() && (*loaded)->metadata->FindSnapshot(snapshot->snapshot_id) != nullptr) {
      return loaded;
    }
  }
  return unknown;
}

Status RestCatalog::CreateNamespace(Call& call, const NamespaceName& ns,
                                    const iceberg::StringMap& properties) {
  MORAINE_TRY(CheckLevels(ns, session_->separator()));
  RestRequest request{.ask = RestAsk::kCreate, .method = net::Method::kPost};
  request.path = session_->root() + "/namespaces";
  JsonWriter out(&request.body);
  out.BeginObject().Key("namespace");
  WriteLevels(ns, &out);
  out.Key("properties");
  iceberg::WriteStringMap(properties, &out);
  out.EndObject();
  return session_->Send(call, request).status();
}

Result<RestTablePtr> RestCatalog::RegisterTable(Call& call, const TableName& name,
                                                const std::string& metadata_location) {
  MORAINE_TRY(CheckLevels(name.ns, session_->separator()));
  RestRequest request{.ask = RestAsk::kCreate, .method = net::Method::kPost};
  request.path = NamespacePath(name.ns) + "/register";
  JsonWriter(&request.body)
      .BeginObject()
      .Field("name", name.name)
      .Field("metadata-location", metadata_location)
      .EndObject();
  MORAINE_ASSIGN(auto answer, session_->Send(call, request));
  return ReadTable(name, answer, "POST " + session_->uri() + request.path);
}

Result<RestTablePtr> RestCatalog::MakeTable(Call& call, const CreateTable& creation) {
  MORAINE_TRY(CheckLevels(creation.name.ns, session_->separator()));
  RestRequest request{.ask = RestAsk::kCreate, .method = net::Method::kPost};
  request.path = NamespacePath(creation.name.ns) + "/tables";
  request.headers.Set("X-Iceberg-Access-Delegation", "vended-credentials");
  request.body = CreateBody(creation);
  MORAINE_ASSIGN(auto answer, session_->Send(call, request));
  return ReadTable(creation.name, answer, "POST " + session_->uri() + request.path);
}

Status RestCatalog::DropTable(Call& call, const TableName& name, Purge purge) {
  MORAINE_TRY(CheckLevels(name.ns, session_->separator()));
  RestRequest request{.method = net::Method::kDelete, .path = TablePath(name)};
  request.query = {{"purgeRequested", purge == Purge::kYes ? "true" : "false"}};
  return session_->Send(call, request).status();
}

iceberg::StringMap FileProperties(const iceberg::StringMap& catalog, const RestTable& table,
                                  std::string_view location) {
  iceberg::StringMap lent = table.config;
  const StorageCredential* nearest = nullptr;
  for (const auto& credential : table.credentials) {
    bool longer = nearest == nullptr || credential.prefix.size() > nearest->prefix.size();
    if (location.starts_with(credential.prefix) && longer) nearest = &credential;
  }
  if (nearest != nullptr) io::OverlayStorageProperties(nearest->config, &lent);
  iceberg::StringMap properties = catalog;
  io::OverlayStorageProperties(io::LentProperties(std::move(lent), catalog, false), &properties);
  return properties;
}

}  // namespace moraine::catalog
