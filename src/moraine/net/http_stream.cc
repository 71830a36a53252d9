// Answers whose body comes in parts, each made when the one before has been taken.

#include <utility>

#include <fmt/format.h>

#include "moraine/net/connection_waiter_internal.h"
#include "moraine/net/http_connection_internal.h"

namespace moraine::net {

/// What reads an HTTP/1.0 answer knows no chunks: the end of the connection is the end of the body.
void Connection::BeginStream() {
  stream_ = Stream();
  stream_->next = std::move(response_.next);
  response_.next = nullptr;
  if (!parser_.is_http_10()) return;
  stream_->end = BodyEnd::kClose;
  keeps_alive_ = false;
}

/// Puts a part, and behind the last one the body's end, into the queue.
void Connection::QueuePart(const Response& part) {
  size_t size = part.BodySize();
  stream_->sent_bytes += size;
  bool chunks = stream_->end == BodyEnd::kChunks;
  bool is_last = !stream_->next;
  if (size > 0) {
    if (chunks) {
      stream_->frame = fmt::format("{:x}\r\n", size);
      unsent_.Add(stream_->frame);
    }
    for (const SharedBytes& piece : part.body) unsent_.Add(*piece);
    if (chunks) unsent_.Add("\r\n");
  }
  if (is_last && chunks) unsent_.Add("0\r\n\r\n");
}

/// The client has taken everything: the next part may be made.
void Connection::NextPart() {
  unsent_.Clear();
  deadline_ = MonoTime::max();
  if (is_eof_) return Close();
  if (core_->stopping) return EndStream();
  state_ = State::kRunning;
  Status status = Submit([next = stream_->next](Connection& self) { self.Run(next); });
  if (status.ok()) return;
  // A full queue: tried again in a moment, from where it parks.
  if (status.code() != Code::kExhausted) return Close();
  auto again = std::make_shared<Later>();
  again->until = core_->env.clock.Mono() + std::chrono::milliseconds(50);
  again->resume = [next = stream_->next](Call& call, Later::Reason) { return next(call); };
  Park(std::move(again), std::make_shared<ConnectionWaiter>(weak_from_this()));
}

void Connection::OnPart(Response part) {
  // The head is gone, so an error can only be told by an end that is none.
  if (part.status >= 400) return Close();
  std::erase(part.body, nullptr);
  stream_->next = std::move(part.next);
  if (core_->stopping) stream_->next = nullptr;
  if (!stream_->next) keeps_alive_ = keeps_alive_ && !core_->stopping;
  state_ = State::kWriting;
  response_.body = std::move(part.body);
  unsent_.Clear();
  QueuePart(response_);
  write_since_ = core_->env.clock.Mono();
  sent_bytes_ = 0;
  Write();
}

void Connection::EndStream() {
  Unpark();
  keeps_alive_ = false;
  OnPart(Response());
}

}  // namespace moraine::net
