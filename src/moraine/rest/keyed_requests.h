#pragma once
// What an Idempotency-Key means for a request (REST spec, "Idempotency-Key"), apart from running
// it: reading the header, telling requests apart, keeping those with one key one after the other in
// this process. Used by Service; what is kept of a key is the catalog's (catalog/request_keys.h).

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/request_keys.h"
#include "moraine/net/http.h"

namespace moraine::rest {

/// Whether the request has a key at all, good or bad.
bool HasKey(const net::Request& request);
/// InvalidArgument naming the header if it is there twice or no UUID.
Result<catalog::KeyedRequest> KeyOf(const Call& call, const net::Request& request);
/// Whether a failure would come again however often the same is asked: such an answer is kept.
bool IsFinal(const Status& status);
/// "PT30M".
std::string IsoDuration(Millis duration);

/// The keys that requests of this process are at work for. Thread-safe.
class KeysAtWork {
 public:
  /// Held while a key's request is run.
  class Turn {
   public:
    Turn(KeysAtWork& keys, std::string id) : keys_(&keys), id_(std::move(id)) {}
    Turn(Turn&& other) noexcept
        : keys_(std::exchange(other.keys_, nullptr)), id_(std::move(other.id_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (keys_ != nullptr) keys_->Leave(id_);
    }

   private:
    KeysAtWork* keys_;
    std::string id_;
  };

  /// Nothing if another request has the turn.
  std::optional<Turn> Enter(const std::string& id);
  /// Wakes it when the turn is free: at once, perhaps.
  void Watch(const std::string& id, std::shared_ptr<net::Waiter> waiter);

 private:
  void Leave(const std::string& id);

  std::mutex mutex_;
  /// Who waits for each; under mutex_.
  std::unordered_map<std::string, std::vector<std::shared_ptr<net::Waiter>>> waiters_;
};

}  // namespace moraine::rest
