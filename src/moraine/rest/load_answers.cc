#include "moraine/rest/load_answers.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/net/response_head.h"
#include "moraine/rest/request_parts.h"

namespace moraine::rest {
namespace {

/// Headers, keys and what else an entry costs beside its bodies.
constexpr size_t kEntryBytes = 1 << 10;

net::Response NotModified(const AnswerBasis& basis) {
  net::Response response = net::Response::Empty(304);
  response.route = basis.route;
  response.headers.Add("ETag", fmt::format("\"{}\"", basis.tag));
  return response;
}

}  // namespace

std::string LoadRoute(const net::Request& request, const std::string& base_path,
                      std::string_view what) {
  bool with_prefix = !request.path.starts_with(base_path + "/namespaces/");
  return fmt::format("{}{}/namespaces/{{namespace}}/{}", base_path, with_prefix ? "/{prefix}" : "",
                     what);
}

std::optional<LoadAnswers::Key> LoadAnswers::KeyOf(const net::Request& request) {
  Key key{request.path};  // holds no '?'
  if (!request.query.empty()) {
    if (request.query.size() > 1 || request.query[0].first != "snapshots") return std::nullopt;
    const std::string& mode = request.query[0].second;
    if (mode == "refs") {
      key.text += "?refs";
    } else if (mode != "all" && !mode.empty()) {
      return std::nullopt;
    }
  }
  catalog::StorageWish wish = WishOf(request);
  key.asks_for_access = wish.any();
  if (wish.credentials) key.text += "?credentials";
  if (wish.signing) key.text += "?signing";
  return key;
}

std::optional<net::Answer> LoadAnswers::Find(const net::Request& request) {
  auto key = KeyOf(request);
  if (!key) return std::nullopt;
  catalog::Catalog::WarehousesNow now;
  if (key->asks_for_access) {
    now = catalog_.KnownWarehouses();
    if (now.all == nullptr) return std::nullopt;  // somebody has to read them
  }
  ResponsePtr answer;
  std::string metadata_location;
  std::optional<catalog::KnownRow> unsure;
  {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(key->text);
    if (found == entries_.end()) return std::nullopt;
    Entry& entry = found->second;
    const AnswerBasis& basis = entry.basis;
    const bool is_over =
        key->asks_for_access && (entry.warehouses.lock() != now.all ||
                                 (basis.expires_ms && *basis.expires_ms <= now.at_ms));
    if (is_over || (basis.current != nullptr && !basis.current->load())) {
      Forget(found);
      return std::nullopt;
    }
    auto known = request.headers.Get("If-None-Match");
    bool is_same = entry.same != nullptr && known && MatchesEtag(*known, basis.tag);
    answer = is_same ? entry.same : net::AcceptsGzip(request.headers) ? entry.gzip : entry.plain;
    if (answer == nullptr) return std::nullopt;
    metadata_location = basis.metadata_location;
    if (basis.current == nullptr) unsure = basis.row;
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

net::Response LoadAnswers::Keep(const net::Request& request, const AnswerBasis& basis,
                                const std::function<net::Response()>& make) {
  auto known = request.headers.Get("If-None-Match");
  const bool is_same = !basis.tag.empty() && known && MatchesEtag(*known, basis.tag);
  const bool takes_gzip = net::AcceptsGzip(request.headers);
  net::Response answer = is_same ? NotModified(basis) : make();
  // Here and not where it is sent: so that it is done once.
  net::CompressResponse(request, gzip_threshold_bytes_, &answer);
  answer.compression = net::Response::Compression::kNever;
  answer.route = basis.route;
  auto key = request.method == net::Method::kGet ? KeyOf(request) : std::nullopt;
  const size_t bytes = answer.BodySize();
  if (!key || bytes > limit_bytes_ / 4) return answer;
  if (key->asks_for_access && basis.warehouses == nullptr) return answer;
  auto kept = std::make_shared<const net::Response>(answer);
  std::lock_guard lock(mutex_);
  Entry* entry = Fresh(key->text, basis);
  ResponsePtr& slot = is_same ? entry->same : takes_gzip ? entry->gzip : entry->plain;
  if (slot != nullptr) return answer;
  slot = std::move(kept);
  entry->bytes += bytes;
  bytes_ += bytes;
  while (bytes_ > limit_bytes_ && recent_.size() > 1) Forget(entries_.find(recent_.back()));
  return answer;
}

/// The entry of this very basis, without answers if it is new.
LoadAnswers::Entry* LoadAnswers::Fresh(const std::string& key, const AnswerBasis& basis) {
  auto found = entries_.find(key);
  if (found != entries_.end()) {
    Entry& entry = found->second;
    if (entry.basis.current == basis.current && entry.basis.row.id == basis.row.id &&
        entry.basis.row.version == basis.row.version &&
        entry.warehouses.lock() == basis.warehouses) {
      recent_.splice(recent_.begin(), recent_, entry.place);
      return &entry;
    }
    Forget(found);
  }
  recent_.push_front(key);
  Entry entry;
  entry.basis = basis;
  entry.basis.warehouses = nullptr;
  entry.warehouses = basis.warehouses;
  if (!basis.tag.empty()) entry.same = std::make_shared<const net::Response>(NotModified(basis));
  entry.bytes = kEntryBytes + 2 * key.size();
  entry.place = recent_.begin();
  bytes_ += entry.bytes;
  return &entries_.emplace(key, std::move(entry)).first->second;
}

void LoadAnswers::Forget(Entries::iterator entry) {
  bytes_ -= entry->second.bytes;
  recent_.erase(entry->second.place);
  entries_.erase(entry);
}

}  // namespace moraine::rest
