#pragma once
// What the drivers have in common that look for something in the current snapshot with one task,
// commit what it found as a change of the same table, and look again while there is more: dangling
// deletes, expired data, manifests in disorder.
//
//   find -> commit -> find the rest -> ... -> done
//
// What was found is asked about again before it is committed: if others have ruled it out since, it
// is looked for anew, a few times. A dry run ends after the first look.

#include <cstdint>
#include <optional>
#include <string>

#include "moraine/base/json.h"
#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

/// What a task found.
struct Found {
  int64_t snapshot_id = 0;                          ///< where it looked
  std::optional<iceberg::SnapshotChanges> changes;  ///< nothing: the run is over
  std::string what;  ///< "12 delete files in 3 partitions": after "removed", or "would remove"
  int64_t files_removed = 0;
  int64_t bytes_removed = 0;
  /// Where nothing was found: what could not be looked at. "" else.
  std::string unseen;
  bool more = false;                  ///< another look is worth it after the commit
  Json details = Json::MakeObject();  ///< of the run's figures; those of the last round are kept
  /// For the next run, beside the snapshot in which nothing was found.
  std::string note = "{}";
};

/// The first step, or why there is none.
struct Look {
  std::optional<NewTask> task;
  std::string reason;
};

class FindAndCommit : public Action {
 public:
  Result<Step> Start(Call& call, const RunContext& context) final;
  Result<Step> Continue(Call& call, const RunContext& context,
                        const std::vector<TaskResult>& results) final;

 protected:
  virtual Result<Look> Decide(Call& call, const RunContext& context) const = 0;
  virtual Result<Found> Read(const RunContext& context, const TaskResult& result) const = 0;
  /// The property that turns the action on.
  virtual std::string_view property() const = 0;
  /// "removed"; for dry runs "would be removed".
  virtual std::string_view done_word() const { return "removed"; }
  /// Whether a snapshot that was looked at need not be looked at again.
  virtual bool remembers() const { return true; }
  /// What the run goes by, in the table's properties: where that is another than when the task was
  /// made, nothing is committed. The next run goes by the new ones.
  virtual std::string Wish(const RunContext&) const { return {}; }
  /// A task of a dry run may not write; then this says what would be done.
  virtual std::optional<Done> DryRun(const RunContext&, const Look&) const { return std::nullopt; }
};

/// Why a table is left alone by whatever changes its files or metadata, or deletes some: it is
/// encrypted, or it was registered and the property is not set on itself. "" else.
std::string WhyLeftAlone(const catalog::LoadedTable& table, std::string_view property);

/// A member of the memory that the last run left (its note, and "snapshot"), or nothing.
std::optional<Json> Remembered(const RunContext& context, std::string_view key);

}  // namespace moraine::maintenance
