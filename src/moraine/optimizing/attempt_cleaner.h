#pragma once
// Removes the files of attempts that nobody may commit any more: refused, failed, given up, or of a
// process that ended without them. Each is a row of "deletion" from the moment that is decided, in
// the transaction that decides it, so that a restart goes on where the work stopped. A worker that
// was not told may still write: such an attempt is looked at a second time, when it must be over.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "moraine/io/file_system.h"
#include "moraine/optimizing/options.h"
#include "moraine/store/shards.h"
#include "moraine/tasks/optimizer_protocol.h"

namespace moraine::optimizing {

struct DeadAttempt {
  tasks::TaskKey key;
  /// Every file of the attempt starts so; of an attempt that was committed, the whole name of the
  /// one file that no commit names (its position map).
  std::string prefix;
  int64_t may_write_until_ms = 0;  ///< 0: it has ended
};

/// Writes down that the files of these attempts are to go.
Status RecordDeadAttempts(store::Transaction& t, int64_t table_id,
                          const std::vector<DeadAttempt>& attempts, int64_t now_ms);
/// Tries at the commit are going to write deletes that are carried over below these attempts (their
/// keys, with the prefix of such files). While the rows are held nothing is removed: it is not
/// known which try lands. Rows that are there already stay.
Status HoldCarried(store::Transaction& t, int64_t table_id,
                   const std::vector<DeadAttempt>& attempts, int64_t now_ms);
/// In the transaction that ends the process: what tries have written is removed, but for files of
/// the one that landed, which start with one of these prefixes. An attempt that has none of them
/// goes as a whole, or is not known to be refused: then its files stay.
Status SettleCarried(store::Transaction& t, const std::string& process_id,
                     const std::vector<std::string>& landed, int64_t now_ms);
/// Somebody reports for an attempt that is gone: its files are looked for at once.
Status LookForFilesOf(store::Transaction& t, const tasks::TaskKey& key, int64_t now_ms);
/// Prefixes that still have a row, sorted.
Result<std::vector<std::string>> DeadPrefixes(store::Transaction& t, size_t limit);

/// Thread-safe.
class AttemptCleaner {
 public:
  AttemptCleaner(io::FileSystem& files, store::Shards& shards, Options options)
      : files_(files), shards_(shards), options_(std::move(options)) {}

  /// Removes the files of rows of this server's tables that are due. What can't be removed now is
  /// tried again later.
  Status Tick(Call& call);

 private:
  struct Item;
  Status Remove(Call& call, const Item& item);

  io::FileSystem& files_;
  store::Shards& shards_;
  const Options options_;
};

}  // namespace moraine::optimizing
