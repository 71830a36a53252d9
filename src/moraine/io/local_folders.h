#pragma once
// Makes folders and keeps them durable: a file survives a crash only if every folder above it does.
// Used by the local file system.

#include <mutex>
#include <string>
#include <unordered_set>

#include "moraine/base/status.h"
#include "moraine/io/local_file_system.h"

namespace moraine::io {

/// Thread-safe.
class LocalFolders {
 public:
  explicit LocalFolders(SyncCounts* syncs) : syncs_(syncs) {}

  /// Makes the folder and its parents where they miss.
  Status Make(const std::string& folder);
  /// Syncs the folder's entries; the first time in this process also those of every folder above
  /// it, since another thread or process may have made one of them and not synced its parent yet.
  Status Sync(const std::string& folder);

 private:
  Status SyncOne(const std::string& folder, bool must);
  bool IsAnchored(const std::string& folder);

  SyncCounts* syncs_;
  std::mutex mutex_;
  std::unordered_set<std::string> anchored_;  // folders whose own entry is known to be durable
};

}  // namespace moraine::io
