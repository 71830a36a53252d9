#pragma once
// A file system that does something while files are opened or made: between what a look, a plan or
// a commit has read and what it saves, as others do in life. For tests.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "moraine/io/file_system.h"

namespace moraine::io {

class HookedFiles final : public FileSystem {
 public:
  explicit HookedFiles(FileSystem& inner) : inner_(inner) {}

  /// Before a manifest list is opened. May replace itself.
  std::function<void()> hook;
  /// Before any file is made.
  std::function<void(const std::string& location)> on_create;
  /// Before any file is looked up; an error is the answer.
  std::function<Status(const std::string& location)> on_stat;
  /// Before any file is deleted; an error is the answer.
  std::function<Status(const std::string& location)> on_delete;

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override {
    if (hook && location.find("/snap-") != std::string::npos) {
      auto now = hook;
      now();
    }
    return inner_.Open(call, location, known_size);
  }
  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override {
    if (on_create) on_create(location);
    return inner_.Create(call, location);
  }
  Result<FileInfo> Stat(Call& call, const std::string& location) override {
    if (on_stat) MORAINE_TRY(on_stat(location));
    return inner_.Stat(call, location);
  }
  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                           size_t limit) override {
    ++lists;
    return inner_.List(call, prefix, after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    if (!on_delete) return inner_.DeleteMany(call, locations);
    std::vector<Status> outcomes;
    for (const std::string& location : locations) {
      Status told = on_delete(location);
      if (told.ok()) told = inner_.DeleteMany(call, std::span(&location, 1))[0];
      outcomes.push_back(std::move(told));
    }
    return outcomes;
  }

  std::atomic<int> lists{0};  ///< calls of List

 private:
  FileSystem& inner_;
};

}  // namespace moraine::io
