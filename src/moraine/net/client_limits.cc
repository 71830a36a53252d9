#include "moraine/net/client_limits.h"

#include <algorithm>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::net {
namespace {

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

/// "203.0.113.7", "[2001:db8::1]:4711" and the like, without port and brackets.
std::string_view AddressIn(std::string_view text) {
  text = Trim(text);
  if (text.starts_with('[')) return text.substr(1, text.find(']') - 1);
  bool has_port = std::count(text.begin(), text.end(), ':') == 1;
  return has_port ? text.substr(0, text.find(':')) : text;
}

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::string ClientOfAddress(std::string_view address) {
  std::string text(address);
  in6_addr v6;
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return text;
  std::fill(std::begin(v6.s6_addr) + 8, std::end(v6.s6_addr), 0);
  char buffer[INET6_ADDRSTRLEN] = {};
  inet_ntop(AF_INET6, &v6, buffer, sizeof(buffer));
  return fmt::format("{}/64", buffer);
}

std::string ClientOf(const ClientLimitOptions& options, std::string_view address,
                     const Headers& headers) {
  if (!Contains(options.trusted_proxies, address)) return ClientOfAddress(address);
  // Each proxy appends whom it was asked by: the last one that is no proxy of ours is the client.
  std::string forwarded;
  for (const auto& [name, value] : headers.all()) {
    if (ToLowerAscii(name) == "x-forwarded-for") forwarded += "," + value;
  }
  std::vector<std::string_view> hops = Split(forwarded, ',');
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    std::string_view named = AddressIn(*hop);
    if (!named.empty() && !Contains(options.trusted_proxies, named)) {
      return ClientOfAddress(named.substr(0, INET6_ADDRSTRLEN));
    }
  }
  return ClientOfAddress(address);
}

ClientLimits::ClientLimits(const ClientLimitOptions& options)
    : options_(options),
      burst_(std::max(1.0, options.burst > 0 ? options.burst : 2 * options.rate)) {}

void ClientLimits::Refill(Client& client, MonoTime now) const {
  double gained = Seconds(now - client.filled) * options_.rate;
  client.tokens = std::min(burst_, client.tokens + std::max(0.0, gained));
  client.filled = now;
}

/// Whoever is used is not idle: Release makes it so again.
ClientLimits::Client& ClientLimits::Use(const std::string& name, MonoTime now) {
  auto [found, is_new] = clients_.try_emplace(name);
  Client& client = found->second;
  if (is_new) {
    client.tokens = burst_;
    client.filled = now;
  } else if (client.requests + client.connections == 0) {
    idle_.erase(client.idle);
  }
  return client;
}

void ClientLimits::Release(const std::string& name, size_t Client::*count) {
  auto found = clients_.find(name);
  if (found == clients_.end()) return;
  Client& client = found->second;
  if (count != nullptr && client.*count > 0) --(client.*count);
  if (client.requests + client.connections > 0) return;
  client.idle = idle_.insert(idle_.end(), name);
  if (idle_.size() <= options_.remembered) return;
  clients_.erase(idle_.front());
  idle_.pop_front();
}

ClientLimits::Admission ClientLimits::Admit(const std::string& name, MonoTime now) {
  std::lock_guard lock(mutex_);
  Client& client = Use(name, now);
  Admission admission;
  if (options_.requests > 0 && client.requests >= options_.requests) {
    admission.verdict = Verdict::kTooMany;
  } else if (options_.rate > 0) {
    Refill(client, now);
    if (client.tokens < 1) {
      admission.verdict = Verdict::kTooFast;
      admission.wait = std::chrono::nanoseconds(
          static_cast<int64_t>((1 - client.tokens) / options_.rate * 1e9) + 1);
    } else {
      client.tokens -= 1;
    }
  }
  if (admission.verdict == Verdict::kAdmitted) {
    ++client.requests;
  } else {
    Release(name, nullptr);
  }
  return admission;
}

void ClientLimits::Finish(const std::string& name) {
  std::lock_guard lock(mutex_);
  Release(name, &Client::requests);
}

bool ClientLimits::Connect(const std::string& name, MonoTime now) {
  std::lock_guard lock(mutex_);
  Client& client = Use(name, now);
  if (client.connections < options_.connections) {
    ++client.connections;
    return true;
  }
  Release(name, nullptr);
  return false;
}

void ClientLimits::Disconnect(const std::string& name) {
  std::lock_guard lock(mutex_);
  Release(name, &Client::connections);
}

size_t ClientLimits::remembered() const {
  std::lock_guard lock(mutex_);
  return clients_.size();
}

}  // namespace moraine::net
