#pragma once
// Work that is parted by a number (the id of a table, say) and shared out between all servers on
// one store: a lease for each shard, and one that says that the server lives. Each server takes its
// fair share; a dead one's is taken over when its leases have run out, a stopped one's at once. A
// store of one process has no leases: all the work is its own.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/store/database.h"
#include "moraine/store/lease.h"

namespace moraine::store {

struct ShardOptions {
  std::string duty;     ///< what the work is, as leases are named: "optimizing"
  std::string holder;   ///< this run of this process, unlike any other's; "": alone
  int64_t shards = 16;  ///< the same on all servers
  Millis length{6'000};
};

/// Thread-safe; Keep, Has and Write are for one thread that works, any other may call Tick.
class Shards {
 public:
  Shards(Database& database, ShardOptions options);

  /// Makes the leases' table.
  Status Open(Call& call);
  /// Renews what is held, takes what is free up to the fair share and gives back what is beyond
  /// it. To be called every interval(), whatever the work takes meanwhile.
  Status Tick(Call& call);
  /// As Tick, if it is time for one.
  Status Keep(Call& call);
  Millis interval() const { return std::min(options_.length / 3, Millis(2'000)); }
  /// Others may go on at once; nothing is taken any more.
  Status Release(Call& call);

  bool alone() const { return options_.holder.empty(); }
  /// From here on the work is done under the leases that are held now, until the next term: what
  /// was read before a lease was lost is not written after it came back.
  void StartTerm();
  /// Whether this server looks after that piece of work, as far as it knows.
  bool Has(Call& call, int64_t number) const { return HasShard(call, number % options_.shards); }
  /// The same of what is done once for all of it, which goes with the first shard.
  bool Leads(Call& call) const { return HasShard(call, 0); }
  /// What rows of this server's pieces have in common, as a condition of SQL about the column:
  /// " AND ...", or "" for all rows.
  std::string Filter(Call& call, std::string_view column) const;
  /// Leads since so long that the others have had the time to say that they live.
  bool KnowsTheDead(Call& call) const;
  /// Runs body in a transaction that writes only as long as the piece of work is this server's.
  /// Cancelled: it is another's now.
  Status Write(Call& call, int64_t number, const std::function<Status(Transaction&)>& body);
  /// The same for what is done once.
  Status WriteAsLeader(Call& call, const std::function<Status(Transaction&)>& body);
  /// The guard alone, for transactions that others run.
  Status Check(Transaction& t, int64_t number) const;
  /// One check of a transaction goes for all pieces of the same shard.
  int64_t ShardOf(int64_t number) const { return number % options_.shards; }

  Database& database() { return database_; }
  /// The store's time as far as it is known without asking.
  int64_t NowMs(Call& call) const { return ToMillis(call.clock().Wall()) + ahead_ms_; }
  size_t held() const;
  /// Servers that share the work, this one among them.
  size_t members() const;

 private:
  struct Held {
    Lease lease;
    MonoTime until;  ///< afterwards another one may have it
    MonoTime since;
  };
  struct Round;

  /// Of the term, if it is still held. Under mutex_.
  const Held* Find(Call& call, int64_t shard) const;
  bool HasShard(Call& call, int64_t shard) const;
  Status CheckShard(Transaction& t, int64_t shard) const;
  Status DoRound(Transaction& t, Round* round);
  void Learn(Call& call, const Round& round, MonoTime begun);

  Database& database_;
  const ShardOptions options_;
  std::atomic<int64_t> ahead_ms_ = 0;
  std::mutex tick_mutex_;  // one round at a time
  mutable std::mutex mutex_;
  std::map<int64_t, Held> held_;   // under mutex_
  std::map<int64_t, Lease> term_;  // under mutex_
  size_t members_ = 1;             // under mutex_
  std::optional<MonoTime> last_;   // under mutex_, the last round that went well
  bool closed_ = false;            // under mutex_
};

/// What one round does.
struct ShardDecision {
  std::vector<int64_t> take, give;
  size_t members = 0;  ///< with this server
};

/// Pure. leases: all of the duty; a shard that another one holds is left alone until it has run
/// out.
ShardDecision DecideShards(const std::vector<Lease>& leases, const ShardOptions& options,
                           int64_t now_ms);

/// The lease of a shard, and that which a server of this name keeps as long as it lives.
std::string ShardLeaseName(const std::string& duty, int64_t shard);
std::string MemberLeaseName(const std::string& duty, const std::string& holder);
/// What the latter start with.
std::string MemberPrefix(const std::string& duty);

}  // namespace moraine::store
