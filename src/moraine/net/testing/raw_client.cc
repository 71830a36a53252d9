#include "moraine/net/testing/raw_client.h"

#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "moraine/base/text.h"

namespace moraine::net {

RawClient::RawClient(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Close();
}

RawClient::~RawClient() { Close(); }

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawClient::Fill() {
  char bytes[16 << 10];
  ssize_t got = recv(socket_, bytes, sizeof(bytes), 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(got));
  return true;
}

Response RawClient::Read(Expect expect) {
  Response response{.status = 0};
  size_t head = 0;
  while ((head = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return response;
  }
  std::string text = buffer_.substr(0, head);
  buffer_.erase(0, head + 4);
  size_t length = 0;
  for (std::string_view line : Split(text, '\n')) {
    line = Trim(line);
    if (line.starts_with("HTTP/1.1 ")) response.status = std::stoi(std::string(line.substr(9, 3)));
    size_t colon = line.find(": ");
    if (colon == line.npos) continue;
    response.headers.Add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
  }
  if (auto value = response.headers.Get("Content-Length"); value && expect == Expect::kBody) {
    length = std::stoul(std::string(*value));
  }
  while (buffer_.size() < length) {
    if (!Fill()) return Response{.status = 0};
  }
  response.body.push_back(std::make_shared<const std::string>(buffer_.substr(0, length)));
  buffer_.erase(0, length);
  return response;
}

std::string RawClient::ReadToEnd() {
  while (Fill()) {
  }
  return std::exchange(buffer_, {});
}

std::string RawClient::ReadUntil(std::string_view marker) {
  size_t found = 0;
  while ((found = buffer_.find(marker)) == std::string::npos) {
    if (!Fill()) return "";
  }
  std::string text = buffer_.substr(0, found + marker.size());
  buffer_.erase(0, found + marker.size());
  return text;
}

void RawClient::FinishSending() { shutdown(socket_, SHUT_WR); }

void RawClient::Close() {
  if (socket_ >= 0) close(std::exchange(socket_, -1));
}

void RawClient::Reset() {
  linger off{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
  Close();
}

}  // namespace moraine::net
