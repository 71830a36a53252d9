#pragma once
// The quarantines of a table, found by listing: a run's id says when its own was begun, so nothing
// about them needs to be kept elsewhere and none is forgotten after a crash.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"

namespace moraine::maintenance {

struct Quarantine {
  std::string run_id;
  std::string folder;
  int64_t begun_ms = 0;  ///< by the run's id; its first file's time where that is later
};

/// Oldest first; some hundred at most.
Result<std::vector<Quarantine>> FindQuarantines(Call& call, io::FileSystem& files,
                                                const std::string& table_location);
/// The roots of its files are noted in it, before anything is moved there. Idempotent.
Status NoteRoots(Call& call, io::FileSystem& files, const std::string& folder,
                 const std::vector<std::string>& roots);
/// Errors: NotFound if nothing was noted.
Result<std::vector<std::string>> NotedRoots(Call& call, io::FileSystem& files,
                                            const std::string& folder);
/// The time in a UUIDv7; 0 for another text.
int64_t TimeOfId(const std::string& uuid);

}  // namespace moraine::maintenance
