#pragma once
// Counts finished HTTP requests by route, method and status. On the way of every request, so a
// series is looked up by a hash of what the record says and its handle is kept.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "moraine/base/metrics.h"
#include "moraine/net/http_server.h"

namespace moraine::server {

/// Thread-safe.
class RequestMetrics {
 public:
  explicit RequestMetrics(Metrics& metrics);

  /// reason: one of net::kRefusalReasons.
  void CountRefusal(std::string_view reason) { refusals_.With({reason}).Add(); }
  /// Some hundred nanoseconds; blocks only for another who counts.
  void Count(const net::RequestRecord& record);

 private:
  struct Key {
    std::string_view route;
    net::Method method;
    int status;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  struct Series {
    std::unique_ptr<const std::string> route;  ///< what the key's text views
    Counter count;
    Histogram duration;
  };

  /// With mutex_.
  Series& Find(const net::RequestRecord& record);

  CounterFamily& requests_;
  HistogramFamily& duration_;
  CounterFamily& refusals_;
  Counter request_bytes_;
  Counter response_bytes_;
  std::mutex mutex_;
  std::unordered_map<Key, Series, Hash> series_;
};

}  // namespace moraine::server
