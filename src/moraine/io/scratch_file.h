#pragma once
// A local file without a name: what a task puts aside while it works. It is gone when it is closed,
// however the process ends. Used by sorts that do not fit in memory.

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/io/type_fwd.h>
#include <arrow/type_fwd.h>

#include "moraine/base/status.h"

namespace moraine::io {

/// Used by one thread at a time; what it opens may be used by another.
class ScratchFile {
 public:
  /// In a local folder; "": the system's for temporary files. Errors: as ErrnoStatus.
  static Result<ScratchFile> Make(const std::string& folder);
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;
  ~ScratchFile();

  /// Writes from the beginning. Once.
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenWriter() const;
  /// Reads what was written and flushed, into memory of the pool; outlives this object.
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenReader(arrow::MemoryPool* pool) const;
  /// These bytes are not read again: the disk gets them back, where the file system can do that.
  void Discard(int64_t offset, int64_t bytes) const;

 private:
  explicit ScratchFile(int descriptor) : descriptor_(descriptor) {}
  Result<int> Duplicate() const;

  int descriptor_ = -1;
};

/// What a failed write or read of such a file says to the caller: Exhausted for a full disk, else
/// Unavailable.
Status ScratchStatus(const arrow::Status& status);

}  // namespace moraine::io
