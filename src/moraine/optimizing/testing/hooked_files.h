#pragma once
// A file system that does something whenever a manifest list is opened: between what a look, a plan
// or a commit has read and what it saves, as others do in life. For tests.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moraine/io/file_system.h"

namespace moraine::optimizing {

class HookedFiles final : public io::FileSystem {
 public:
  explicit HookedFiles(io::FileSystem& inner) : inner_(inner) {}

  /// May replace itself.
  std::function<void()> hook;

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    if (hook && location.find("/snap-") != std::string::npos) {
      auto now = hook;
      now();
    }
    return inner_.Open(call, location, known_size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return inner_.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner_.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override {
    return inner_.List(call, prefix, after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return inner_.DeleteMany(call, locations);
  }

 private:
  io::FileSystem& inner_;
};

}  // namespace moraine::optimizing
