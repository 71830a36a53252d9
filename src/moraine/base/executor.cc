#include "moraine/base/executor.h"

#include <cstdio>
#include <exception>
#include <new>

#include <fmt/format.h>
#include <pthread.h>

namespace moraine {

Thread::Thread(std::string name, std::function<void(std::stop_token)> body)
    : thread_([name = std::move(name), body = std::move(body)](std::stop_token stop) {
        // The kernel keeps 15 characters.
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        body(std::move(stop));
      }) {}

ThreadPool::ThreadPool(Options options) : options_(std::move(options)) {
  for (size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back(fmt::format("{}-{}", options_.name, i),
                          [this](std::stop_token) { Work(); });
  }
}

ThreadPool::~ThreadPool() { Shutdown(); }

Status ThreadPool::Submit(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Cancelled(fmt::format("the pool is shut down: {}", options_.name));
    if (queue_.size() >= options_.queue_limit) {
      return Exhausted(fmt::format("the queue of the pool is full: {}", options_.name));
    }
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
  return {};
}

void ThreadPool::Shutdown() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.Join();
}

size_t ThreadPool::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

void ThreadPool::Work() {
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closed_ || !queue_.empty(); });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      task();
    } catch (const std::exception& error) {
      // Out of memory, most likely; the thread serves on. Nobody waits for a task's outcome here.
      std::fprintf(stderr, "moraine: a task of %s ended early: %s\n", options_.name.c_str(),
                   error.what());
    } catch (...) {
      std::fprintf(stderr, "moraine: a task of %s ended early\n", options_.name.c_str());
    }
  }
}

namespace {

/// A body that throws has failed as one that says so.
Status RunBody(const std::function<Status(size_t)>& body, size_t index) {
  try {
    return body(index);
  } catch (const std::bad_alloc&) {
    return Exhausted("out of memory");
  } catch (const std::exception& error) {
    return Internal(error.what());
  }
}

/// Shared by the caller and its helpers; a helper that starts late finds nothing left and never
/// touches the body again.
struct Fan {
  std::mutex mutex;
  std::condition_variable done;
  size_t next = 0;
  size_t running = 0;
  size_t count = 0;
  size_t error_index = SIZE_MAX;
  Status error;
  const std::function<Status(size_t)>* body = nullptr;

  void Work() {
    std::unique_lock lock(mutex);
    while (next < count && error.ok()) {
      size_t index = next++;
      ++running;
      lock.unlock();
      Status status = RunBody(*body, index);
      lock.lock();
      --running;
      if (!status.ok() && index < error_index) {
        error_index = index;
        error = std::move(status);
      }
    }
    done.notify_all();
  }
};

}  // namespace

Status ForEach(Executor& pool, size_t count, size_t helpers,
               const std::function<Status(size_t)>& body) {
  auto fan = std::make_shared<Fan>();
  fan->count = count;
  fan->body = &body;
  for (size_t i = 0; i + 1 < count && i < helpers; ++i) {
    if (!pool.Submit([fan] { fan->Work(); }).ok()) break;
  }
  fan->Work();
  std::unique_lock lock(fan->mutex);
  fan->next = fan->count;
  fan->done.wait(lock, [&] { return fan->running == 0; });
  return fan->error;
}

}  // namespace moraine
