#pragma once
// Files by location, the one way to reach them. Local today; object stores implement the same
// calls.
//
// A location is a URI ("file:///warehouse/db/t/data/x.parquet", "s3://bucket/key") or an absolute
// local path. Every call takes Call& and ends by its deadline. Errors by code: NotFound,
// AlreadyExists (a file that should be new), PermissionDenied, Exhausted (disk full), Unavailable,
// Deadline, Cancelled. Thread-safe, all of it. FaultyFileSystem (io/testing) wraps any of these and
// fails chosen calls.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"

namespace moraine::io {

/// An open file, read at any offset; immutable while it is open. Closed by its destructor.
class RandomReader {
 public:
  virtual ~RandomReader() = default;
  virtual int64_t size() const = 0;
  /// Fills the buffer from offset on. Errors: Corruption if the file ends before the buffer is
  /// full.
  virtual Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) = 0;
};

/// A new file being written. Nothing is promised to be visible before Close() returns OK; a writer
/// that is destroyed without Close() abandons the file and removes what it can.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual Status Append(Call& call, std::string_view bytes) = 0;
  /// Makes the file visible and durable: its bytes synced, its folder synced (decision
  /// "durability"). After an error the file may or may not exist.
  virtual Status Close(Call& call) = 0;
  virtual int64_t bytes_written() const = 0;
};

struct FileInfo {
  std::string location;
  int64_t size_bytes = 0;
  int64_t modified_ms = 0;  ///< by the store's clock, ms since the epoch
};

struct FileListing {
  std::vector<FileInfo> files;  ///< sorted by location, bytewise
  bool complete = true;         ///< false: ask again with start_after = files.back().location
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Opens for reading. A known size saves the store a question; it is trusted.
  virtual Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                                     std::optional<int64_t> known_size) = 0;
  /// Begins a file that must not exist; parent folders are made. AlreadyExists may come here or at
  /// Close.
  virtual Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) = 0;
  virtual Result<FileInfo> Stat(Call& call, const std::string& location) = 0;
  /// Files (no folders) whose location starts with prefix and sorts after start_after; at most
  /// limit.
  virtual Result<FileListing> List(Call& call, const std::string& prefix,
                                   const std::string& start_after, size_t limit) = 0;
  /// One status per location, in order; a file that is not there counts as deleted (OK).
  /// Only iceberg/commit/file_deletion may call this on table files.
  virtual std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) = 0;
};

/// Reads a whole file. Errors: as Open and ReadAt; Exhausted if it is larger than max_bytes.
Result<std::string> ReadFile(Call& call, FileSystem& files, const std::string& location,
                             int64_t max_bytes);
/// Creates a new file with these bytes, durable when OK.
Status WriteFile(Call& call, FileSystem& files, const std::string& location,
                 std::string_view bytes);

/// The machine's own files: "file:///a", "file:/a" and "/a" are the same file.
std::unique_ptr<FileSystem> MakeLocalFileSystem();

}  // namespace moraine::io
