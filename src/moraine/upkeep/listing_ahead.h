#pragma once
// Lists folders page by page on a thread of its own, so that who looks at a page does not wait for
// the next. Used by orphan_task.h.

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"

namespace moraine::upkeep {

/// Used by one thread. At most three pages are in memory: the one that Next gave, the one that
/// waits, and the one that is being made.
class ListingAhead {
 public:
  struct Page {
    size_t folder = 0;  ///< its number among the folders
    std::vector<io::FileInfo> files;
  };

  /// Begins at once. files must outlive it. page: files at a time.
  ListingAhead(Call& call, io::FileSystem& files, std::vector<std::string> folders, size_t page);
  /// Stops the thread.
  ~ListingAhead();
  ListingAhead(const ListingAhead&) = delete;
  ListingAhead& operator=(const ListingAhead&) = delete;

  /// The next page, folder by folder in their order; of files the name, and the rest if it comes
  /// with it (io::kNotTold). nullopt: that was all. Errors: as
  /// io::FileSystem::List, which end it; Exhausted (memory).
  Result<std::optional<Page>> Next();

 private:
  void ListAll();
  Status List();
  /// Waits for room. Errors: Cancelled.
  Status Push(Page page);
  void End(Status status);

  io::FileSystem& files_;
  const std::vector<std::string> folders_;
  const size_t page_;
  std::stop_source stop_;
  Call call_;  // of the thread
  std::stop_callback<std::function<void()>> when_caller_stops_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Page> waiting_;
  std::optional<Status> end_;  // nothing follows what waits
  Thread thread_;
};

}  // namespace moraine::upkeep
