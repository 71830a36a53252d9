#pragma once
// A client socket that sends what it is told, byte for byte, and reads answers: for tests of what a
// decent client would never do. Every wait ends after ten seconds.

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/net/http.h"

namespace moraine::net {

class RawClient {
 public:
  explicit RawClient(uint16_t port);
  RawClient(RawClient&& other) noexcept : socket_(other.socket_) { other.socket_ = -1; }
  ~RawClient();

  bool connected() const { return socket_ >= 0; }
  /// Whether all of it was taken.
  bool Send(std::string_view bytes);
  /// Reads one answer (by Content-Length), or to the head only for an answer to HEAD. Status 0 when
  /// the connection ended before.
  enum class Expect { kBody, kHeadOnly };
  Response Read(Expect expect = Expect::kBody);
  /// Reads until the other side closes; nothing more to come gives "".
  std::string ReadToEnd();
  /// Reads until the bytes hold the marker, and gives all up to its end; "" when they end before.
  std::string ReadUntil(std::string_view marker);
  /// Closes our sending side.
  void FinishSending();
  void Close();
  /// Closes with a reset.
  void Reset();

 private:
  bool Fill();

  int socket_ = -1;
  std::string buffer_;
};

}  // namespace moraine::net
