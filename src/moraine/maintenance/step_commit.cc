#include "moraine/maintenance/step_commit.h"

#include <functional>
#include <utility>
#include <variant>

#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/maintenance/rules.h"
#include "moraine/maintenance/table_version.h"

namespace moraine::maintenance {
namespace {

using store::Transaction;
using Note = std::function<Status(Transaction&)>;

constexpr Millis kCleanUpLimit{10'000};

/// Files of a commit that was refused go again.
Result<catalog::LoadedTablePtr> CommitChanges(Call& call, const RunWorld& world,
                                              const catalog::LoadedTable& table,
                                              iceberg::SnapshotChanges changes, const Note& note) {
  iceberg::SnapshotProducer producer(world.files, std::move(changes));
  auto prepared = producer.Prepare(call, table.metadata);
  Status status = prepared.status();
  if (status.ok()) {
    auto committed =
        world.catalog.Commit(call, table.warehouse, table.name, prepared->request, note);
    if (committed.ok()) return committed;
    status = committed.status();
  }
  if (auto proof = iceberg::DeletionProof::CommitRefused(status); proof.ok()) {
    Call cleaning(call.env(), kCleanUpLimit);  // also after a stop, or when time is over
    auto removed = iceberg::DeleteFiles(cleaning, world.files, *proof, producer.written_files());
    if (!removed.ok())
      call.log().Warn("files of a refused commit stay", {{"error", removed.status().ToString()}});
  }
  return status;
}

}  // namespace

Status Land(Call& call, const RunWorld& world, TableChange step, Turn* turn) {
  if (turn->run.dry_run) return Internal("a dry run wants to commit");
  if (!turn->facts.table) return Internal("a commit to a table that is gone");
  const catalog::LoadedTable& table = *turn->facts.table;
  MaintenanceRun run =
      AfterStep(*turn, std::move(step.state), std::move(step.progress), step.finish, world.options);
  const int64_t now_ms = world.shards.NowMs(call);
  // Changes to snapshots are validated; of mere updates nobody knows what else they rely on.
  const auto* plain = std::get_if<iceberg::CommitRequest>(&step.change);
  const auto note = [&](Transaction& t) -> Status {
    MORAINE_TRY(world.shards.Check(t, run.subject.table_id));
    if (plain != nullptr) {
      MORAINE_TRY(CheckStillVersion(t, table));
      MORAINE_TRY(CheckNothingHeldGoes(t, world.seams, table, *plain));
    }
    // The row is there if and only if the commit is: an outcome that is not known is found in it.
    return SaveStep(t, *turn, run, Outputs::kCommitted, now_ms);
  };
  catalog::LoadedTablePtr committed;
  if (plain != nullptr) {
    MORAINE_ASSIGN(committed,
                   world.catalog.Commit(call, table.warehouse, table.name, *plain, note));
  } else {
    auto& changes = std::get<iceberg::SnapshotChanges>(step.change);
    MORAINE_ASSIGN(committed, CommitChanges(call, world, table, std::move(changes), note));
  }
  run.row_version = turn->is_new() ? 1 : run.row_version + 1;
  turn->run = std::move(run);
  turn->schedule.reset();
  turn->tasks.clear();
  turn->facts.table = std::move(committed);
  return {};
}

}  // namespace moraine::maintenance
