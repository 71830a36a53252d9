#pragma once
// Rights to do something alone for a while, kept as rows: what several servers on one store share
// out between them. A lease ends by itself when its holder is gone. Its epoch grows whenever it
// changes hands, and whoever writes under a lease checks it in the same transaction: a holder that
// slept too long writes nothing (docs/design/0015-replicas.md). Times are by the store's clock, so
// those of the servers need not agree.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/store/database.h"

namespace moraine::store {

struct Lease {
  std::string name;
  std::string holder;      ///< "": nobody
  int64_t epoch = 0;       ///< one more each time it changes hands
  int64_t expires_ms = 0;  ///< by the store's clock
  bool operator==(const Lease&) const = default;
};

/// Makes the table; called once at start.
Status OpenLeases(Call& call, Database& database);

/// The lease, until length from now: if it is free, has run out, or is this holder's already, which
/// then keeps its epoch. nullopt: another one has it. A holder's name is that of one run of one
/// process.
Result<std::optional<Lease>> AcquireLease(Transaction& t, const std::string& name,
                                          const std::string& holder, Millis length);
/// Puts off its end; *lease says until when. Cancelled: another one has it.
Status RenewLease(Transaction& t, Lease* lease, Millis length);
/// Others may have it at once. Nothing happens to one that was lost.
Status ReleaseLease(Transaction& t, const Lease& lease);
/// The guard of every write under a lease. Cancelled: another one has it, or may have had it. A
/// lease that has run out and that nobody took is as good as before.
Status CheckLease(Transaction& t, const Lease& lease);

/// Leases whose names start with the prefix (not empty), by name, those of nobody and those that
/// have run out among them.
Result<std::vector<Lease>> LeasesBelow(Transaction& t, const std::string& prefix);
/// Forgets those of them that ran out before then. For names that are never used again: an epoch
/// starts anew.
Status ForgetLeasesBelow(Transaction& t, const std::string& prefix, int64_t before_ms);

}  // namespace moraine::store
