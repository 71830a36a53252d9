#pragma once
// A file system in memory for tests of readers and writers: no disk, and bytes that a test may look
// at or break. Thread-safe.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/io/file_system.h"

namespace moraine::iceberg {

class MemoryFiles final : public io::FileSystem {
 public:
  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override;
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override;
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

  /// The bytes of a file; empty when there is none.
  std::string Bytes(const std::string& location) const;
  void SetBytes(const std::string& location, std::string bytes);
  std::vector<std::string> Names() const;
  int64_t bytes_read() const;
  int64_t opens() const;

 private:
  class Reader;
  class Writer;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const std::string>> files_;
  int64_t bytes_read_ = 0;
  int64_t opens_ = 0;
};

}  // namespace moraine::iceberg
