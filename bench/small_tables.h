#pragma once
// Small tables with chores, for maintenance_fleet_bench: real metadata, manifests and (tiny) data
// files on the local disk, made in memory first, so that thousands of them do not wait for it.

#include <cstdint>
#include <filesystem>
#include <string>

namespace moraine::bench {

/// What is to be done to a table when it is first looked at.
enum class Chore {
  kNothing,    ///< three young snapshots
  kSnapshots,  ///< three of four are older than is kept; one data file goes with them
  kDeletes,    ///< a delete file that applies to nothing
  kManifests,  ///< 18 of one file each
  kOrphans,    ///< to be looked for: there are none
};

/// Of twenty tables five, one, one and one have something to be done.
Chore MixedChore(int number);

/// Writes the table's files below "<root>/t<number>"; returns where its metadata is.
std::string MakeSmallTable(const std::filesystem::path& root, int number, Chore chore);

}  // namespace moraine::bench
