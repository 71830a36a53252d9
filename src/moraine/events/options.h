#pragma once
// What may be set of events: server settings lead here.

#include <cstddef>
#include <string>
#include <vector>

#include "moraine/base/clock.h"

namespace moraine {
class Metrics;
}

namespace moraine::events {

struct Options {
  std::string source = "/moraine";     ///< a URI reference that names this catalog in events
  Millis retention{7LL * 86'400'000};  ///< of the feed; and how far a webhook may lag
  Millis poll_interval{1'000};         ///< how often changes by other servers are looked for
  Millis heartbeat{15'000};            ///< of streams on which nothing happens
  size_t max_streams = 200;

  /// Hosts to which events may be sent: "host", "host:port", "*.example.com".
  std::vector<std::string> allowed_hosts = {"localhost", "127.0.0.1", "::1"};
  size_t max_webhooks = 200;
  size_t delivery_threads = 4;
  size_t batch_events = 100;
  size_t batch_bytes = 1 << 20;
  Millis delivery_timeout{10'000};
  Millis retry_first{1'000};
  Millis retry_last{300'000};
  int max_failures = 20;  ///< so many in a row pause a webhook

  std::string owner = "moraine";  ///< this server, in rows

  Metrics* metrics = nullptr;  ///< outlives the service; null: nothing is counted
};

}  // namespace moraine::events
