// Sends one kind of HTTP request over some connections at once, each with the next one as soon as
// its answer is there, and prints one line of JSON: how many a second, how long they took, how many
// answers were wrong. One thread and epoll, so that it takes little of the cores it shares with the
// server.
//   load_client PORT CLIENTS SECONDS MOST TEMPLATE STATUS [BEGIN]
// MOST: as many requests at most, all clients together. TEMPLATE: a file with a request as it is
// sent, without Host and Content-Length. In it @c@ is the number of the client, @n@ how many of its
// requests have succeeded and one, @n-K@ and @n+K@ that less K (not below 0) or more, @k@ the
// number of the request modulo 100. An answer is right if it has the STATUS and its body begins
// with BEGIN.
//   load_client serve PORT BYTES
// answers every request with the same 200 and so many bytes: what the machine can do at all.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "moraine/base/check.h"
#include "moraine/base/json.h"
#include "moraine/base/text.h"

namespace moraine::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 256 << 10;
constexpr int64_t kModulo = 100;
/// A server that stays silent for so long is given up.
constexpr int kSilenceMs = 30'000;

/// Microseconds, in sixteen steps for each doubling.
class Histogram {
 public:
  void Add(int64_t microseconds) {
    auto value = static_cast<uint64_t>(std::max<int64_t>(microseconds, 0));
    ++counts_[Slot(value)];
    ++total_;
    largest_ = std::max(largest_, value);
  }
  /// Of all values that share is at most so much.
  double Quantile(double share) const {
    auto wanted = static_cast<int64_t>(share * static_cast<double>(total_));
    int64_t seen = 0;
    for (size_t slot = 0; slot < counts_.size(); ++slot) {
      seen += counts_[slot];
      if (seen > wanted) return static_cast<double>(std::min(Top(slot), largest_));
    }
    return static_cast<double>(largest_);
  }
  double largest() const { return static_cast<double>(largest_); }

 private:
  static size_t Slot(uint64_t value) {
    if (value < 16) return value;
    auto shift = static_cast<unsigned>(std::bit_width(value)) - 5;
    return (shift + 1) * 16 + ((value >> shift) & 15);
  }
  static uint64_t Top(size_t slot) {
    if (slot < 16) return slot;
    uint64_t shift = slot / 16 - 1;
    return ((16 + slot % 16 + 1) << shift) - 1;
  }

  std::vector<int64_t> counts_ = std::vector<int64_t>(1024);
  int64_t total_ = 0;
  uint64_t largest_ = 0;
};

/// A text with places to fill in.
class Template {
 public:
  explicit Template(std::string_view text) {
    while (true) {
      size_t at = text.find('@');
      size_t end = at == text.npos ? at : text.find('@', at + 1);
      if (end == text.npos) break;
      Piece piece{std::string(text.substr(0, at))};
      std::string_view name = text.substr(at + 1, end - at - 1);
      piece.what = name.empty() ? ' ' : name.front();
      MORAINE_CHECK(piece.what == 'c' || piece.what == 'n' || piece.what == 'k', std::string(name));
      if (name.size() > 2) piece.add = ParseInt64(name.substr(2)).value();
      if (name.size() > 2 && name[1] == '-') piece.add = -piece.add;
      pieces_.push_back(std::move(piece));
      text = text.substr(end + 1);
    }
    end_ = text;
  }
  bool fixed() const { return pieces_.empty(); }
  void Fill(int64_t client, int64_t next, int64_t number, std::string* out) const {
    for (const Piece& piece : pieces_) {
      out->append(piece.before);
      int64_t value = piece.what == 'c'   ? client
                      : piece.what == 'n' ? std::max<int64_t>(next + piece.add, 0)
                                          : number % kModulo;
      out->append(std::to_string(value));
    }
    out->append(end_);
  }

 private:
  struct Piece {
    std::string before;
    char what = ' ';
    int64_t add = 0;
  };
  std::vector<Piece> pieces_;
  std::string end_;
};

struct Job {
  uint16_t port = 0;
  int64_t clients = 1;
  double seconds = 1;
  int64_t most = 0;
  Template head{""};
  Template body{""};
  bool has_body = false;
  int status = 200;
  std::string begin;
};

/// Reads one answer after the other from a stream of bytes.
class AnswerReader {
 public:
  /// Takes all bytes; true once the answer is whole. What follows it is an error.
  bool Feed(std::string_view bytes) {
    while (!bytes.empty()) {
      MORAINE_CHECK(!done_, "bytes behind an answer");
      if (in_head_) {
        bytes = FeedHead(bytes);
      } else if (chunked_) {
        bytes = FeedChunk(bytes);
      } else {
        bytes = Take(bytes);
        done_ = left_ == 0;
      }
    }
    return done_;
  }
  void Next() {
    head_.clear();
    line_.clear();
    begin_.clear();
    in_head_ = true;
    chunked_ = closes_ = last_ = done_ = false;
    status_ = 0;
    left_ = body_bytes_ = 0;
  }
  int status() const { return status_; }
  /// The first of the body.
  const std::string& begin() const { return begin_; }
  int64_t body_bytes() const { return body_bytes_; }
  bool closes() const { return closes_; }

 private:
  std::string_view Take(std::string_view bytes) {
    auto part = static_cast<size_t>(std::min<int64_t>(left_, static_cast<int64_t>(bytes.size())));
    constexpr size_t kKept = 400;
    if (begin_.size() < kKept)
      begin_.append(bytes.substr(0, std::min(part, kKept - begin_.size())));
    left_ -= static_cast<int64_t>(part);
    body_bytes_ += static_cast<int64_t>(part);
    return bytes.substr(part);
  }

  std::string_view FeedHead(std::string_view bytes) {
    size_t before = head_.size();
    head_.append(bytes);
    size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == head_.npos) return {};
    in_head_ = false;
    bytes.remove_prefix(end + 4 - before);
    head_.resize(end);
    ParseHead();
    done_ = !chunked_ && left_ == 0;
    return bytes;
  }

  void ParseHead() {
    MORAINE_CHECK(head_.starts_with("HTTP/1.1 ") && head_.size() >= 12, head_);
    status_ = std::atoi(head_.c_str() + 9);
    std::string_view rest = head_;
    while (!rest.empty()) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      size_t colon = line.find(':');
      if (colon != 10 && colon != 14 && colon != 17) continue;  // of the names below
      std::string name = ToLowerAscii(line.substr(0, colon));
      std::string_view value = Trim(line.substr(colon + 1));
      if (name == "content-length") left_ = ParseInt64(value).value();
      if (name == "transfer-encoding") chunked_ = ToLowerAscii(value) == "chunked";
      if (name == "connection") closes_ = ToLowerAscii(value) == "close";
    }
    if (status_ == 204 || status_ == 304) left_ = 0;
  }

  std::string_view FeedChunk(std::string_view bytes) {
    if (left_ > 0) return Take(bytes);
    // A size, the line end behind a chunk, or the end of all: "\r\n1f\r\n", "\r\n0\r\n\r\n".
    line_.push_back(bytes.front());
    bytes.remove_prefix(1);
    if (!line_.ends_with("\r\n")) return bytes;
    std::string line = std::move(line_);
    line_.clear();
    line.resize(line.size() - 2);
    if (last_) {
      done_ = line.empty();
    } else if (!line.empty()) {
      left_ = std::strtoll(line.c_str(), nullptr, 16);
      last_ = left_ == 0;
    }
    return bytes;
  }

  std::string head_, line_, begin_;
  bool in_head_ = true, chunked_ = false, closes_ = false, last_ = false, done_ = false;
  int status_ = 0;
  int64_t left_ = 0, body_bytes_ = 0;
};

struct Client {
  int64_t number = 0;
  int socket = -1;
  int64_t next = 1;
  std::string request;
  size_t sent = 0;
  bool busy = false;
  Clock::time_point begun;
  AnswerReader answer;
};

class Load {
 public:
  explicit Load(const Job& job) : job_(job), clients_(static_cast<size_t>(job.clients)) {
    if (job_.head.fixed() && job_.body.fixed()) fixed_ = MakeRequest(clients_.front());
    for (size_t i = 0; i < clients_.size(); ++i) clients_[i].number = static_cast<int64_t>(i);
  }
  ~Load() {
    for (Client& client : clients_) close(client.socket);
    close(epoll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  std::string Run() {
    for (Client& client : clients_) Connect(client);
    const auto begin = Clock::now();
    end_ = begin +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(job_.seconds));
    for (Client& client : clients_) SendNext(client);
    std::vector<epoll_event> events(clients_.size());
    while (busy_ > 0) {
      int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kSilenceMs);
      MORAINE_CHECK(count > 0, "the server is silent");
      for (int i = 0; i < count; ++i) Read(clients_[events[static_cast<size_t>(i)].data.u64]);
    }
    return Report(std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  void Connect(Client& client) {
    client.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(job_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MORAINE_CHECK(
        connect(client.socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
        "cannot connect");
    int on = 1;
    setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(client.number);
    MORAINE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, client.socket, &event) == 0, "epoll");
  }

  std::string MakeRequest(const Client& client) {
    std::string request, body;
    job_.head.Fill(client.number, client.next, started_, &request);
    fmt::format_to(std::back_inserter(request), "Host: 127.0.0.1:{}\r\n", job_.port);
    if (job_.has_body) {
      job_.body.Fill(client.number, client.next, started_, &body);
      fmt::format_to(std::back_inserter(request), "Content-Length: {}\r\n", body.size());
    }
    return request + "\r\n" + body;
  }

  void SendNext(Client& client) {
    client.begun = Clock::now();
    if (client.begun >= end_ || started_ >= job_.most) return;
    client.request = fixed_.empty() ? MakeRequest(client) : fixed_;
    client.answer.Next();
    ++started_;
    ++busy_;
    // A blocking socket: requests are small beside what it holds.
    for (size_t sent = 0; sent < client.request.size();) {
      ssize_t bytes = send(client.socket, client.request.data() + sent,
                           client.request.size() - sent, MSG_NOSIGNAL);
      MORAINE_CHECK(bytes > 0, "cannot send");
      sent += static_cast<size_t>(bytes);
    }
  }

  void Read(Client& client) {
    ssize_t bytes = recv(client.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
    bool whole = bytes > 0 && client.answer.Feed({buffer_.data(), static_cast<size_t>(bytes)});
    if (bytes > 0 && !whole) return;
    --busy_;
    Check(client, whole);
    if (!whole || client.answer.closes()) {
      close(client.socket);
      Connect(client);
    }
    SendNext(client);
  }

  void Check(Client& client, bool whole) {
    auto spent = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - client.begun);
    const AnswerReader& answer = client.answer;
    if (whole && answer.status() == job_.status && answer.begin().starts_with(job_.begin)) {
      latency_.Add(spent.count());
      body_bytes_ += answer.body_bytes();
      ++right_;
      ++client.next;
      return;
    }
    ++wrong_;
    if (sample_.empty()) {
      sample_ = whole ? fmt::format("{} {}", answer.status(), answer.begin()) : "hung up";
    }
  }

  std::string Report(double seconds) const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    Json report = Json::MakeObject();
    report.Set("requests", right_);
    report.Set("errors", wrong_);
    report.Set("error", sample_);
    report.Set("seconds", seconds);
    report.Set("per_s", static_cast<double>(right_) / seconds);
    report.Set("p50_ms", latency_.Quantile(0.5) / 1000);
    report.Set("p99_ms", latency_.Quantile(0.99) / 1000);
    report.Set("max_ms", latency_.largest() / 1000);
    report.Set("bytes", right_ == 0 ? 0 : body_bytes_ / right_);
    report.Set("client_cpu_s", cpu);
    return report.ToString();
  }

  const Job& job_;
  std::vector<Client> clients_;
  std::string fixed_;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  Clock::time_point end_;
  int64_t started_ = 0, busy_ = 0, right_ = 0, wrong_ = 0, body_bytes_ = 0;
  std::string sample_;
  Histogram latency_;
};

Job ReadJob(char** argv, int argc) {
  Job job;
  job.port = static_cast<uint16_t>(std::atoi(argv[1]));
  job.clients = std::atoll(argv[2]);
  job.seconds = std::atof(argv[3]);
  job.most = std::atoll(argv[4]);
  std::ifstream file(argv[5], std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  MORAINE_CHECK(file.good() || !text.empty(), argv[5]);
  size_t end = text.find("\r\n\r\n");
  MORAINE_CHECK(end != text.npos, "the template has no end of its header");
  job.head = Template(std::string_view(text).substr(0, end + 2));
  job.body = Template(std::string_view(text).substr(end + 4));
  job.has_body = text.size() > end + 4;
  job.status = std::atoi(argv[6]);
  if (argc > 7) job.begin = argv[7];
  return job;
}

/// The least that a server can do: no parser, no thread but this one.
[[noreturn]] void Serve(uint16_t port, size_t bytes) {
  const std::string answer = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", bytes,
      std::string(bytes, 'x'));
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  MORAINE_CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
                "bind");
  MORAINE_CHECK(listen(listener, 1024) == 0, "listen");
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  auto watch = [&](int socket) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    MORAINE_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0, "epoll");
  };
  watch(listener);
  std::vector<epoll_event> events(256);
  std::vector<char> buffer(64 << 10);
  for (;;) {
    int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      int socket = events[static_cast<size_t>(i)].data.fd;
      if (socket == listener) {
        int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        watch(client);
        continue;
      }
      ssize_t got = recv(socket, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        close(socket);
        continue;
      }
      // Each client waits for its answer: what came is one request without a body.
      for (size_t sent = 0; sent < answer.size();) {
        ssize_t put = send(socket, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (put <= 0) break;
        sent += static_cast<size_t>(put);
      }
    }
  }
}

}  // namespace
}  // namespace moraine::bench

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "serve") {
    moraine::bench::Serve(static_cast<uint16_t>(std::atoi(argv[2])),
                          static_cast<size_t>(std::atoll(argv[3])));
  }
  if (argc < 7) {
    std::fputs("usage: load_client PORT CLIENTS SECONDS MOST TEMPLATE STATUS [BEGIN]\n", stderr);
    return 2;
  }
  moraine::bench::Job job = moraine::bench::ReadJob(argv, argc);
  std::puts(moraine::bench::Load(job).Run().c_str());
  return 0;
}
