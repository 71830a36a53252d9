#include "moraine/net/http_server.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

#include "moraine/base/executor.h"
#include "moraine/net/http_connection_internal.h"

namespace moraine::net {
namespace {

namespace asio = boost::asio;
using Acceptor = asio::ip::tcp::acceptor;
using ErrorCode = boost::system::error_code;
using std::chrono::milliseconds;

/// Connections above the limit are told so, as long as they are few.
constexpr size_t kRefusedConnections = 256;
constexpr milliseconds kAcceptPause{50};
constexpr milliseconds kStopPause{2};
/// What handlers get to notice that they were asked to stop.
constexpr std::chrono::seconds kCancelGrace{1};

/// How often times are looked at: a quarter of the shortest, so that it is kept to that much.
milliseconds SweepInterval(const ServerOptions& options) {
  milliseconds shortest = std::min(
      {options.idle_timeout, options.header_timeout, options.body_timeout, options.write_timeout});
  return std::clamp(shortest / 4, milliseconds(10), milliseconds(1000));
}

/// A client of ours may need as many sockets as there are connections, files come on top.
void RaiseOpenFileLimit(size_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t wanted = std::min<rlim_t>(connections + 1024, limit.rlim_max);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Result<asio::ip::tcp::endpoint> ParseEndpoint(const ServerOptions& options) {
  std::string text = options.address == "localhost" ? "127.0.0.1" : options.address;
  ErrorCode error;
  auto address = asio::ip::make_address(text, error);
  if (error) {
    return InvalidArgument(
        fmt::format("expected an IP address to listen on, got: {}", options.address));
  }
  return asio::ip::tcp::endpoint(address, options.port);
}

Status ListenError(const ErrorCode& error, const ServerOptions& options) {
  std::string message =
      fmt::format("can't listen: {}: {}:{}", error.message(), options.address, options.port);
  if (error == asio::error::address_in_use) return AlreadyExists(std::move(message));
  return Unavailable(std::move(message));
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const Env& env, ServerOptions options, Handler handler)
      : core_(std::make_shared<ServerCore>(env, std::move(options), std::move(handler))) {}

  Status Listen();
  void Run();
  void Stop(std::chrono::nanoseconds grace);

  const std::string& address() const { return address_; }
  uint16_t port() const { return port_; }
  ServerStats stats() const {
    return {core_->connections, core_->parked, core_->running, core_->body_bytes};
  }

 private:
  /// A loop with what keeps it going; used on the loop's thread.
  struct Lane {
    std::shared_ptr<IoLoop> loop = std::make_shared<IoLoop>();
    asio::executor_work_guard<asio::io_context::executor_type> work{loop->context.get_executor()};
    asio::steady_timer sweep{loop->context};
    bool is_ending = false;  ///< a sweep that is due already must not ask for the next one
    Thread thread;
  };

  void Accept();
  void OnAccept(const ErrorCode& error, Connection::Socket socket, Lane& lane);
  void AcceptTheRest();
  void Sweep(Lane& lane);
  void RunLane(Lane& lane) const;
  /// Closes all connections and lets the loops end.
  void EndLanes();
  /// Runs something on each loop, for each of its connections as they are at that time.
  void ForEachConnection(void (Connection::*what)());
  void WaitWhile(std::chrono::nanoseconds limit, const std::function<bool()>& condition) const;

  const std::shared_ptr<ServerCore> core_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::optional<Acceptor> acceptor_;
  std::optional<asio::steady_timer> accept_pause_;
  size_t next_lane_ = 0;
  std::string address_;
  uint16_t port_ = 0;
  bool is_stopped_ = false;
};

Status HttpServer::Impl::Listen() {
  MORAINE_ASSIGN(asio::ip::tcp::endpoint endpoint, ParseEndpoint(core_->options));
  RaiseOpenFileLimit(core_->options.connection_limit);
  for (size_t i = 0; i < std::max<size_t>(core_->options.io_threads, 1); ++i) {
    lanes_.push_back(std::make_unique<Lane>());
  }
  acceptor_.emplace(lanes_[0]->loop->context);
  accept_pause_.emplace(lanes_[0]->loop->context);
  ErrorCode error;
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(Acceptor::max_listen_connections, error);
  if (!error) endpoint = acceptor_->local_endpoint(error);
  if (error) return ListenError(error, core_->options);
  address_ = endpoint.address().to_string();
  port_ = endpoint.port();
  return {};
}

void HttpServer::Impl::Run() {
  Accept();
  for (size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    Sweep(lane);
    lane.thread =
        Thread(fmt::format("http-{}", i), [this, &lane](std::stop_token) { RunLane(lane); });
  }
}

void HttpServer::Impl::RunLane(Lane& lane) const {
  while (true) {
    try {
      lane.loop->context.run();
      return;
    } catch (const std::exception& error) {
      core_->env.log.Error("an event of the HTTP server failed", {{"error", error.what()}});
    }
  }
}

void HttpServer::Impl::Accept() {
  Lane& lane = *lanes_[next_lane_++ % lanes_.size()];
  acceptor_->async_accept(lane.loop->context,
                          [this, &lane](const ErrorCode& error, Connection::Socket socket) {
                            OnAccept(error, std::move(socket), lane);
                          });
}

void HttpServer::Impl::OnAccept(const ErrorCode& error, Connection::Socket socket, Lane& lane) {
  if (error == asio::error::operation_aborted) return;
  if (error == asio::error::connection_aborted && !core_->stopping) return Accept();
  if (error && core_->stopping) return;
  if (error) {
    // Out of file descriptors or memory: the queue of the kernel holds them meanwhile.
    core_->env.log.Warn("can't accept a connection", {{"error", error.message()}});
    accept_pause_->expires_after(kAcceptPause);
    accept_pause_->async_wait([this](const ErrorCode& cancelled) {
      if (!cancelled && !core_->stopping) Accept();
    });
    return;
  }
  size_t count = ++core_->connections;
  size_t limit = core_->options.connection_limit;
  if (count > limit + kRefusedConnections) {
    --core_->connections;
    core_->Refused("connections");
    ErrorCode ignored;
    socket.close(ignored);
    if (!core_->stopping) Accept();
    return;
  }
  auto welcome = count > limit ? Connection::Welcome::kRefuse : Connection::Welcome::kServe;
  auto connection = std::make_shared<Connection>(core_, lane.loop, std::move(socket));
  asio::dispatch(lane.loop->context, [connection, welcome] { connection->Start(welcome); });
  if (!core_->stopping) Accept();
}

/// Those that the kernel has accepted already may have sent a request: they get an answer.
void HttpServer::Impl::AcceptTheRest() {
  ErrorCode error;
  acceptor_->non_blocking(true, error);
  while (!error) {
    Lane& lane = *lanes_[next_lane_++ % lanes_.size()];
    Connection::Socket socket(lane.loop->context);
    acceptor_->accept(socket, error);
    if (!error) OnAccept(error, std::move(socket), lane);
  }
}

void HttpServer::Impl::Sweep(Lane& lane) {
  lane.sweep.expires_after(SweepInterval(core_->options));
  lane.sweep.async_wait([this, &lane](const ErrorCode& error) {
    if (error || lane.is_ending) return;
    MonoTime now = core_->env.clock.Mono();
    // A closed one takes itself off the list.
    std::vector<std::shared_ptr<Connection>> all(lane.loop->connections.begin(),
                                                 lane.loop->connections.end());
    for (const auto& connection : all) connection->Sweep(now);
    Sweep(lane);
  });
}

void HttpServer::Impl::ForEachConnection(void (Connection::*what)()) {
  for (const auto& lane : lanes_) {
    asio::post(lane->loop->context, [loop = lane->loop.get(), what] {
      std::vector<std::shared_ptr<Connection>> all(loop->connections.begin(),
                                                   loop->connections.end());
      for (const auto& connection : all) ((*connection).*what)();
    });
  }
}

void HttpServer::Impl::WaitWhile(std::chrono::nanoseconds limit,
                                 const std::function<bool()>& condition) const {
  Clock& clock = core_->env.clock;
  MonoTime until = clock.Mono() + limit;
  while (condition() && clock.Mono() < until) clock.SleepFor(kStopPause, {});
}

void HttpServer::Impl::EndLanes() {
  ForEachConnection(&Connection::Close);
  for (const auto& lane : lanes_) {
    asio::post(lane->loop->context, [lane = lane.get()] {
      lane->is_ending = true;
      lane->sweep.cancel();
      lane->work.reset();
    });
  }
}

void HttpServer::Impl::Stop(std::chrono::nanoseconds grace) {
  if (std::exchange(is_stopped_, true)) return;
  core_->stopping = true;
  asio::post(lanes_[0]->loop->context, [this] {
    AcceptTheRest();
    ErrorCode ignored;
    acceptor_->close(ignored);
    accept_pause_->cancel();
  });
  ForEachConnection(&Connection::OnStopping);
  WaitWhile(grace, [&] { return core_->connections > 0; });
  core_->stop.request_stop();
  WaitWhile(kCancelGrace, [&] { return core_->running > 0; });
  core_->pool.Shutdown();
  // From the loop that accepts: what it handed to the others is in their queues before this.
  asio::post(lanes_[0]->loop->context, [this] { EndLanes(); });
  for (const auto& lane : lanes_) lane->thread.Join();
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const Env& env, ServerOptions options,
                                                      Handler handler) {
  auto impl = std::make_unique<Impl>(env, std::move(options), std::move(handler));
  MORAINE_TRY(impl->Listen());
  impl->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->Stop(std::chrono::nanoseconds(0)); }

const std::string& HttpServer::address() const { return impl_->address(); }
uint16_t HttpServer::port() const { return impl_->port(); }
std::string HttpServer::base_url() const {
  bool is_v6 = address().find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}", is_v6 ? "[" : "", address(), is_v6 ? "]" : "", port());
}
ServerStats HttpServer::stats() const { return impl_->stats(); }
void HttpServer::Stop(std::chrono::nanoseconds grace) { impl_->Stop(grace); }

}  // namespace moraine::net
