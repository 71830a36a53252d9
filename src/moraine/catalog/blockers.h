#pragma once
// Blockers: a writer keeps others off a table for a while - optimizing, maintenance, other batch
// writers - and says so again before the time is over, or releases it. Rows of the store, so that
// every server sees them; times by the store's clock. A blocker keeps things from starting: what
// runs already goes on, and its commit has its own checks. Asked by optimizing and maintenance;
// taken through the management API.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

/// Operations beside those of maintenance, which go by the names of its actions.
inline constexpr char kOptimizeOperation[] = "optimize";
/// Batch writers that must be alone take this one; no two hold it.
inline constexpr char kWriteOperation[] = "write";
/// Optimizing and all of maintenance.
inline constexpr char kAllOperations[] = "all";

struct Blocker {
  std::string id;  ///< a UUID
  int64_t table_id = 0;
  std::vector<std::string> operations;
  bool exclusive = false;  ///< nobody else may hold any of its operations
  std::string owner;       ///< as the writer calls itself
  std::string taken_by;    ///< principal; "": nobody in particular
  int64_t taken_ms = 0;
  int64_t length_ms = 0;  ///< what a renewal adds
  int64_t expires_ms = 0;

  bool Blocks(std::string_view operation) const;
};

inline constexpr Millis kDefaultBlockerLength{60'000};
inline constexpr Millis kLeastBlockerLength{1'000};
inline constexpr Millis kMostBlockerLength{24LL * 3'600'000};

struct NewBlocker {
  std::vector<std::string> operations;  ///< not empty
  bool exclusive = false;
  std::string owner;
  Millis length = kDefaultBlockerLength;
};

/// Thread-safe.
class Blockers {
 public:
  /// Called in the transaction in which a blocker of the table ends before it was to: who waits for
  /// its end need wait no longer.
  using EndsEarly = std::function<Status(store::Transaction&, int64_t table_id)>;

  explicit Blockers(store::Database& database, EndsEarly ends_early = nullptr)
      : database_(database), ends_early_(std::move(ends_early)) {}
  /// Makes the table of the store.
  Status Open(Call& call);

  /// Errors: InvalidArgument; Conflict where it, or one that is there, is exclusive and they share
  /// an operation (the message names the owner and until when); Exhausted beyond 100 of a table.
  Result<Blocker> Take(Call& call, int64_t table_id, const NewBlocker& wanted);
  /// Puts off its end, by its own length unless another is given. Errors: NotFound when it is
  /// released or has expired: then the table may have been worked on since.
  Result<Blocker> Renew(Call& call, int64_t table_id, const std::string& id,
                        std::optional<Millis> length);
  /// Whether it was still there.
  Result<bool> Release(Call& call, int64_t table_id, const std::string& id);
  /// Those that have not expired, the oldest first.
  Result<std::vector<Blocker>> List(Call& call, int64_t table_id);
  /// Forgets those that have expired.
  Status Trim(Call& call);

 private:
  Status EndedEarly(store::Transaction& t, int64_t table_id) const;

  store::Database& database_;
  EndsEarly ends_early_;
};

/// The blocker of the operation that lasts longest, if there is one.
Result<std::optional<Blocker>> FindBlocker(store::Transaction& t, int64_t table_id,
                                           std::string_view operation);
/// "blocked by nightly-load (optimize) until 2026-11-22T19:31:00.123Z".
std::string Explain(const Blocker& blocker);

}  // namespace moraine::catalog
