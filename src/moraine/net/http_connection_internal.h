#pragma once
// One client connection of the server, as a state machine on its I/O thread:
//
//   reading -> (quick | running -> [parked -> running]*) -> writing -> reading | lingering ->
//   closed
//
// An answer that comes in parts goes from writing to running again, until the last part.
//
// Only the pool's tasks run elsewhere; they touch the request (which the I/O thread leaves alone
// until the answer is back) and post their answer. Included by http_connection.cc and
// http_server.cc only.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "moraine/base/call.h"
#include "moraine/net/http_server.h"
#include "moraine/net/read_buffer.h"
#include "moraine/net/request_parser.h"
#include "moraine/net/response_head.h"
#include "moraine/net/send_queue_internal.h"
#include "moraine/net/server_core_internal.h"

namespace moraine::net {

class Connection;
class ConnectionWaiter;

/// One event loop. Everything but context is used on its thread only.
struct IoLoop {
  boost::asio::io_context context{1};
  std::unordered_set<std::shared_ptr<Connection>> connections;

  /// The Date header's value, made once a second.
  const std::string& Date(Clock& clock);

 private:
  std::string date_;
  int64_t date_second_ = -1;
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  Connection(std::shared_ptr<ServerCore> core, std::shared_ptr<IoLoop> loop, Socket socket);
  ~Connection();

  // All on the loop's thread.
  enum class Welcome { kServe, kRefuse };  ///< kRefuse: there are too many connections
  void Start(Welcome welcome);
  /// Closes or refuses the connection if its time is over.
  void Sweep(MonoTime now);
  /// The server stops: idle ones close soon, parked ones resume, others finish their request.
  void OnStopping();
  void Close();
  void OnWake(const std::shared_ptr<ConnectionWaiter>& waiter);

  IoLoop& loop() { return *loop_; }

 private:
  enum class State { kReading, kRunning, kParked, kWriting, kLingering, kClosed };

  bool CountConnection();

  // Reading.
  void Advance();
  void StartRead();
  void SetReadDeadline();
  void OnRead(const boost::system::error_code& error, size_t bytes);
  bool OnHeader();
  /// Counts the request against what its client may ask for.
  bool AdmitClient();
  void LeaveClient();
  void RefuseAtHeader(Refusal refusal, std::string_view reason);
  bool ChargeBody();

  // Running.
  void Dispatch();
  bool TryQuick();
  Status Submit(std::function<void(Connection&)> work);
  void RunHandler();
  void Run(const std::function<Answer(Call&)>& work);
  void Deliver(Answer answer);

  // Parked.
  void Park(std::shared_ptr<Later> later, std::shared_ptr<ConnectionWaiter> waiter);
  void Resume(Later::Reason reason);
  void ArmTimer(std::chrono::nanoseconds delay);
  void OnTimer();
  bool IsIdle() const;
  void Unpark();

  // Streaming: parts of a body are written one after the other (http_stream.cc).
  void BeginStream();
  void NextPart();
  void OnPart(Response part);
  void QueuePart(const Response& part);
  void EndStream();

  // Writing.
  enum class AfterAnswer { kKeepIfAsked, kClose };
  /// reason: one of kRefusalReasons, or "" when nobody counts it.
  void Refuse(Refusal refusal, AfterAnswer after, std::string_view reason);
  void Answered(Response response, AfterAnswer after);
  void Write();
  void OnWrote(const boost::system::error_code& error, size_t bytes);
  void FinishExchange();
  void Record(int status, size_t response_bytes);
  void Linger();

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<IoLoop> loop_;
  Socket socket_;
  std::string peer_;
  std::string peer_address_;
  std::string client_;             ///< of the request at hand, if it counts
  std::string connection_client_;  ///< if the connection counts
  std::string local_address_;

  State state_ = State::kReading;
  ReadPhase phase_ = ReadPhase::kNone;
  MonoTime deadline_ = MonoTime::max();
  MonoTime phase_since_;
  ReadBuffer buffer_;
  bool is_read_pending_ = false;
  bool is_eof_ = false;
  RequestParser parser_;

  // Of the request at hand.
  bool header_seen_ = false;
  MonoTime started_;
  std::string trace_id_;
  std::string principal_;
  size_t charged_bytes_ = 0;
  size_t received_body_bytes_ = 0;

  std::shared_ptr<Later> later_;
  std::shared_ptr<ConnectionWaiter> waiter_;
  std::optional<Later::Reason> overdue_;  ///< due to resume, but the queue was full
  std::optional<boost::asio::steady_timer> timer_;

  bool keeps_alive_ = false;
  Response response_;
  std::string head_;
  /// Of a body that comes in parts; next is what makes the one after.
  struct Stream {
    std::function<Answer(Call&)> next;
    BodyEnd end = BodyEnd::kChunks;
    std::string frame;  ///< the size line of the part that is being sent
    size_t sent_bytes = 0;
  };
  std::optional<Stream> stream_;
  SendQueue unsent_;
  MonoTime write_since_;
  size_t sent_bytes_ = 0;
};

}  // namespace moraine::net
