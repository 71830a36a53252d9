#pragma once
// Threads and bounded pools. Only base makes threads. A full queue answers Exhausted at once; a
// task never waits for a task of its own pool: fan-out goes through ForEach, in which the caller
// works too.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "moraine/base/status.h"

namespace moraine {

/// A named thread that is asked to stop and joined by its destructor.
class Thread {
 public:
  Thread() = default;
  Thread(std::string name, std::function<void(std::stop_token)> body);
  Thread(Thread&&) noexcept = default;
  Thread& operator=(Thread&&) noexcept = default;

  bool joinable() const { return thread_.joinable(); }
  void RequestStop() { thread_.request_stop(); }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::jthread thread_;
};

/// Runs tasks, some time, on some thread. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Errors: Exhausted when the queue is full, Cancelled after Shutdown; the task then never runs.
  virtual Status Submit(std::function<void()> task) = 0;
};

/// A fixed number of threads over one bounded queue.
class ThreadPool final : public Executor {
 public:
  struct Options {
    std::string name;
    size_t threads = 1;
    size_t queue_limit = 1024;
  };
  explicit ThreadPool(Options options);
  ~ThreadPool() override;

  Status Submit(std::function<void()> task) override;
  /// Refuses new tasks, finishes the queued ones, joins. Idempotent.
  void Shutdown();
  size_t queued() const;

 private:
  void Work();

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool closed_ = false;
  std::vector<Thread> threads_;
};

/// Runs every task at once, on the calling thread.
class InlineExecutor final : public Executor {
 public:
  Status Submit(std::function<void()> task) override {
    task();
    return {};
  }
};

/// Calls body(i) for every i in [0, count) on the caller and at most helpers threads of the pool;
/// returns the first error by index order and starts no further item after one. Safe inside a task
/// of the same pool: the caller makes progress alone if the pool gives no thread.
Status ForEach(Executor& pool, size_t count, size_t helpers,
               const std::function<Status(size_t)>& body);

}  // namespace moraine
