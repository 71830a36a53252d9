#pragma once
// One server per store: a lock that the operating system gives back when its holder dies. Used by
// the SQLite store.

#include <memory>
#include <string>

#include "moraine/base/status.h"

namespace moraine::store {

/// Held until destroyed. The file (made if it misses, never removed) names the process that holds
/// it.
class FileLock {
 public:
  /// Errors: Unavailable if another process, or another lock of this one, holds it; it is named.
  static Result<std::unique_ptr<FileLock>> Take(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace moraine::store
