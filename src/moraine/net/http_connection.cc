#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "moraine/net/connection_waiter_internal.h"
#include "moraine/net/http_connection_internal.h"
#include "moraine/net/response_head.h"
#include "moraine/net/trace_id.h"

namespace moraine::net {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

/// Chunk extensions and trailers have to fit in beside a header of the largest size.
constexpr size_t kBufferSlackBytes = 4 << 10;
constexpr std::chrono::milliseconds kLingerTime{1000};
constexpr std::chrono::milliseconds kFullQueuePause{5};
constexpr std::chrono::hours kLongestTimer{1};

std::string AddressText(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

std::string EndpointText(const asio::ip::tcp::endpoint& endpoint) {
  std::string address = AddressText(endpoint.address());
  bool is_v6 = address.find(':') != address.npos;
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", address, is_v6 ? "]" : "", endpoint.port());
}

/// Of what was refused for its form.
std::string_view ReasonOf(const Refusal& refusal) {
  if (refusal.status == 413) return "body-size";
  if (refusal.status == 431) return "header-size";
  return "syntax";
}

}  // namespace

const std::string& IoLoop::Date(Clock& clock) {
  WallTime now = clock.Wall();
  int64_t second = ToMillis(now) / 1000;
  if (second != date_second_) {
    date_second_ = second;
    date_ = HttpDate(now);
  }
  return date_;
}

Connection::Connection(std::shared_ptr<ServerCore> core, std::shared_ptr<IoLoop> loop,
                       Socket socket)
    : core_(std::move(core)),
      loop_(std::move(loop)),
      socket_(std::move(socket)),
      buffer_(core_->options.header_limit_bytes + kBufferSlackBytes),
      parser_({.header_bytes = core_->options.header_limit_bytes,
               .body_bytes = core_->options.body_limit_bytes}) {}

Connection::~Connection() = default;

void Connection::Start(Welcome welcome) {
  loop_->connections.insert(shared_from_this());
  ErrorCode error;
  socket_.non_blocking(true, error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  auto remote = socket_.remote_endpoint(error);
  if (!error) {
    peer_ = EndpointText(remote);
    peer_address_ = AddressText(remote.address());
  }
  auto local = socket_.local_endpoint(error);
  if (!error) local_address_ = AddressText(local.address());
  if (error) return Close();
  if (welcome == Welcome::kRefuse) {
    return Refuse(Busy(503, "too many connections"), AfterAnswer::kClose, "connections");
  }
  if (!CountConnection()) {
    return Refuse(Busy(429, "too many connections of one client"), AfterAnswer::kClose,
                  "client-connections");
  }
  Advance();
  if (core_->stopping) OnStopping();
}

/// A proxy brings many clients.
bool Connection::CountConnection() {
  const auto& proxies = core_->options.client_limits.trusted_proxies;
  bool is_proxy = std::find(proxies.begin(), proxies.end(), peer_address_) != proxies.end();
  if (is_proxy || !core_->clients.limits_connections()) return true;
  std::string client = ClientOfAddress(peer_address_);
  if (!core_->clients.Connect(client, core_->env.clock.Mono())) return false;
  connection_client_ = std::move(client);
  return true;
}

// Reading.

void Connection::Advance() {
  while (state_ == State::kReading) {
    if (!buffer_.empty()) buffer_.Consume(parser_.Feed(buffer_.view()));
    RequestParser::Stage stage = parser_.stage();
    if (stage == RequestParser::Stage::kFailed) {
      Refuse(parser_.refusal(), AfterAnswer::kClose, ReasonOf(parser_.refusal()));
      continue;
    }
    bool is_done = stage == RequestParser::Stage::kDone;
    bool is_header_done = is_done || stage != RequestParser::Stage::kHeader;
    if (is_header_done && !header_seen_) {
      if (!OnHeader()) continue;
      if (!is_done && !buffer_.empty()) continue;
    }
    if (is_header_done && !ChargeBody()) continue;
    if (is_done) {
      Dispatch();
      continue;
    }
    if (is_eof_) return Close();
    if (buffer_.full()) {
      Refuse({431, "the header or a chunk's extension is too large", {}}, AfterAnswer::kClose,
             "header-size");
      continue;
    }
    SetReadDeadline();
    if (!is_read_pending_) StartRead();
    return;
  }
}

void Connection::StartRead() {
  std::span<char> room = buffer_.Prepare();
  is_read_pending_ = true;
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](const ErrorCode& error, size_t bytes) {
                            self->OnRead(error, bytes);
                          });
}

void Connection::SetReadDeadline() {
  ReadPhase phase = PhaseOf(parser_, buffer_.empty() ? Buffered::kNo : Buffered::kYes);
  if (phase != phase_) {
    phase_ = phase;
    phase_since_ = core_->env.clock.Mono();
  }
  deadline_ = phase_since_ + TimeFor(core_->options, phase, parser_.request().body.size());
}

void Connection::OnRead(const ErrorCode& error, size_t bytes) {
  is_read_pending_ = false;
  if (state_ == State::kClosed) return;
  if (error) {
    is_eof_ = true;
    bool is_of_use = state_ == State::kRunning || state_ == State::kWriting;
    if (!is_of_use) Close();
    return;
  }
  buffer_.Commit(bytes);
  switch (state_) {
    case State::kReading:
      return Advance();
    case State::kParked:
      // The client's next request; watched further for the client's leaving.
      if (!buffer_.full()) StartRead();
      return;
    case State::kLingering:
      buffer_.Consume(buffer_.view().size());
      return StartRead();
    default:
      return;
  }
}

/// The header is there: may the request go on?
bool Connection::OnHeader() {
  header_seen_ = true;
  started_ = core_->env.clock.Mono();
  Request& request = parser_.request();
  request.peer = peer_;
  trace_id_ = TraceIdOf(request.headers, core_->env.random);
  if (!AdmitClient()) return false;
  GuardFacts facts{.authority = parser_.authority(),
                   .local_address = local_address_,
                   .is_http_10 = parser_.is_http_10(),
                   .has_body = parser_.has_body()};
  if (auto refusal = CheckGuards(core_->options.guards, facts, request)) {
    RefuseAtHeader(std::move(*refusal), "guard");
    return false;
  }
  bool body_is_held_back = parser_.stage() != RequestParser::Stage::kDone && buffer_.empty();
  if (parser_.expects_continue() && body_is_held_back) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    ErrorCode error;
    size_t sent = socket_.write_some(asio::buffer(kContinue.data(), kContinue.size()), error);
    if (error || sent < kContinue.size()) {
      Close();
      return false;
    }
  }
  return true;
}

/// Keeps the connection if the whole request has come already: what is still to come would have to
/// be read to find the next request.
void Connection::RefuseAtHeader(Refusal refusal, std::string_view reason) {
  if (parser_.stage() != RequestParser::Stage::kDone && !buffer_.empty()) {
    buffer_.Consume(parser_.Feed(buffer_.view()));
  }
  bool is_whole = parser_.stage() == RequestParser::Stage::kDone;
  Refuse(std::move(refusal), is_whole ? AfterAnswer::kKeepIfAsked : AfterAnswer::kClose, reason);
}

bool Connection::AdmitClient() {
  if (!core_->clients.limits_requests()) return true;
  const Request& request = parser_.request();
  const auto& open = core_->options.guards.open_paths;
  if (std::find(open.begin(), open.end(), request.path) != open.end()) return true;
  std::string client = ClientOf(core_->options.client_limits, peer_address_, request.headers);
  auto admission = core_->clients.Admit(client, core_->env.clock.Mono());
  switch (admission.verdict) {
    case ClientLimits::Verdict::kAdmitted:
      client_ = std::move(client);
      return true;
    case ClientLimits::Verdict::kTooFast:
      RefuseAtHeader(Busy(429, "too many requests of one client in a short time", admission.wait),
                     "rate");
      return false;
    case ClientLimits::Verdict::kTooMany:
      RefuseAtHeader(Busy(429, "too many requests of one client at once"), "client-requests");
      return false;
  }
  return false;
}

void Connection::LeaveClient() {
  if (!client_.empty()) core_->clients.Finish(std::exchange(client_, {}));
}

/// Counts the body's growth against what all bodies may take.
bool Connection::ChargeBody() {
  size_t growth = parser_.request().body.size() - charged_bytes_;
  if (growth == 0) return true;
  charged_bytes_ += growth;
  if (core_->body_bytes.fetch_add(growth) + growth <= core_->options.bodies_limit_bytes)
    return true;
  Refuse(Busy(503, "too many request bodies at once"), AfterAnswer::kClose, "bodies");
  return false;
}

// Running.

void Connection::Dispatch() {
  phase_ = ReadPhase::kNone;
  deadline_ = MonoTime::max();
  received_body_bytes_ = charged_bytes_;
  if (TryQuick()) return;
  state_ = State::kRunning;
  Status status = Submit([](Connection& self) { self.RunHandler(); });
  if (status.ok()) return;
  bool is_full = status.code() == Code::kExhausted;
  Refuse(is_full ? Busy(429, "the queue of requests is full") : Busy(503, "the server is stopping"),
         AfterAnswer::kKeepIfAsked, is_full ? "queue" : "");
}

bool Connection::TryQuick() {
  const Request& request = parser_.request();
  bool is_read = request.method == Method::kGet || request.method == Method::kHead;
  if (!core_->options.quick || !is_read || parser_.has_body()) return false;
  std::optional<Answer> answer = core_->options.quick(request);
  if (!answer) return false;
  if (auto* response = std::get_if<Response>(&*answer)) {
    Answered(std::move(*response), AfterAnswer::kKeepIfAsked);
    return true;
  }
  auto waiter = std::make_shared<ConnectionWaiter>(weak_from_this());
  auto& later = std::get<std::shared_ptr<Later>>(*answer);
  if (later->on_parked) later->on_parked(waiter);
  // Who is woken already hears of it as a next event, so that this goes no deeper.
  Park(std::move(later), std::move(waiter));
  return true;
}

Status Connection::Submit(std::function<void(Connection&)> work) {
  ++core_->running;
  Status status =
      core_->pool.Submit([self = shared_from_this(), work = std::move(work)] { work(*self); });
  if (!status.ok()) --core_->running;
  return status;
}

void Connection::RunHandler() {
  Run([this](Call& call) -> Answer {
    Request& request = parser_.request();
    if (auto refusal = DecodeBody(&request, core_->options.body_limit_bytes)) {
      core_->Refused(ReasonOf(*refusal));
      return core_->options.refuse(*refusal, request.path);
    }
    return core_->handler(call, request);
  });
}

/// On a thread of the pool.
void Connection::Run(const std::function<Answer(Call&)>& work) {
  Deliver(RunHandlerPart(*core_, {parser_.request(), trace_id_, &principal_}, work));
}

void Connection::Deliver(Answer answer) {
  std::shared_ptr<ConnectionWaiter> waiter;
  if (auto* response = std::get_if<Response>(&answer)) {
    // The parts of a stream go as they are; the I/O thread leaves stream_ alone meanwhile.
    if (!stream_)
      CompressResponse(parser_.request(), core_->options.gzip_threshold_bytes, response);
  } else {
    waiter = std::make_shared<ConnectionWaiter>(weak_from_this());
    const auto& later = std::get<std::shared_ptr<Later>>(answer);
    if (later->on_parked) later->on_parked(waiter);
  }
  asio::post(loop_->context, [self = shared_from_this(), answer = std::move(answer),
                              waiter = std::move(waiter)]() mutable {
    if (self->state_ != State::kRunning) return;
    if (waiter) {
      self->Park(std::get<std::shared_ptr<Later>>(std::move(answer)), waiter);
      // One that was woken on the way here found nobody parked.
      if (waiter->woken()) self->OnWake(waiter);
    } else if (self->stream_) {
      self->OnPart(std::get<Response>(std::move(answer)));
      self->Advance();
    } else {
      self->Answered(std::get<Response>(std::move(answer)), AfterAnswer::kKeepIfAsked);
      self->Advance();
    }
  });
  --core_->running;
}

// Parked.

void Connection::Park(std::shared_ptr<Later> later, std::shared_ptr<ConnectionWaiter> waiter) {
  state_ = State::kParked;
  later_ = std::move(later);
  waiter_ = std::move(waiter);
  ++core_->parked;
  if (is_eof_) return Close();
  if (!is_read_pending_ && !buffer_.full()) StartRead();
  if (core_->stopping && stream_) return EndStream();
  if (waiter_->woken() && !later_->ready) return Resume(Later::Reason::kWoken);
  if (core_->stopping) return Resume(Later::Reason::kTimedOut);
  ArmTimer(later_->until - core_->env.clock.Mono());
}

void Connection::OnWake(const std::shared_ptr<ConnectionWaiter>& waiter) {
  if (state_ != State::kParked || waiter_ != waiter || overdue_) return;
  std::optional<Response> response;
  if (later_->ready) response = later_->ready();
  if (!response) return Resume(Later::Reason::kWoken);
  Unpark();
  if (stream_) {
    OnPart(std::move(*response));
  } else {
    Answered(std::move(*response), AfterAnswer::kKeepIfAsked);
  }
  Advance();
}

void Connection::ArmTimer(std::chrono::nanoseconds delay) {
  delay = std::clamp<std::chrono::nanoseconds>(delay, std::chrono::nanoseconds(0), kLongestTimer);
  if (!timer_) timer_.emplace(loop_->context);
  timer_->expires_after(delay);
  timer_->async_wait([self = shared_from_this()](const ErrorCode& error) {
    if (!error) self->OnTimer();
  });
}

void Connection::OnTimer() {
  if (core_->stopping && IsIdle()) {
    ErrorCode error;
    if (socket_.available(error) == 0 || error) Close();
    return;
  }
  if (state_ != State::kParked) return;
  if (overdue_) return Resume(*overdue_);
  std::chrono::nanoseconds left = later_->until - core_->env.clock.Mono();
  if (left.count() <= 0) return Resume(Later::Reason::kTimedOut);
  ArmTimer(left);
}

/// Gives the rest of the handler to the pool. A full queue puts it off: the request was admitted
/// once.
void Connection::Resume(Later::Reason reason) {
  Status status = Submit([later = later_, reason](Connection& self) {
    if (!later->resume) return self.RunHandler();
    self.Run([&](Call& call) { return later->resume(call, reason); });
  });
  if (status.code() == Code::kExhausted) {
    overdue_ = reason;
    return ArmTimer(kFullQueuePause);
  }
  Unpark();
  state_ = State::kRunning;
  if (status.ok()) return;
  // The head of a stream is gone: nothing else may follow it.
  if (stream_) return EndStream();
  Refuse(Busy(503, "the server is stopping"), AfterAnswer::kClose, "");
}

void Connection::Unpark() {
  if (!later_) return;
  --core_->parked;
  later_.reset();
  waiter_.reset();
  overdue_.reset();
  if (timer_) timer_->cancel();
}

// Writing.

void Connection::Refuse(Refusal refusal, AfterAnswer after, std::string_view reason) {
  if (!reason.empty()) core_->Refused(reason);
  if (!header_seen_) started_ = core_->env.clock.Mono();
  Answered(core_->options.refuse(refusal, parser_.request().path), after);
}

void Connection::Answered(Response response, AfterAnswer after) {
  state_ = State::kWriting;
  response_ = std::move(response);
  std::erase(response_.body, nullptr);
  keeps_alive_ =
      after == AfterAnswer::kKeepIfAsked && parser_.keeps_alive() && !is_eof_ && !core_->stopping;
  bool has_body = HasBody(response_.status) && parser_.request().method != Method::kHead;
  if (!has_body) response_.next = nullptr;
  if (response_.next) BeginStream();
  HeadFacts facts{.date = loop_->Date(core_->env.clock), .trace_id = trace_id_};
  if (stream_) facts.body_end = stream_->end;
  if (!keeps_alive_) {
    facts.use = ConnectionUse::kClose;
  } else if (parser_.is_http_10()) {
    facts.use = ConnectionUse::kKeepOld;
  }
  head_ = MakeResponseHead(response_, facts);
  if (!has_body) response_.body.clear();
  unsent_.Clear();
  unsent_.Add(head_);
  if (stream_) {
    QueuePart(response_);
  } else {
    for (const SharedBytes& piece : response_.body) unsent_.Add(*piece);
  }
  write_since_ = core_->env.clock.Mono();
  sent_bytes_ = 0;
  Write();
}

/// Hands the kernel what it takes at once, which is nearly always all, and waits for the rest.
void Connection::Write() {
  while (!unsent_.empty()) {
    ErrorCode error;
    size_t bytes = socket_.write_some(unsent_.left(), error);
    if (error == asio::error::would_block || error == asio::error::try_again) {
      deadline_ = std::min(core_->env.clock.Mono() + core_->options.write_timeout,
                           write_since_ + TimeForAnswer(core_->options, sent_bytes_));
      socket_.async_write_some(unsent_.left(),
                               [self = shared_from_this()](const ErrorCode& failed, size_t n) {
                                 self->OnWrote(failed, n);
                               });
      return;
    }
    if (error) return Close();
    unsent_.Sent(bytes);
    sent_bytes_ += bytes;
  }
  if (stream_ && stream_->next) return NextPart();
  FinishExchange();
}

void Connection::OnWrote(const ErrorCode& error, size_t bytes) {
  if (state_ != State::kWriting) return;
  if (error) return Close();
  unsent_.Sent(bytes);
  sent_bytes_ += bytes;
  Write();
  Advance();
}

void Connection::FinishExchange() {
  Record(response_.status, stream_ ? stream_->sent_bytes : response_.BodySize());
  LeaveClient();
  core_->body_bytes -= std::exchange(charged_bytes_, 0);
  received_body_bytes_ = 0;
  response_ = {};
  stream_.reset();
  head_.clear();
  unsent_.Clear();
  if (!keeps_alive_) return Linger();
  parser_.Next();
  header_seen_ = false;
  principal_.clear();
  trace_id_.clear();
  phase_ = ReadPhase::kNone;
  state_ = State::kReading;
}

void Connection::Record(int status, size_t response_bytes) {
  const Request& request = parser_.request();
  std::chrono::nanoseconds duration = core_->env.clock.Mono() - started_;
  if (core_->options.on_finished) {
    core_->options.on_finished({.method = request.method,
                                .status = status,
                                .route = response_.route,
                                .duration = duration,
                                .request_bytes = received_body_bytes_,
                                .response_bytes = response_bytes});
  }
  if (!core_->env.log.Enabled(LogLevel::kDebug)) return;
  core_->env.log.Debug("http request", {{"method", MethodName(request.method)},
                                        {"path", request.path},
                                        {"status", status},
                                        {"us", duration.count() / 1000},
                                        {"bytes", response_bytes},
                                        {"peer", peer_},
                                        {"trace", trace_id_}});
}

/// Closes our side and reads on until the client closes its own: closing at once would make the
/// kernel answer unread bytes with a reset, which can overtake the answer.
void Connection::Linger() {
  state_ = State::kLingering;
  deadline_ = core_->env.clock.Mono() + kLingerTime;
  ErrorCode error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error || is_eof_) return Close();
  if (is_read_pending_) return;
  buffer_.Consume(buffer_.view().size());
  StartRead();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  auto self = shared_from_this();
  bool is_unanswered =
      state_ == State::kRunning || state_ == State::kParked || state_ == State::kWriting;
  // A stream is ended by its reader as a matter of course.
  if (is_unanswered && stream_) {
    Record(response_.status, stream_->sent_bytes);
  } else if (is_unanswered) {
    Record(499, 0);
  }
  Unpark();
  if (timer_) timer_->cancel();
  state_ = State::kClosed;
  ErrorCode error;
  socket_.close(error);
  core_->body_bytes -= std::exchange(charged_bytes_, 0);
  LeaveClient();
  if (!connection_client_.empty()) core_->clients.Disconnect(connection_client_);
  loop_->connections.erase(self);
  --core_->connections;
}

void Connection::Sweep(MonoTime now) {
  if (now < deadline_) return;
  bool is_within_request = state_ == State::kReading && phase_ != ReadPhase::kIdle;
  if (!is_within_request) {
    if (state_ == State::kWriting) core_->Refused("slow");
    return Close();
  }
  Refuse({408,
          phase_ == ReadPhase::kBody ? "the body did not come in time"
                                     : "the header did not come in time",
          {}},
         AfterAnswer::kClose, "slow");
}

bool Connection::IsIdle() const {
  return state_ == State::kReading && buffer_.empty() && !parser_.has_begun();
}

void Connection::OnStopping() {
  if (IsIdle()) return ArmTimer(core_->options.farewell);
  if (state_ != State::kParked) return;
  if (stream_) return EndStream();
  if (!overdue_) Resume(Later::Reason::kTimedOut);
}

}  // namespace moraine::net
