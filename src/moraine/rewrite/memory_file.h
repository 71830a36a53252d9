#pragma once
// One file in memory: columns that are encoded anew wait there until their pages are copied.

#include <memory>
#include <optional>
#include <string>

#include "moraine/io/file_system.h"

namespace moraine::rewrite {

/// Whatever location is created is the file; it is read when its writer was closed. Used by one
/// thread at a time but for reading.
class MemoryFile final : public io::FileSystem {
 public:
  const std::string& bytes() const { return bytes_; }
  std::unique_ptr<io::RandomReader> OpenBytes() const;

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override;
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override;
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

 private:
  std::string bytes_;
};

}  // namespace moraine::rewrite
