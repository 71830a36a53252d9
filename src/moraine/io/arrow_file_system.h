#pragma once
// A file system of Arrow's as ours: Google's, Azure's and Hadoop's stores, which have no client of
// our own. What Arrow can't do is done as near as can be, and differs from S3's:
// - A file that exists is told by asking first, so two writers of one name within the same moment
//   both succeed; the names of Moraine's files are unique.
// - A call can't be cut short: its deadline is looked at before it begins.
// - A listing reads the folder of its prefix whole for each page, in memory for one page.
// Called by cloud_file_system.

#include <memory>

#include "moraine/io/file_system.h"

namespace arrow::fs {
class FileSystem;
}

namespace moraine::io {

enum class StoreFolders : bool {
  kNone,
  kMade
};  ///< kMade: a file's parents must be there before it

/// Locations are those of cloud_location.h, of this store. Thread-safe. Errors of all calls: as
/// FileSystem; Unavailable for what the store refused for no reason that we know.
std::unique_ptr<FileSystem> MakeArrowFileSystem(std::shared_ptr<arrow::fs::FileSystem> files,
                                                StoreFolders folders);

}  // namespace moraine::io
