#pragma once
// The service as a whole: opens the store, wires catalog, protocols and optimizing, serves, and
// stops in order. Holds no truth: everything that must survive is in the store.

#include <memory>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/config.h"
#include "moraine/base/status.h"

namespace moraine::server {

class Server {
 public:
  /// Everything serves when this returns. env must outlive the server. Errors: InvalidArgument
  /// naming the setting (an address that is not loopback without a token, too), AlreadyExists (the
  /// port is taken), Unavailable (another server holds the store), Unsupported (the store is
  /// newer).
  static Result<std::unique_ptr<Server>> Start(const Env& env, const Config& config);
  /// Stops as Stop().
  ~Server();

  std::string base_url() const;  ///< "http://127.0.0.1:1630"
  /// Gives its part of optimizing and embedded tasks back, says that it is not ready, serves on for
  /// server.drain-delay; then takes no new requests and lets running ones finish. Idempotent.
  void Stop();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace moraine::server
