#pragma once
// Copies of files within one store. Where the store can make one by itself (S3's CopyObject, a hard
// link on the machine's own disks) no byte passes through this process; elsewhere the file is read
// and written. Called by what moves files: a quarantine, and back from it.

#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"

namespace moraine::io {

/// What a file system whose store makes copies is, too. Thread-safe.
class StoreCopies {
 public:
  virtual ~StoreCopies() = default;
  /// Makes `to`, a new file that holds what `from` does, durable when OK, changed now by the
  /// store's clock. What was made is looked at: its size, and its checksum where the store tells
  /// one. A `to` that is there already and is known to be the same counts as made. A second name
  /// shares its time with the first: `from` then is changed now, too. Errors:
  /// Unsupported (nothing was made: bytes have to be read), NotFound, AlreadyExists for another
  /// file at that place, InvalidArgument if both are one.
  virtual Status Copy(Call& call, const std::string& from, const std::string& to) = 0;
};

/// Copy() of a file system that has it, else Unsupported: for wrappers.
Status CopyInStore(Call& call, FileSystem& files, const std::string& from, const std::string& to);

/// By the store where it can, else by reading and writing; then a `to` that is there already counts
/// as made if its bytes are the same. Errors: as StoreCopies::Copy, and those of reading and
/// writing; InvalidArgument if both are one.
Status CopyFile(Call& call, FileSystem& files, const std::string& from, const std::string& to);

}  // namespace moraine::io
