#pragma once
// Answers to loads of tables and views, ready to be sent again: compressed if need be, with their
// tag. As long as the row is known to be the same (LoadedTable::current), they are given on the I/O
// thread, without a thread of the pool, the store, or a look into the metadata file; only that it
// is still there is asked, where it is local. Where the store has to be asked for the row, the
// request is parked until it is, together with others (Catalog::AskWhetherSame). They depend on the
// path, the snapshots asked for, what encoding the client takes and what access it asks for; with
// the latter they hold only as long as the warehouses are what they were, and no longer than the
// keys that they tell. An answer that depends on more (rights of who asks) must not be kept.
// Bounded in bytes, the least lately used go.

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "moraine/catalog/catalog.h"
#include "moraine/net/http.h"

namespace moraine::rest {

/// What the answer to a load was made of: it is right as long as all of this is.
struct AnswerBasis {
  catalog::KnownRow row;
  std::shared_ptr<const std::atomic<bool>> current;  ///< null: row is to be asked for
  std::string metadata_location;
  std::string tag;                    ///< the ETag without quotes; empty: there is no 304
  std::string route;                  ///< the pattern, for metrics
  catalog::WarehousesPtr warehouses;  ///< where access is asked for; null: it is not kept then
  std::optional<int64_t> expires_ms;  ///< of the keys told
};

/// The pattern of a load's route, with or without a prefix. what: "tables/{table}".
std::string LoadRoute(const net::Request& request, const std::string& base_path,
                      std::string_view what);

/// Thread-safe.
class LoadAnswers {
 public:
  LoadAnswers(catalog::Catalog& catalog, size_t limit_bytes, size_t gzip_threshold_bytes)
      : catalog_(catalog), limit_bytes_(limit_bytes), gzip_threshold_bytes_(gzip_threshold_bytes) {}

  /// The answer to this request (a GET), if it is kept and still right, or will be once the store
  /// says so. Does not block.
  std::optional<net::Answer> Find(const net::Request& request);
  /// Makes the answer as its client takes it, and keeps it: what make gives, or 304 where the
  /// client has the tag already.
  net::Response Keep(const net::Request& request, const AnswerBasis& basis,
                     const std::function<net::Response()>& make);

 private:
  using ResponsePtr = std::shared_ptr<const net::Response>;
  struct Key {
    std::string text;
    bool asks_for_access = false;
  };
  struct Entry {
    AnswerBasis basis;  ///< without the warehouses, whose memory others shall free
    std::weak_ptr<const catalog::Warehouses> warehouses;
    ResponsePtr same;         ///< 304
    ResponsePtr plain, gzip;  ///< either may be missing
    size_t bytes = 0;
    std::list<std::string>::iterator place;
  };
  using Entries = std::unordered_map<std::string, Entry>;

  /// What names the answer; nullopt for queries with more than the snapshots.
  static std::optional<Key> KeyOf(const net::Request& request);
  std::optional<net::Answer> AskFirst(const catalog::KnownRow& row, std::string metadata_location,
                                      ResponsePtr answer);
  /// With mutex_, both.
  Entry* Fresh(const std::string& key, const AnswerBasis& basis);
  void Forget(Entries::iterator entry);

  catalog::Catalog& catalog_;
  const size_t limit_bytes_;
  const size_t gzip_threshold_bytes_;
  std::mutex mutex_;
  size_t bytes_ = 0;
  std::list<std::string> recent_;
  Entries entries_;
};

}  // namespace moraine::rest
