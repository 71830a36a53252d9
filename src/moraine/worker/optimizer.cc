#include "moraine/worker/optimizer.h"

#include <algorithm>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/run_task.h"

namespace moraine::worker {
namespace {

using tasks::HandedTask;
using tasks::TaskKey;

constexpr Millis kRequestLimit{30'000};
constexpr Millis kGoodbyeLimit{3'000};
constexpr Millis kFirstPause{200};
constexpr Millis kLastPause{10'000};
constexpr int kReportTries = 20;

/// Waits longer after each failure in a row.
class Pause {
 public:
  void Reset() { next_ = kFirstPause; }
  void Wait(Clock& clock, const std::stop_token& stop) {
    clock.SleepFor(next_, stop);
    next_ = std::min(next_ * 2, kLastPause);
  }

 private:
  Millis next_ = kFirstPause;
};

/// What an exception is to the caller: it would end the process, and a server with it that runs
/// optimizers of its own.
template <typename T, typename Body>
Result<T> Guarded(const Body& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {  // as it is now
    return Exhausted("there is no memory left for the task");
  } catch (const std::exception& e) {
    return Internal(fmt::format("the task ended by an exception: {}", e.what()));
  }
}

class Optimizer {
 public:
  Optimizer(const Env& env, std::stop_token stop, tasks::TaskTransport& transport,
            io::FileSystem& files, const OptimizerOptions& options)
      : env_(env),
        stop_(std::move(stop)),
        transport_(transport),
        files_(files),
        options_(options) {}

  void Run() {
    if (!Register().ok()) return;
    {
      std::vector<Thread> threads;
      for (int32_t i = 0; i < options_.threads; ++i) {
        threads.emplace_back(fmt::format("optimizer-{}", i),
                             [this, i](std::stop_token) { Work(i); });
      }
      Beat();
      for (auto& thread : threads) thread.Join();
    }
    // The stop has been requested: this call must not end with it.
    Call call(env_, kGoodbyeLimit);
    (void)transport_.Unregister(call, Token());
  }

 private:
  struct Running {
    TaskKey key;
    std::string token;  ///< that it was given to
    rewrite::RewriteProgress progress;
    upkeep::JobProgress job_progress;
    std::stop_source cancel;
  };

  std::string Token() {
    std::lock_guard lock(mutex_);
    return token_;
  }

  /// Until it is registered; Cancelled when the stop came first.
  Status Register() {
    tasks::RegisterRequest request;
    request.group = options_.group;
    request.threads = options_.threads;
    request.memory_bytes = options_.memory_bytes;
    request.embedded = options_.embedded;
    request.host = options_.host;
    request.pid = options_.pid;
    request.version = MORAINE_VERSION;
    Pause pause;
    while (!stop_.stop_requested()) {
      Call call(env_, kRequestLimit, stop_);
      auto reply = transport_.Register(call, request);
      if (reply.ok()) {
        std::lock_guard lock(mutex_);
        token_ = reply->token;
        heartbeat_interval_ = Millis(std::max<int64_t>(100, reply->heartbeat_interval_ms));
        poll_timeout_ = Millis(std::max<int64_t>(100, reply->poll_timeout_ms));
        return {};
      }
      env_.log.Warn("can't register with the server, will try again",
                    {{"error", reply.status().ToString()}});
      pause.Wait(env_.clock, stop_);
    }
    return Cancelled("stopped");
  }

  /// Another thread may have renewed the token already.
  void RenewToken(const std::string& forgotten) {
    std::lock_guard renewing(register_mutex_);
    if (Token() == forgotten) (void)Register();
  }

  void Work(int32_t thread) {
    Pause pause;
    while (!stop_.stop_requested()) {
      std::string token = Token();
      Millis timeout;
      {
        std::lock_guard lock(mutex_);
        timeout = poll_timeout_;
      }
      Call call(env_, timeout, stop_);
      auto task =
          Guarded<std::optional<HandedTask>>([&] { return transport_.Poll(call, token, thread); });
      if (!task.ok()) {
        if (task.status().code() == Code::kNotFound) {
          RenewToken(token);
        } else {
          pause.Wait(env_.clock, stop_);
        }
        continue;
      }
      pause.Reset();
      if (*task) RunTask(token, std::move(**task));
    }
  }

  void RunTask(const std::string& token, HandedTask handed) {
    {
      Call call(env_, kRequestLimit, stop_);
      if (!transport_.Acknowledge(call, token, handed.key).ok()) return;
    }
    auto running = std::make_shared<Running>();
    running->key = handed.key;
    running->token = token;
    {
      std::lock_guard lock(mutex_);
      running_.push_back(running);
    }
    std::stop_callback on_stop(stop_, [&] { running->cancel.request_stop(); });
    MonoTime begun = env_.clock.Mono();
    Call call(env_, Millis(handed.timeout_ms), running->cancel.get_token());
    tasks::TaskReport report = Execute(call, std::move(handed), running.get());
    report.token = token;
    env_.log.Info("task ended",
                  {{"process", report.key.process_id},
                   {"task", report.key.task_id},
                   {"attempt", report.key.attempt},
                   {"error", report.error},
                   {"ms", std::chrono::duration_cast<Millis>(env_.clock.Mono() - begun).count()}});
    // Still beating while it reports, so that the server does not take the task away.
    Report(report);
    std::lock_guard lock(mutex_);
    std::erase(running_, running);
  }

  tasks::TaskReport Execute(Call& call, HandedTask handed, Running* running) {
    tasks::TaskReport report;
    report.key = handed.key;
    auto output = Guarded<std::string>([&] { return RunByKind(call, std::move(handed), running); });
    if (output.ok()) {
      report.output_json = *std::move(output);
    } else {
      report.error_code = CodeName(output.status().code());
      report.error = output.status().message();
    }
    return report;
  }

  /// The output's JSON. Of the task's, which may be large, nothing is kept while it runs.
  Result<std::string> RunByKind(Call& call, HandedTask handed, Running* running) {
    MORAINE_ASSIGN(const std::string kind, tasks::KindOfTask(handed.task_json));
    if (kind == "rewrite") return Rewrite(call, std::move(handed), running);
    return Maintain(call, std::move(handed), running);
  }

  Result<std::string> Rewrite(Call& call, HandedTask handed, Running* running) {
    MORAINE_ASSIGN(const auto task, tasks::RewriteTaskFromJson(handed.task_json));
    handed.task_json = std::string();
    rewrite::RewriteOptions options;
    options.memory_bytes = options_.memory_bytes;
    options.spill_folder = options_.spill_folder;
    const MonoTime begun = env_.clock.Mono();
    MORAINE_ASSIGN(auto output,
                   rewrite::RunRewrite(call, files_, task, options, &running->progress));
    output.duration_ms = std::chrono::duration_cast<Millis>(env_.clock.Mono() - begun).count();
    return tasks::RewriteOutputToJson(output, task);
  }

  Result<std::string> Maintain(Call& call, HandedTask handed, Running* running) {
    MORAINE_ASSIGN(const auto task, tasks::MaintenanceTaskFromJson(handed.task_json));
    handed.task_json = std::string();
    const MonoTime begun = env_.clock.Mono();
    MORAINE_ASSIGN(auto output,
                   upkeep::RunMaintenanceTask(call, files_, task,
                                              {options_.memory_bytes, options_.spill_folder},
                                              &running->job_progress));
    output.duration_ms = std::chrono::duration_cast<Millis>(env_.clock.Mono() - begun).count();
    return tasks::MaintenanceOutputToJson(output);
  }

  void Report(const tasks::TaskReport& report) {
    Pause pause;
    for (int i = 0; i < kReportTries; ++i) {
      // A clean end still tells the server what was given up.
      Call call(env_, stop_.stop_requested() ? kGoodbyeLimit : kRequestLimit);
      Status status = transport_.Report(call, report);
      bool again = status.code() == Code::kUnavailable || status.code() == Code::kDeadline ||
                   status.code() == Code::kExhausted || status.code() == Code::kCommitUnknown;
      if (!again || stop_.stop_requested()) return;
      pause.Wait(env_.clock, stop_);
    }
  }

  /// Until the stop: heartbeats with what runs, and cancels what the server no longer wants.
  void Beat() {
    while (!stop_.stop_requested()) {
      Millis interval;
      tasks::HeartbeatRequest request;
      {
        std::lock_guard lock(mutex_);
        interval = heartbeat_interval_;
        request.token = token_;
        for (const auto& running : running_) {
          const int64_t bytes = running->progress.bytes_read + running->job_progress.bytes_read;
          request.running.push_back({running->key, bytes, running->progress.rows_read,
                                     running->progress.rows_written, running->job_progress.files});
        }
      }
      Call call(env_, kRequestLimit, stop_);
      auto reply = transport_.Heartbeat(call, request);
      if (reply.ok()) {
        CancelRunning(reply->cancel);
      } else if (reply.status().code() == Code::kNotFound) {
        // The server has given the tasks to others; a thread that heard so first may have new ones.
        CancelThoseOf(request.token);
        RenewToken(request.token);
      }
      env_.clock.SleepFor(interval, stop_);
    }
  }

  void CancelRunning(const std::vector<TaskKey>& keys) {
    std::lock_guard lock(mutex_);
    for (auto& running : running_) {
      if (std::find(keys.begin(), keys.end(), running->key) != keys.end())
        running->cancel.request_stop();
    }
  }

  void CancelThoseOf(const std::string& token) {
    std::lock_guard lock(mutex_);
    for (auto& running : running_) {
      if (running->token == token) running->cancel.request_stop();
    }
  }

  const Env env_;
  const std::stop_token stop_;
  tasks::TaskTransport& transport_;
  io::FileSystem& files_;
  const OptimizerOptions options_;
  std::mutex register_mutex_;
  std::mutex mutex_;
  std::string token_;
  Millis heartbeat_interval_{5'000};
  Millis poll_timeout_{20'000};
  std::vector<std::shared_ptr<Running>> running_;
};

}  // namespace

void RunOptimizer(const Env& env, std::stop_token stop, tasks::TaskTransport& transport,
                  io::FileSystem& files, const OptimizerOptions& options) {
  Optimizer(env, std::move(stop), transport, files, options).Run();
}

}  // namespace moraine::worker
