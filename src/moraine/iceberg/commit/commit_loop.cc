#include "moraine/iceberg/commit/commit_loop.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/file_deletion.h"

namespace moraine::iceberg {

namespace {

struct Backoff {
  int64_t retries = 0;
  Millis wait{0};
  Millis max_wait{0};
  MonoTime give_up;

  static Backoff Of(Call& call, const TableMetadata& table, const std::string& prefix,
                    int64_t retries, int64_t min_wait_ms) {
    Backoff backoff;
    backoff.retries = table.IntProperty(prefix + "num-retries", retries);
    backoff.wait =
        Millis(std::max<int64_t>(0, table.IntProperty(prefix + "min-wait-ms", min_wait_ms)));
    backoff.max_wait =
        Millis(std::max<int64_t>(0, table.IntProperty(prefix + "max-wait-ms", 60'000)));
    int64_t total = std::clamp<int64_t>(table.IntProperty(prefix + "total-timeout-ms", 1'800'000),
                                        0, 86'400'000);
    backoff.give_up = call.clock().Mono() + Millis(total);
    return backoff;
  }

  /// Waits with up to a tenth of jitter and doubles the wait. False: no time or no retry is left.
  bool Next(Call& call) {
    if (retries-- <= 0 || !call.Check().ok()) return false;
    Millis now_wait = std::min(wait, max_wait);
    Millis jitter(static_cast<int64_t>(
        call.random().Below(static_cast<uint64_t>(now_wait.count() / 10 + 1))));
    std::chrono::nanoseconds pause = now_wait + jitter;
    if (call.clock().Mono() + pause >= give_up || pause >= call.remaining()) return false;
    call.clock().SleepFor(pause, call.stop());
    wait = std::min(wait * 2, max_wait);
    return call.Check().ok();
  }
};

/// Best effort: what stays is only unreferenced, and maintenance finds it.
void RemoveLeftovers(Call& call, io::FileSystem& files, const DeletionProof& proof,
                     const std::vector<std::string>& paths) {
  if (paths.empty()) return;
  (void)DeleteFiles(call, files, proof, paths);
}

bool SameSnapshots(const TableMetadata& a, const TableMetadata& b) {
  return a.snapshots.size() == b.snapshots.size() &&
         a.last_sequence_number == b.last_sequence_number &&
         a.current_snapshot_id == b.current_snapshot_id;
}

/// Whether the snapshot is in the table after all. Errors: CommitUnknown, when that cannot be told.
Result<TablePtr> LookForSnapshot(Call& call, const CommitDoor& door, const TableMetadata& base,
                                 int64_t snapshot_id, Status unknown) {
  Backoff backoff = Backoff::Of(call, base, "commit.status-check.", 3, 1000);
  do {
    auto table = door.load(call);
    if (table.ok() && (*table)->FindSnapshot(snapshot_id) != nullptr) return *std::move(table);
    if (table.ok()) break;  // not there now, but a slow swap may still land
  } while (backoff.Next(call));
  return unknown;
}

}  // namespace

Result<CommitOutcome> CommitWithRetry(Call& call, io::FileSystem& files, SnapshotProducer& producer,
                                      const CommitDoor& door) {
  MORAINE_ASSIGN(TablePtr base, door.load(call));
  Backoff backoff = Backoff::Of(call, *base, "commit.retry.", 4, 100);
  for (int attempt = 1;; ++attempt) {
    auto prepared = producer.Prepare(call, base);
    Status refusal = prepared.status();
    if (prepared.ok()) {
      auto committed = door.commit(call, prepared->request);
      if (committed.ok()) {
        // The commit took the last attempt's files; no other will be asked for again.
        MORAINE_ASSIGN(DeletionProof proof,
                       DeletionProof::CommitRefused(Conflict("an earlier attempt")));
        RemoveLeftovers(call, files, proof, producer.unused_files());
        return CommitOutcome{*std::move(committed), std::move(prepared->snapshot), attempt};
      }
      refusal = committed.status();
    }
    if (refusal.code() == Code::kCommitUnknown) {
      MORAINE_ASSIGN(TablePtr table, LookForSnapshot(call, door, *base, producer.snapshot_id(),
                                                     std::move(refusal)));
      return CommitOutcome{std::move(table), std::move(prepared->snapshot), attempt};
    }
    // A base that somebody expired meanwhile has lost its manifests; a newer one has not.
    const bool stale = !prepared.ok() && refusal.code() == Code::kNotFound;
    const bool lost = prepared.ok() && refusal.code() == Code::kConflict;
    bool again = (lost || stale) && backoff.Next(call);
    if (again) {
      auto loaded = door.load(call);
      again = loaded.ok() && (lost || !SameSnapshots(**loaded, *base));
      if (again) base = *std::move(loaded);
    }
    if (!again) {
      MORAINE_ASSIGN(DeletionProof proof, DeletionProof::CommitRefused(refusal));
      RemoveLeftovers(call, files, proof, producer.written_files());
      return refusal;
    }
  }
}

}  // namespace moraine::iceberg
