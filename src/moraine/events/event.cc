#include "moraine/events/event.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::events {
namespace {

using catalog::NamespaceName;
using catalog::TableChange;
using catalog::TableName;

constexpr std::pair<std::string_view, std::string_view> kVerbs[] = {
    {"create", "created"},      {"commit", "committed"},
    {"rename", "renamed"},      {"drop", "dropped"},
    {"register", "registered"}, {"update", "updated"},
    {"undrop", "undropped"},    {"purge", "purged"},
    {"protect", "protected"},   {"unregister", "unregistered"},
    {"rollback", "rolled-back"}};

/// "view-create" is "view.created"; what this version does not know stays as it is.
std::string TypeOf(std::string_view kind) {
  std::string_view noun = "table";
  for (std::string_view other : {"view", "namespace"}) {
    if (!kind.starts_with(other) || !kind.substr(other.size()).starts_with("-")) continue;
    noun = other;
    kind.remove_prefix(other.size() + 1);
    break;
  }
  const auto* verb = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                  [&](const auto& known) { return known.first == kind; });
  return fmt::format("{}.{}", noun, verb == std::end(kVerbs) ? kind : verb->second);
}

/// As the paths of the management API: "warehouses/default/namespaces/a%1Fb/tables/t".
std::string SubjectOf(const Event& event) {
  std::string subject = fmt::format("warehouses/{}", net::EncodePart(event.warehouse));
  if (event.name.ns.empty()) return subject;
  subject += "/namespaces/" + net::EncodePart(fmt::format("{}", fmt::join(event.name.ns, "\x1f")));
  if (event.name.name.empty()) return subject;
  std::string_view noun = event.type.starts_with("view.") ? "views" : "tables";
  return subject + fmt::format("/{}/{}", noun, net::EncodePart(event.name.name));
}

void WriteName(const TableName& name, JsonWriter* out) {
  out->Key("namespace").BeginArray();
  for (const auto& level : name.ns) out->String(level);
  out->EndArray();
  if (!name.name.empty()) out->Field("name", name.name);
}

struct Frame {
  std::string_view id;
  std::string_view source;
  std::string_view type;
  std::string_view subject;
  WallTime time;
};

/// Opens the event and its data; the caller closes both.
void BeginEvent(const Frame& frame, JsonWriter* out) {
  out->BeginObject()
      .Field("specversion", "1.0")
      .Field("id", frame.id)
      .Field("source", frame.source)
      .Field("type", fmt::format("{}{}", kTypePrefix, frame.type));
  if (!frame.subject.empty()) out->Field("subject", frame.subject);
  out->Field("time", FormatTime(frame.time))
      .Field("datacontenttype", "application/json")
      .Key("data")
      .BeginObject();
}

void WriteData(const TableChange& change, JsonWriter* out) {
  const auto& detail = change.detail;
  out->Field("sequence", change.feed_seq);
  if (!change.warehouse.empty()) out->Field("warehouse", change.warehouse);
  if (!detail.name.ns.empty()) WriteName(detail.name, out);
  if (detail.renamed_from) {
    out->Key("renamed-from").BeginObject();
    WriteName(*detail.renamed_from, out);
    out->EndObject();
  }
  if (change.table_id == 0) return;
  out->Field("id", change.table_id);
  if (!detail.uuid.empty()) out->Field("uuid", detail.uuid);
  out->Field("version", change.version);
  if (change.snapshot_id != iceberg::kNoSnapshot) out->Field("snapshot-id", change.snapshot_id);
  if (!detail.operation.empty()) out->Field("operation", detail.operation);
  const std::string& location =
      change.metadata_location.empty() ? detail.last_metadata_location : change.metadata_location;
  if (!location.empty()) out->Field("metadata-location", location);
  if (detail.purge_requested) out->Field("purge-requested", *detail.purge_requested);
}

bool IsIn(const NamespaceName& ns, const NamespaceName& outer) {
  return ns.size() >= outer.size() && std::equal(outer.begin(), outer.end(), ns.begin());
}

bool TypeFits(std::string_view pattern, std::string_view type) {
  if (!pattern.ends_with('*')) return pattern == type;
  return type.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool NameFits(const EventFilter& filter, const TableName& name) {
  if (!filter.table.empty()) return name.ns == filter.ns && name.name == filter.table;
  return IsIn(name.ns, filter.ns);
}

}  // namespace

Event MakeEvent(const TableChange& change, std::string_view source) {
  Event event;
  event.sequence = change.feed_seq;
  event.type = TypeOf(change.kind);
  event.warehouse = change.warehouse;
  event.name = change.detail.name;
  event.renamed_from = change.detail.renamed_from;
  std::string id = std::to_string(change.feed_seq);
  std::string subject = SubjectOf(event);
  JsonWriter out(&event.json);
  BeginEvent({.id = id,
              .source = source,
              .type = event.type,
              .subject = subject,
              .time = FromMillis(change.changed_ms)},
             &out);
  WriteData(change, &out);
  out.EndObject().EndObject();
  return event;
}

std::string LostNotice(std::string_view source, int64_t first, int64_t last, WallTime now) {
  std::string id = fmt::format("lost-{}-{}", first, last);
  std::string text;
  JsonWriter out(&text);
  BeginEvent({.id = id, .source = source, .type = "events.lost", .subject = {}, .time = now}, &out);
  out.Field("first", first)
      .Field("last", last)
      .Field("message",
             "these events were removed before they could be delivered: read the state "
             "of namespaces and tables anew")
      .EndObject()
      .EndObject();
  return text;
}

std::string TestNotice(std::string_view source, std::string_view webhook, std::string_view id,
                       WallTime now) {
  std::string text;
  JsonWriter out(&text);
  BeginEvent({.id = id, .source = source, .type = "webhook.test", .subject = {}, .time = now},
             &out);
  out.Field("webhook", webhook).EndObject().EndObject();
  return text;
}

bool EventFilter::Matches(const Event& event) const {
  if (!types.empty() && std::none_of(types.begin(), types.end(), [&](const auto& pattern) {
        return TypeFits(pattern, event.type);
      })) {
    return false;
  }
  if (!warehouse.empty() && warehouse != event.warehouse) return false;
  return NameFits(*this, event.name) ||
         (event.renamed_from && NameFits(*this, *event.renamed_from));
}

Result<std::vector<std::string>> TypesFrom(const std::vector<std::string>& texts) {
  constexpr std::string_view kNouns[] = {"table.", "view.", "namespace."};
  std::vector<std::string> types;
  for (std::string_view text : texts) {
    std::string_view type = Trim(text);
    if (type.empty()) continue;
    if (type.starts_with(kTypePrefix)) type.remove_prefix(kTypePrefix.size());
    bool known = type == "*" || std::any_of(std::begin(kNouns), std::end(kNouns), [&](auto noun) {
                   return type.starts_with(noun) && type.size() > noun.size();
                 });
    size_t star = type.find('*');
    if (!known || (star != type.npos && star + 1 != type.size())) {
      return InvalidArgument(fmt::format(
          "types: expected such as table.committed, view.* or namespace.created, got '{}'", text));
    }
    types.emplace_back(type);
  }
  return types;
}

Status CheckFilter(const EventFilter& filter) {
  if (!filter.table.empty() && filter.ns.empty())
    return InvalidArgument("table: needs the namespace as well");
  if (!filter.ns.empty() && filter.warehouse.empty())
    return InvalidArgument("namespace: needs the warehouse as well");
  return {};
}

std::string ToText(const EventFilter& filter) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("types").BeginArray();
  for (const auto& type : filter.types) out.String(type);
  out.EndArray().Field("warehouse", filter.warehouse).Key("namespace").BeginArray();
  for (const auto& level : filter.ns) out.String(level);
  out.EndArray().Field("table", filter.table).EndObject();
  return text;
}

Result<EventFilter> FilterFromText(const std::string& text) {
  MORAINE_ASSIGN(auto document, Json::Parse(text));
  JsonCursor json(document);
  EventFilter filter;
  MORAINE_ASSIGN(auto types, json.Get("types"));
  for (size_t i = 0; i < types.size(); ++i) {
    MORAINE_ASSIGN(auto type, types.At(i).String());
    filter.types.push_back(std::move(type));
  }
  MORAINE_ASSIGN(filter.warehouse, json.String("warehouse"));
  MORAINE_ASSIGN(auto ns, json.Get("namespace"));
  for (size_t i = 0; i < ns.size(); ++i) {
    MORAINE_ASSIGN(auto level, ns.At(i).String());
    filter.ns.push_back(std::move(level));
  }
  MORAINE_ASSIGN(filter.table, json.String("table"));
  return filter;
}

}  // namespace moraine::events
