#include "moraine/net/testing/raw_server.h"

#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"

namespace moraine::net {

RawServer::RawServer(std::vector<Step> steps)
    : steps_(std::move(steps)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* where = reinterpret_cast<sockaddr*>(&address);
  MORAINE_CHECK(bind(listener_, where, size) == 0 && listen(listener_, 16) == 0, "listen");
  getsockname(listener_, where, &size);
  port_ = ntohs(address.sin_port);
  thread_ = Thread("raw-server", [this](std::stop_token) { Serve(); });
}

RawServer::~RawServer() {
  shutdown(listener_, SHUT_RDWR);
  thread_.Join();
  close(listener_);
}

std::string RawServer::base_url() const { return fmt::format("http://127.0.0.1:{}", port_); }

void RawServer::Serve() {
  int connection = -1;
  for (Step step : steps_) {
    // The client may have left the kept connection, or come on a new one.
    while (connection < 0 || !ReadRequest(connection)) {
      if (connection >= 0) close(connection);
      connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      timeval limit{.tv_sec = 5, .tv_usec = 0};
      setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    }
    ++requests_;
    std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    if (step == Step::kHalfAnswer) answer.remove_suffix(1);
    // A listening socket that is shut down refuses.
    if (step == Step::kGone) shutdown(listener_, SHUT_RDWR);
    if (step == Step::kAnswer || step == Step::kHalfAnswer)
      send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
    if (step != Step::kAnswer) close(std::exchange(connection, -1));
  }
  if (connection >= 0) close(connection);
}

bool RawServer::ReadRequest(int socket) {
  std::string bytes;
  char part[4096];
  while (true) {
    size_t head = bytes.find("\r\n\r\n");
    if (head != std::string::npos) {
      size_t at = bytes.find("Content-Length: ");
      size_t length = 0;
      if (at < head) {
        length = static_cast<size_t>(
            *ParseInt64(std::string_view(bytes).substr(at + 16, bytes.find("\r\n", at) - at - 16)));
      }
      if (bytes.size() >= head + 4 + length) return true;
    }
    ssize_t got = recv(socket, part, sizeof(part), 0);
    if (got <= 0) return false;
    bytes.append(part, static_cast<size_t>(got));
  }
}

}  // namespace moraine::net
