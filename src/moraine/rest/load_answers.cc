#include "moraine/rest/load_answers.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/net/response_head.h"
#include "moraine/rest/request_parts.h"

namespace moraine::rest {
namespace {

/// Headers, keys and what else an entry costs beside its bodies.
constexpr size_t kEntryBytes = 1 << 10;

/// The pattern of the route, with or without a prefix.
std::string RouteOf(const net::Request& request, const std::string& base_path) {
  constexpr std::string_view kPattern = "/namespaces/{namespace}/tables/{table}";
  bool with_prefix = !request.path.starts_with(base_path + "/namespaces/");
  return fmt::format("{}{}{}", base_path, with_prefix ? "/{prefix}" : "", kPattern);
}

net::Response NotModified(std::string_view tag, std::string_view route) {
  net::Response response = net::Response::Empty(304);
  response.route = route;
  response.headers.Add("ETag", fmt::format("\"{}\"", tag));
  return response;
}

}  // namespace

std::optional<std::string> LoadAnswers::KeyOf(const net::Request& request) {
  if (request.query.empty()) return request.path;
  if (request.query.size() > 1 || request.query[0].first != "snapshots") return std::nullopt;
  const std::string& mode = request.query[0].second;
  if (mode == "all" || mode.empty()) return request.path;
  if (mode == "refs") return request.path + "?refs";
  return std::nullopt;
}

std::optional<net::Answer> LoadAnswers::Find(const net::Request& request) {
  auto key = KeyOf(request);
  if (!key) return std::nullopt;
  ResponsePtr answer;
  std::string metadata_location;
  std::optional<catalog::KnownRow> unsure;
  {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(*key);
    if (found == entries_.end()) return std::nullopt;
    Entry& entry = found->second;
    if (entry.current != nullptr && !entry.current->load()) {
      Forget(found);
      return std::nullopt;
    }
    auto known = request.headers.Get("If-None-Match");
    bool is_same = known && MatchesEtag(*known, entry.tag);
    answer = is_same ? entry.same : net::AcceptsGzip(request.headers) ? entry.gzip : entry.plain;
    if (answer == nullptr) return std::nullopt;
    metadata_location = entry.metadata_location;
    if (entry.current == nullptr) unsure = entry.row;
    recent_.splice(recent_.begin(), recent_, entry.place);
  }
  if (unsure) return AskFirst(*unsure, std::move(metadata_location), std::move(answer));
  if (!catalog::MetadataFileIsThere(metadata_location)) return std::nullopt;
  return *answer;
}

std::optional<net::Answer> LoadAnswers::AskFirst(const catalog::KnownRow& row,
                                                 std::string metadata_location,
                                                 ResponsePtr answer) {
  auto same = std::make_shared<std::atomic<bool>>(false);
  auto later = std::make_shared<net::Later>();
  later->until = MonoTime::max();  // the catalog always answers
  later->on_parked = [this, row, same](std::shared_ptr<net::Waiter> waiter) {
    catalog_.AskWhetherSame(row, [same, waiter = std::move(waiter)](bool is_same) {
      same->store(is_same);
      waiter->Wake();
    });
  };
  later->ready = [same, metadata_location = std::move(metadata_location),
                  answer = std::move(answer)]() -> std::optional<net::Response> {
    if (!same->load() || !catalog::MetadataFileIsThere(metadata_location)) return std::nullopt;
    return *answer;
  };
  return later;
}

net::Response LoadAnswers::Keep(const net::Request& request, const std::string& base_path,
                                const catalog::LoadedTable& table, const std::string& tag,
                                const std::function<net::Response()>& make) {
  const std::string route = RouteOf(request, base_path);
  auto known = request.headers.Get("If-None-Match");
  const bool is_same = known && MatchesEtag(*known, tag);
  const bool takes_gzip = net::AcceptsGzip(request.headers);
  net::Response answer = is_same ? NotModified(tag, route) : make();
  // Here and not where it is sent: so that it is done once.
  net::CompressResponse(request, gzip_threshold_bytes_, &answer);
  answer.compression = net::Response::Compression::kNever;
  answer.route = route;
  auto key = request.method == net::Method::kGet ? KeyOf(request) : std::nullopt;
  const size_t bytes = answer.BodySize();
  if (!key || bytes > limit_bytes_ / 4) return answer;
  auto kept = std::make_shared<const net::Response>(answer);
  std::lock_guard lock(mutex_);
  Entry* entry = Fresh(std::move(*key), table, tag, route);
  ResponsePtr& slot = is_same ? entry->same : takes_gzip ? entry->gzip : entry->plain;
  if (slot != nullptr) return answer;
  slot = std::move(kept);
  entry->bytes += bytes;
  bytes_ += bytes;
  while (bytes_ > limit_bytes_ && recent_.size() > 1) Forget(entries_.find(recent_.back()));
  return answer;
}

/// The entry of this very version, without answers if it is new.
LoadAnswers::Entry* LoadAnswers::Fresh(std::string key, const catalog::LoadedTable& table,
                                       const std::string& tag, const std::string& route) {
  auto found = entries_.find(key);
  if (found != entries_.end() && found->second.current == table.current &&
      found->second.row.id == table.table_id && found->second.row.version == table.version) {
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return &found->second;
  }
  if (found != entries_.end()) Forget(found);
  const size_t key_bytes = 2 * key.size();
  recent_.push_front(key);
  Entry entry;
  entry.current = table.current;
  entry.row = {table.table_id, table.version, table.warehouse_id, table.name};
  entry.metadata_location = table.metadata_location;
  entry.tag = tag;
  entry.same = std::make_shared<const net::Response>(NotModified(tag, route));
  entry.bytes = kEntryBytes + key_bytes;
  entry.place = recent_.begin();
  bytes_ += entry.bytes;
  return &entries_.emplace(std::move(key), std::move(entry)).first->second;
}

void LoadAnswers::Forget(Entries::iterator entry) {
  bytes_ -= entry->second.bytes;
  recent_.erase(entry->second.place);
  entries_.erase(entry);
}

}  // namespace moraine::rest
