#include "moraine/rest/request_parts.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::rest {
namespace {

constexpr size_t kDefaultPageSize = 1'000;
constexpr int64_t kMaxPageSize = 10'000;
constexpr size_t kMaxListingBytes = 64 << 20;

/// Where the next "%1F" (or "%1f") begins, or npos.
size_t FindSeparator(std::string_view raw, size_t from) {
  return std::min(raw.find("%1F", from), raw.find("%1f", from));
}

}  // namespace

Result<catalog::NamespaceName> NamespaceFromPath(std::string_view raw) {
  catalog::NamespaceName name;
  for (size_t from = 0;;) {
    size_t end = FindSeparator(raw, from);
    MORAINE_ASSIGN(auto level, net::DecodePart(raw.substr(from, end - from)));
    if (level.empty()) return InvalidArgument("namespace: a level of the path is empty");
    name.push_back(std::move(level));
    if (end == raw.npos) return name;
    from = end + 3;
  }
}

Result<catalog::NamespaceName> NamespaceFromQuery(std::string_view text) {
  catalog::NamespaceName name;
  if (text.empty()) return name;
  for (std::string_view level : Split(text, '\x1f')) {
    if (level.empty()) return InvalidArgument("parent: a level is empty");
    name.emplace_back(level);
  }
  return name;
}

Result<catalog::NamespaceName> NamespaceFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  catalog::NamespaceName name;
  for (size_t i = 0; i < json.size(); ++i) {
    MORAINE_ASSIGN(auto level, json.At(i).String());
    if (level.empty()) return json.At(i).Expected("a level that is not empty");
    name.push_back(std::move(level));
  }
  if (name.empty()) return json.Expected("at least one level");
  return name;
}

Result<catalog::TableName> TableNameFromJson(const JsonCursor& json) {
  catalog::TableName name;
  MORAINE_ASSIGN(auto ns, json.Get("namespace"));
  MORAINE_ASSIGN(name.ns, NamespaceFromJson(ns));
  MORAINE_ASSIGN(name.name, json.String("name"));
  if (name.name.empty()) return json.Error("name is empty");
  return name;
}

Status CheckIdentifier(const JsonCursor& body, const catalog::TableName& named,
                       std::string_view what) {
  MORAINE_ASSIGN(auto identifier, body.Find("identifier"));
  if (!identifier) return {};
  MORAINE_ASSIGN(auto name, TableNameFromJson(*identifier));
  if (name == named) return {};
  return identifier->Error(fmt::format("names another {} than the path", what));
}

Result<Json> ObjectFromBody(const net::Request& request) {
  auto json = Json::Parse(request.body);
  if (!json.ok()) return std::move(json).status().Annotate("body");
  if (!json->is_object()) return InvalidArgument("body: expected a JSON object");
  return json;
}

Result<RenameNames> RenameFromBody(const net::Request& request) {
  MORAINE_ASSIGN(auto json, ObjectFromBody(request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto source, body.Get("source"));
  MORAINE_ASSIGN(auto destination, body.Get("destination"));
  RenameNames names;
  MORAINE_ASSIGN(names.source, TableNameFromJson(source));
  MORAINE_ASSIGN(names.destination, TableNameFromJson(destination));
  return names;
}

Result<PageWish> PageFromQuery(const net::Request& request) {
  PageWish wish;
  wish.page.size = kDefaultPageSize;
  if (auto token = request.Query("pageToken")) {
    wish.everything = false;
    wish.page.token = std::string(*token);
  }
  if (auto size = request.Query("pageSize")) {
    auto number = ParseInt64(*size);
    if (!number.ok() || *number < 1) {
      return InvalidArgument(
          fmt::format("pageSize: expected a number of at least 1, got '{}'", size->substr(0, 40)));
    }
    wish.page.size = static_cast<size_t>(std::min(*number, kMaxPageSize));
  }
  return wish;
}

Status CheckListing(const std::string& body) {
  if (body.size() <= kMaxListingBytes) return {};
  return InvalidArgument(fmt::format("the list is longer than {} bytes: ask for pages (pageToken=)",
                                     kMaxListingBytes));
}

catalog::StorageWish WishOf(const net::Request& request) {
  catalog::StorageWish wish;
  auto header = request.headers.Get("X-Iceberg-Access-Delegation");
  if (!header) return wish;
  for (std::string_view item : Split(*header, ',')) {
    std::string name = ToLowerAscii(Trim(item));
    wish.credentials = wish.credentials || name == "vended-credentials";
    wish.signing = wish.signing || name == "remote-signing";
  }
  return wish;
}

bool MatchesEtag(std::string_view if_none_match, std::string_view tag) {
  for (std::string_view item : Split(if_none_match, ',')) {
    item = Trim(item);
    if (item == "*") return true;
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item.size() >= 2 && item.front() == '"' && item.back() == '"') {
      item = item.substr(1, item.size() - 2);
    }
    if (item == tag) return true;
  }
  return false;
}

}  // namespace moraine::rest
