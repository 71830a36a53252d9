#pragma once
// Keys that clients give to requests which they may send again (REST spec, "Idempotency-Key"): the
// row of a key is written in the very transaction of the change that it stands for, so a change and
// the memory of it are there together or not at all. Whoever comes second finds the row, changes
// nothing, and is answered from it. Between servers the unique row decides who was first.
//
// rest opens a Scope around what it runs for such a request; the catalog's changes
// (State::Mutate) end with Seal.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/key_metrics.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

/// What a change leaves behind, from which its answer can be made again.
struct Receipt {
  int64_t tabular_id = 0;         ///< 0: none
  std::string metadata_location;  ///< of the table or view as the answer showed it
  std::string answer;             ///< a small answer that can't be made again
};

/// A request under its key.
struct KeyedRequest {
  std::string key;        ///< a UUID, lower case
  std::string principal;  ///< who sent it: others with the same key are strangers to it
  std::string route;      ///< method and path, for people
  std::string digest;     ///< of all that it asks for
};

/// How a request ended.
struct KeptAnswer {
  std::string digest;
  int status = 200;
  Receipt receipt;
};

/// Thread-safe.
class RequestKeys {
 public:
  /// metrics null: nothing is counted.
  RequestKeys(store::Database& database, Metrics* metrics);

  /// Makes the table of the store.
  Status Open(Call& call);

  /// While it lives, every change that the catalog makes for this very call keeps the answer
  /// `status` under the request's key, in the change's transaction. A copy of the call is another
  /// call.
  class Scope {
   public:
    Scope(RequestKeys& keys, Call& call, const KeyedRequest& request, int status);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    /// Whether the last change that was tried wrote the row. It counts if the change stands.
    bool sealed() const { return sealed_; }

   private:
    friend class RequestKeys;
    RequestKeys& keys_;
    const Call* const call_;
    const KeyedRequest& request_;
    const int status_;
    bool sealed_ = false;
  };

  /// Whether the call has a scope.
  bool Keeps(const Call& call) { return ScopeOf(call) != nullptr; }
  /// Inside the transaction of a change, at its end: writes the row if the call has a scope.
  /// Unavailable when the key is taken: then nothing of the change may stay.
  Status Seal(Call& call, store::Transaction& t, const Receipt& receipt);
  /// The transaction that Seal was part of is gone for certain.
  void Unseal(const Call& call);

  /// What is kept under the key, also of a request that asked for something else.
  Result<std::optional<KeptAnswer>> Find(Call& call, const KeyedRequest& request);
  /// Keeps an answer that changed nothing. AlreadyExists: one is kept already.
  Status Keep(Call& call, const KeyedRequest& request, int status, const Receipt& receipt);
  /// Forgets what was kept before that time, a part at a time.
  Status Trim(Call& call, int64_t before_ms);

  KeyMetrics& metrics() { return metrics_; }

 private:
  Scope* ScopeOf(const Call& call);
  Status Insert(Call& call, store::Transaction& t, const KeyedRequest& request, int status,
                const Receipt& receipt);

  store::Database& database_;
  KeyMetrics metrics_;
  std::mutex mutex_;
  std::unordered_map<const Call*, Scope*> scopes_;  // under mutex_
};

}  // namespace moraine::catalog
