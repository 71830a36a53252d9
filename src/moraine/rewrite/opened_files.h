#pragma once
// Files of which some are open already: who opens one of these gets the same reader, with what it
// has fetched, and asks the store for nothing again. Used by splice_inputs.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/io/file_system.h"

namespace moraine::rewrite {

/// Used by one thread at a time; readers are as thread-safe as those that they share.
class OpenedFiles final : public io::FileSystem {
 public:
  /// inner must outlive it and its files.
  explicit OpenedFiles(io::FileSystem& inner) : inner_(inner) {}

  void Add(const std::string& location, std::shared_ptr<io::RandomReader> reader);
  /// What is open stays so for those who use it.
  void Clear() { opened_.clear(); }
  void Remove(const std::string& location) { opened_.erase(location); }

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override;
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override;
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

 private:
  io::FileSystem& inner_;
  std::map<std::string, std::shared_ptr<io::RandomReader>> opened_;
};

}  // namespace moraine::rewrite
