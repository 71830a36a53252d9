#pragma once
// A file system that counts what is read and written through it: how far a task really is, in
// whatever order it reads its inputs. It also knows the names of all files that were begun, so that
// nobody has to list folders to find them. One for each task of a compaction.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/io/file_system.h"

namespace moraine::compact {

/// Thread-safe.
struct MovedBytes {
  std::atomic<int64_t> read{0};
  std::atomic<int64_t> written{0};

  void AddName(const std::string& location);
  /// Of files that were begun, whatever became of them.
  std::vector<std::string> names() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
};

/// Borrows both.
std::unique_ptr<io::FileSystem> MakeCountingFileSystem(io::FileSystem& inner, MovedBytes* moved);

}  // namespace moraine::compact
