#pragma once
// The loop of work that the servers of one store share out by shards: rounds that go on as long as
// there is something to do, else sleep until a timer may be due or somebody wakes them, while the
// leases are renewed beside them. Optimizing and maintenance each have one.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/store/shards.h"

namespace moraine::store {

/// Shared by the servers; a store that is one process's has no others to share with. holder: this
/// run of this process, unlike any other's; "": alone.
ShardOptions SharedDuty(const Database& database, std::string duty, std::string holder,
                        Millis lease_length);

/// Thread-safe; Run is for one thread.
class WorkLoop {
 public:
  using Step = std::function<Status(Call&)>;

  /// Borrows the shards. duty: for the log and the names of threads. idle_tick: rounds are no
  /// further apart. keep_every: at least so often is what has to be kept.
  WorkLoop(Shards& shards, std::string duty, Millis idle_tick, Millis keep_every);

  /// Wakes the loop. Cheap.
  void Wake();
  /// Runs rounds until the stop; one that was busy is followed by the next at once. keep runs
  /// beside them, whatever they take, after the leases were renewed; not if the server is alone.
  /// Gives the shards back at the end.
  void Run(const Env& env, std::stop_token stop, const std::function<Result<bool>(Call&)>& round,
           const Step& keep);
  /// Runs a step of a round; one that fails is logged and will be tried again in the next round.
  /// True when something was done.
  bool Try(Call& call, std::string_view name, const std::function<Result<bool>()>& step) const;
  /// Of steps that count what they do.
  bool TrySome(Call& call, std::string_view name,
               const std::function<Result<size_t>()>& step) const;

 private:
  void Rounds(const Env& env, const std::stop_token& stop,
              const std::function<Result<bool>(Call&)>& round);
  void Keep(const Env& env, const std::stop_token& stop, const Step& keep);

  Shards& shards_;
  const std::string duty_;
  const Millis idle_tick_;
  const Millis keep_every_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  bool wake_ = false;  // under mutex_
};

}  // namespace moraine::store
