#pragma once
// One file system over several, chosen by the location's scheme: the machine's own files, and those
// of an S3 store where one is configured. Called by whoever opens a warehouse.

#include <memory>
#include <string>
#include <vector>

#include "moraine/io/file_system.h"
#include "moraine/io/s3_options.h"

namespace moraine::io {

/// s3 may be null: its locations are then refused. Errors of all calls: as those of the file
/// systems below; InvalidArgument for a scheme that none of them has.
std::unique_ptr<FileSystem> MakeRoutingFileSystem(std::unique_ptr<FileSystem> local,
                                                  std::unique_ptr<FileSystem> s3);

/// The machine's files, and those of the store if one of the locations is there: a store that
/// nobody asks for costs nothing.
std::unique_ptr<FileSystem> MakeFileSystemFor(const std::vector<std::string>& locations,
                                              const S3Options& s3);

}  // namespace moraine::io
