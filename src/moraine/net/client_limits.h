#pragma once
// What one client may ask of a server: so many requests a second, so many at once, so many
// connections. A client is an address (of IPv6 its /64, which is what one customer gets), behind a
// trusted proxy the address that the proxy names. Used by the server's connections; no sockets
// here.

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/net/http.h"

namespace moraine::net {

struct ClientLimitOptions {
  /// Requests a second, on average; 0: any number.
  double rate = 0;
  /// Requests in one moment, after a pause; 0: as many as in two seconds, at least one.
  double burst = 0;
  size_t requests = 0;                       ///< at work at once; 0: any number
  size_t connections = 0;                    ///< open at once; 0: any number
  std::vector<std::string> trusted_proxies;  ///< addresses whose X-Forwarded-For is believed
  /// Clients without a connection that are remembered; the one that was silent for longest is
  /// forgotten first.
  size_t remembered = 10'000;
};

/// The client behind an address: "10.0.0.7", "2001:db8:1:2::/64".
std::string ClientOfAddress(std::string_view address);
/// Of a request that came from this address.
std::string ClientOf(const ClientLimitOptions& options, std::string_view address,
                     const Headers& headers);

/// Thread-safe.
class ClientLimits {
 public:
  explicit ClientLimits(const ClientLimitOptions& options);

  /// Whether requests, or connections, are limited at all.
  bool limits_requests() const { return options_.rate > 0 || options_.requests > 0; }
  bool limits_connections() const { return options_.connections > 0; }

  enum class Verdict { kAdmitted, kTooFast, kTooMany };
  struct Admission {
    Verdict verdict = Verdict::kAdmitted;
    std::chrono::nanoseconds wait{0};  ///< until the next request would be admitted, if too fast
  };
  /// An admitted request is over with Finish.
  Admission Admit(const std::string& client, MonoTime now);
  void Finish(const std::string& client);

  /// Whether one more connection is welcome; it is over with Disconnect.
  bool Connect(const std::string& client, MonoTime now);
  void Disconnect(const std::string& client);

  size_t remembered() const;

 private:
  struct Client {
    double tokens = 0;
    MonoTime filled;
    size_t requests = 0;
    size_t connections = 0;
    std::list<std::string>::iterator idle;  ///< in idle_, if neither
  };

  Client& Use(const std::string& name, MonoTime now);
  void Release(const std::string& name, size_t Client::*count);
  void Refill(Client& client, MonoTime now) const;

  const ClientLimitOptions options_;
  const double burst_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Client> clients_;  // under mutex_
  std::list<std::string> idle_;                      // under mutex_; the longest silent first
};

}  // namespace moraine::net
