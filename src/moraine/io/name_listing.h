#pragma once
// Listings of names alone. A disk tells the names in a folder at once, and size and time of each
// file by one more call: who needs those of few files asks for the names and looks at the few.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"

namespace moraine::io {

/// FileInfo::modified_ms of a file of which only the name was told; its size is unknown, too.
inline constexpr int64_t kNotTold = std::numeric_limits<int64_t>::min();

/// What a file system that names files sooner than it describes them is, too. Thread-safe.
class NameListing {
 public:
  virtual ~NameListing() = default;
  /// As FileSystem::List, with kNotTold for some files or all.
  virtual Result<FileListing> ListNames(Call& call, const std::string& prefix,
                                        const std::string& start_after, size_t limit) = 0;
};

/// ListNames() of a file system that has it, else List().
Result<FileListing> ListNames(Call& call, FileSystem& files, const std::string& prefix,
                              const std::string& start_after, size_t limit);

}  // namespace moraine::io
