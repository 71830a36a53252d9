#pragma once
// A file system of Arrow's as ours: Google's, Azure's and Hadoop's stores, which have no client of
// our own. What Arrow can't do is done as near as can be, and differs from S3's:
// - A file that exists is told by asking first, so two writers of one name within the same moment
//   both succeed; the names of Moraine's files are unique.
// - A call can't be cut short: its deadline is looked at before it begins.
// - A listing reads the folder of its prefix whole for each page, in memory for one page.
// Called by cloud_file_system.

#include <functional>
#include <memory>
#include <string>

#include "moraine/io/file_system.h"

namespace arrow::fs {
class FileSystem;
}

namespace moraine::io {

struct ArrowStore {
  std::shared_ptr<arrow::fs::FileSystem> files;
  /// "gs://bucket/key" -> "bucket/key". Errors: InvalidArgument for a place that is not this
  /// store's.
  std::function<Result<std::string>(const std::string& location)> path_of;
  /// Of the prefix of a listing; what follows the prefix in a path follows it in a location, too.
  std::function<Result<std::string>(const std::string& prefix)> prefix_of;
  bool has_folders = false;  ///< a file's parents must be there before it
};

/// Thread-safe. Errors of all calls: as FileSystem; Unavailable for what the store refused for no
/// reason that we know.
std::unique_ptr<FileSystem> MakeArrowFileSystem(ArrowStore store);

}  // namespace moraine::io
