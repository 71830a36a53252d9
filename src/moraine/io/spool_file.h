#pragma once
// Bytes that a task puts aside on the local disk: written once from front to back, then read at any
// offset. No name, no sync: gone when it is closed, however the process ends (scratch_file.h). Used
// by upkeep, whose sets of paths do not fit in memory.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::io {

/// Used by one thread at a time.
class SpoolFile {
 public:
  /// In a local folder; "": the system's for temporary files. Errors: as ErrnoStatus.
  static Result<SpoolFile> Make(const std::string& folder);
  SpoolFile(SpoolFile&&) noexcept;
  SpoolFile& operator=(SpoolFile&&) noexcept;
  ~SpoolFile();

  /// Errors: Exhausted for a full disk, else Unavailable.
  Status Append(std::string_view bytes);
  /// No Append after it. Errors: as Append.
  Status Finish();
  /// Fills the buffer; after Finish. Errors: Corruption if the file ends before, Unavailable.
  Status ReadAt(int64_t offset, std::span<char> buffer) const;
  int64_t size() const;

 private:
  struct State;
  explicit SpoolFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace moraine::io
