#pragma once
// Tasks (rewrites of processes, and those of maintenance: jobs.h) and optimizers as rows, and the
// protocol over them. A task is planned -> scheduled (handed
// out) -> acknowledged -> succeeded or failed; it goes back to planned when its optimizer is lost,
// its attempt timed out or it may be tried again. Every answer is decided by rows, so a restart
// changes nothing.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/optimizing/options.h"
#include "moraine/store/database.h"
#include "moraine/tasks/rewrite_task.h"
#include "moraine/tasks/task_transport.h"

namespace moraine::optimizing {

struct OptimizerInfo {
  std::string token;
  std::string group;
  int64_t threads = 0;
  int64_t memory_bytes = 0;
  std::string host;
  int64_t pid = 0;
  std::string version;
  bool embedded = false;
  int64_t registered_ms = 0;
  int64_t heartbeat_ms = 0;
  int64_t running_tasks = 0;
};

/// Thread-safe.
class TaskQueue final : public tasks::TaskTransport {
 public:
  TaskQueue(store::Database& database, Options options);

  Result<tasks::RegisterReply> Register(Call& call, const tasks::RegisterRequest& request) override;
  Result<std::optional<tasks::HandedTask>> Poll(Call& call, const std::string& token,
                                                int32_t thread) override;
  Status Acknowledge(Call& call, const std::string& token, const tasks::TaskKey& key) override;
  Result<tasks::HeartbeatReply> Heartbeat(Call& call,
                                          const tasks::HeartbeatRequest& request) override;
  /// A success that can't be read, or names files that are not the attempt's, fails the attempt
  /// and gives InvalidArgument. Files of attempts that are over are written down for removal.
  Status Report(Call& call, const tasks::TaskReport& report) override;
  Status Unregister(Call& call, const std::string& token) override;

  /// One look for a task, without waiting: what a parked HTTP poll calls when it is woken.
  Result<std::optional<tasks::HandedTask>> TryPoll(Call& call, const std::string& token,
                                                   int32_t thread);

  /// Puts back what lost optimizers and timed out attempts hold; forgets lost optimizers.
  Status ReclaimTick(Call& call);
  /// Embedded optimizers of servers that no longer live are gone with them. For who knows the dead.
  Status ForgetDeadServers(Call& call);
  /// Where other servers make tasks, too: announces those that are new. To be called every second.
  Status WatchTick(Call& call);
  /// At start: embedded optimizers of the process before are gone.
  Status ForgetEmbedded(Call& call);
  /// Threads of the live optimizers of a group.
  Result<int64_t> GroupThreads(Call& call, const std::string& group);
  Result<std::vector<OptimizerInfo>> Optimizers(Call& call);

  /// Called without locks when a task has ended or an optimizer came: the loops of the services
  /// look then. Each is added, before the first call of another thread.
  void OnProgress(std::function<void()> listener) { on_progress_.push_back(std::move(listener)); }
  /// Called likewise when a task of a job (jobs.h) has ended, before those of OnProgress.
  void OnJobTask(std::function<void(const std::string& job_id)> listener) {
    on_job_task_.push_back(std::move(listener));
  }
  /// Called without locks when new tasks are there: parked polls look then.
  void OnWork(std::function<void()> listener) { on_work_ = std::move(listener); }
  /// The service has made tasks: wakes pollers.
  void AnnounceWork();
  /// Grows with every announcement: whoever parks looks whether it grew since it found nothing.
  uint64_t work_count();

 private:
  /// Whose turn it is among rewrites and maintenance, for one group.
  struct Turn {
    double credit = 0;     ///< of maintenance: at 1 the next task is its
    std::string last_job;  ///< that was served: the one behind it comes next
  };

  void Progress() {
    for (const auto& listener : on_progress_) listener();
  }
  Turn TurnOf(const std::string& group);

  store::Database& database_;
  const Options options_;
  std::vector<std::function<void()>> on_progress_;
  std::vector<std::function<void(const std::string&)>> on_job_task_;
  std::function<void()> on_work_;
  std::mutex mutex_;
  std::condition_variable_any work_;
  uint64_t work_count_ = 0;            // under mutex_
  std::string seen_work_;              // under mutex_, by WatchTick
  std::map<std::string, Turn> turns_;  // under mutex_; fair on each server is fair on all
};

}  // namespace moraine::optimizing
