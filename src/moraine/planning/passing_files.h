#pragma once
// Files of a store that may be busy: what it answers then passes by itself, and is Unavailable here
// and not Exhausted, which for a reader with bounded memory says that something does not fit, now
// or ever. For carry_over.h, which drops a task for the one and waits for the other.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/io/file_system.h"

namespace moraine::planning {

/// What lies in the bytes read or the memory given, and no later try heals: of work on
/// PassingFiles.
inline bool IsLasting(Code code) {
  return code == Code::kCorruption || code == Code::kExhausted || code == Code::kUnsupported ||
         code == Code::kInvalidArgument;
}

/// inner must outlive it and its files. Thread-safe.
class PassingFiles final : public io::FileSystem {
 public:
  explicit PassingFiles(io::FileSystem& inner) : inner_(inner) {}

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override;
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override;
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

 private:
  io::FileSystem& inner_;
};

}  // namespace moraine::planning
