#pragma once
// What the model checker (random_lives.h) knows and must find again: rows of snapshots as plain
// data, which files they need, and which tables there are. Compares that with what the catalog and
// the disk say.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/catalog/catalog.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/maintenance/testing/random_lives.h"

namespace moraine::maintenance {

/// Rows by name: "3@1767225600000" was seen at that time.
using LifeRows = std::set<std::string>;
int64_t TimeOfRow(const std::string& row);
std::string RowsToBytes(const LifeRows& rows);
LifeRows RowsFromBytes(const std::string& bytes);

struct LifeSnapshot {
  LifeRows rows;
  std::vector<std::string> files;  ///< that a reader opens
};

struct LifeTable {
  int64_t table_id = 0;
  std::string name;
  catalog::LoadedTablePtr last;  ///< as it was last seen
  bool live = true;
  bool registered = false;
  bool shared = false;                ///< other tables were in its place at some time
  bool asked_to_expire_data = false;  ///< by a person, who may do so where it is switched off
  bool purge = false;                 ///< of one that is dropped
  int64_t hold_ends_ms = 0;
};

class LivesModel {
 public:
  LivesModel(io::MemoryFileSystem& disk, LivesReport* report) : disk_(disk), report_(*report) {}

  void Fault(const std::string& what);
  std::vector<LifeTable>& tables() { return tables_; }
  LifeTable* Find(const std::string& name);  ///< a live one
  const LifeRows* RowsOf(int64_t snapshot_id) const;

  /// The table was changed by an engine: its new snapshots have these rows. Null: it has none.
  void Changed(Call& call, LifeTable* table, const catalog::LoadedTablePtr& now,
               const LifeRows* rows);
  /// The table may have been changed by maintenance.
  void Maintained(Call& call, LifeTable* table, const catalog::LoadedTablePtr& now, int64_t held);
  /// These files have been deleted: nobody may need them. others: of writers that go on.
  void CheckDeleted(const std::vector<std::string>& deleted, const std::vector<std::string>& others,
                    int64_t now_ms);
  /// Everything is read again.
  void CheckAll(Call& call, int64_t now_ms);
  /// Whether the files of a table that is dropped must be there.
  static bool IsKept(const LifeTable& table, int64_t now_ms);
  /// What readers of the table open, and its metadata file.
  std::vector<std::string> FilesOf(const LifeTable& table) const;
  /// Of all tables.
  std::unordered_set<std::string> Needed(int64_t now_ms) const;
  /// All that tables name: also deletes that apply to nothing, and older metadata files.
  std::unordered_set<std::string> Named(Call& call, int64_t now_ms) const;

 private:
  bool Read(Call& call, const iceberg::TableMetadata& metadata, const iceberg::Snapshot& snapshot,
            LifeSnapshot* out);
  void CheckNewSnapshot(Call& call, const LifeTable& table, const iceberg::TableMetadata& now,
                        const iceberg::Snapshot& snapshot, const LifeRows* rows);
  void CheckGone(const LifeTable& table, const iceberg::TableMetadata& now, int64_t held,
                 int64_t now_ms);

  io::MemoryFileSystem& disk_;
  LivesReport& report_;
  std::vector<LifeTable> tables_;
  std::map<int64_t, LifeSnapshot> snapshots_;  // of all tables
};

}  // namespace moraine::maintenance
