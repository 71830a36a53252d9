#pragma once
// A file system that counts what is read and written through it: how far a task really is, in
// whatever order it reads its inputs. One for each task of a compaction.

#include <atomic>
#include <memory>

#include "moraine/io/file_system.h"

namespace moraine::compact {

/// Thread-safe.
struct MovedBytes {
  std::atomic<int64_t> read{0};
  std::atomic<int64_t> written{0};
};

/// Borrows both.
std::unique_ptr<io::FileSystem> MakeCountingFileSystem(io::FileSystem& inner, MovedBytes* moved);

}  // namespace moraine::compact
