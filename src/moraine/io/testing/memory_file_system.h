#pragma once
// Files in memory, with the promises of FileSystem: created if absent, whole or not at all, listed
// bytewise. Locations are compared as NormalizeLocation does, and listed in that form unless given
// otherwise.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/io/file_system.h"
#include "moraine/io/name_listing.h"

namespace moraine::io {

/// Thread-safe. Modification times come from the call's clock.
class MemoryFileSystem final : public FileSystem, public NameListing {
 public:
  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override;
  Result<FileInfo> Stat(Call& call, const std::string& location) override;
  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override;
  Result<FileListing> ListNames(Call& call, const std::string& prefix,
                                const std::string& start_after, size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

  /// All locations, as they were given, sorted.
  std::vector<std::string> Locations() const;
  size_t size() const;
  bool Has(const std::string& location) const;
  /// Replaces or makes a file behind everybody's back: what a foreign writer or a broken disk does.
  void Put(const std::string& location, std::string bytes, int64_t modified_ms);
  /// Removes a file behind everybody's back.
  void Remove(const std::string& location);

 private:
  friend class MemoryWriter;
  struct File {
    std::string location;  // as given
    std::shared_ptr<const std::string> bytes;
    int64_t modified_ms;
  };

  Status Add(const std::string& location, std::string bytes, int64_t modified_ms);
  Result<File> Find(const std::string& location) const;

  mutable std::mutex mutex_;
  std::map<std::string, File> files_;  // by normalised location
};

}  // namespace moraine::io
