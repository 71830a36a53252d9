#pragma once
// How a parked request is woken from any thread. Used by http_connection.cc.

#include <atomic>
#include <memory>

#include <boost/asio/post.hpp>

#include "moraine/net/http_connection_internal.h"

namespace moraine::net {

/// Given to whoever makes the event that a parked request waits for. Knows the connection only
/// weakly, so that a client that went away leaves nothing behind.
class ConnectionWaiter final : public Waiter,
                               public std::enable_shared_from_this<ConnectionWaiter> {
 public:
  explicit ConnectionWaiter(std::weak_ptr<Connection> connection)
      : connection_(std::move(connection)) {}

  void Wake() override {
    if (woken_.exchange(true)) return;
    std::shared_ptr<Connection> connection = connection_.lock();
    if (!connection) return;
    boost::asio::post(connection->loop().context, [self = shared_from_this()] {
      if (auto parked = self->connection_.lock()) parked->OnWake(self);
    });
  }
  bool woken() const { return woken_; }

 private:
  const std::weak_ptr<Connection> connection_;
  std::atomic<bool> woken_{false};
};

}  // namespace moraine::net
