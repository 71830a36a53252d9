#pragma once
// Doubles that fail or die on purpose, for the model checker (random_lives.h): a fate that is
// shared by the files and the store of one process says when its next call fails, or when it dies:
// all its calls fail from then on. And the disk below, which notes what is deleted and can list as
// a slow object store does.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "moraine/io/testing/memory_file_system.h"
#include "moraine/store/database.h"

namespace moraine::maintenance {

/// Thread-safe.
class Fate {
 public:
  enum class Kind { kFailsBefore, kFailsAfter, kDiesBefore, kDiesAfter };
  enum class Verdict { kGoOn, kBefore, kAfter };

  /// The call after so many others is the one.
  void Seal(Kind kind, int64_t calls) {
    std::lock_guard lock(mutex_);
    sealed_ = kind;
    left_ = calls;
  }
  /// As new: nothing is to come.
  void Lift() {
    std::lock_guard lock(mutex_);
    sealed_.reset();
    dead_ = false;
  }
  bool dead() const {
    std::lock_guard lock(mutex_);
    return dead_;
  }
  Verdict Next();

 private:
  mutable std::mutex mutex_;
  std::optional<Kind> sealed_;
  int64_t left_ = 0;
  bool dead_ = false;
};

/// Thread-safe. Borrows both.
class FatefulFiles final : public io::FileSystem {
 public:
  FatefulFiles(io::FileSystem& inner, Fate& fate) : inner_(inner), fate_(fate) {}
  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override;
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override;
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

 private:
  io::FileSystem& inner_;
  Fate& fate_;
};

/// Thread-safe. Borrows both.
class FatefulDatabase final : public store::Database {
 public:
  FatefulDatabase(store::Database& inner, Fate& fate) : inner_(inner), fate_(fate) {}
  Status Run(Call& call, store::Access access,
             const std::function<Status(store::Transaction&)>& body) override;
  std::string_view dialect() const override { return inner_.dialect(); }
  Result<std::string> Backup(Call& call, std::string_view label) override {
    return inner_.Backup(call, label);
  }
  Result<bool> Observe(Call& call, std::weak_ptr<store::RowObserver> observer) override {
    return inner_.Observe(call, std::move(observer));
  }

 private:
  store::Database& inner_;
  Fate& fate_;
};

/// Thread-safe. Borrows the disk.
class WatchedFiles final : public io::FileSystem {
 public:
  explicit WatchedFiles(io::MemoryFileSystem& disk) : disk_(disk) {}

  /// Before a file is opened; may answer another location, whose bytes are then read.
  std::function<std::string(const std::string& location)> on_open;
  /// After so many calls what is given is done, once, before the next one: what others do
  /// meanwhile. A negative number: never.
  void InterruptAfter(int64_t calls, std::function<void()> act);
  /// Listings leave out files that were made at this time or later.
  void HideFrom(std::optional<int64_t> modified_ms);
  /// Listings have deleted files, too.
  void ShowDeleted(bool shows);
  /// Files that were there and have been deleted since the last call.
  std::vector<std::string> TakeDeleted();

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    Count();
    return disk_.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    Count();
    return disk_.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

 private:
  void Count();

  io::MemoryFileSystem& disk_;
  std::mutex mutex_;
  std::function<void()> act_;            // under mutex_
  int64_t calls_left_ = -1;              // under mutex_
  std::vector<std::string> deleted_;     // under mutex_
  std::vector<io::FileInfo> graveyard_;  // under mutex_
  std::optional<int64_t> hidden_from_;   // under mutex_
  bool shows_deleted_ = false;           // under mutex_
};

}  // namespace moraine::maintenance
