#include "moraine/maintenance/step_writes.h"

#include <algorithm>
#include <set>
#include <utility>

namespace moraine::maintenance {
namespace {

using store::Access;
using store::Transaction;

constexpr size_t kMostTogether = 100;  ///< others who write wait meanwhile

/// The store can't be reached, or is not asked any more; or nobody knows whether it landed, and
/// then the rows say so in the next round.
bool IsForAll(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kDeadline ||
         status.code() == Code::kExhausted || status.code() == Code::kCommitUnknown;
}

}  // namespace

void StepWrites::Add(StepWrite write) {
  std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(write));
}

Result<size_t> StepWrites::Flush(Call& call, store::Shards& shards) {
  for (size_t done = 0;;) {
    std::vector<StepWrite> batch;
    {
      std::lock_guard lock(mutex_);
      batch.swap(waiting_);
    }
    if (batch.empty()) return done;
    for (size_t begin = 0; begin < batch.size(); begin += kMostTogether) {
      MORAINE_TRY(call.Check());
      done += WriteBatch(call, shards, batch, begin, std::min(begin + kMostTogether, batch.size()));
    }
  }
}

size_t StepWrites::WriteBatch(Call& call, store::Shards& shards,
                              const std::vector<StepWrite>& batch, size_t begin, size_t end) {
  Status all = shards.database().Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    std::set<int64_t> checked;
    for (size_t i = begin; i < end; ++i) {
      if (checked.insert(shards.ShardOf(batch[i].table_id)).second)
        MORAINE_TRY(shards.Check(t, batch[i].table_id));
      MORAINE_TRY(batch[i].body(t));
    }
    return {};
  });
  const bool is_final = all.ok() || end - begin == 1 || IsForAll(all) || !call.Check().ok();
  size_t done = 0;
  for (size_t i = begin; i < end; ++i) {
    const Status own = is_final ? all : shards.Write(call, batch[i].table_id, batch[i].body);
    done += own.ok() ? 1 : 0;
    batch[i].then(call, own);
  }
  return done;
}

}  // namespace moraine::maintenance
