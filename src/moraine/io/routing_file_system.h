#pragma once
// One file system over several, chosen by the location's scheme: the machine's own files, those of
// an S3 store where one is configured, and those of the stores that Arrow reaches. Called by
// whoever opens a warehouse.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "moraine/io/cloud_location.h"
#include "moraine/io/file_system.h"

namespace moraine::io {

/// s3 may be null, and a store may be missing among the others: its locations are then refused.
/// Errors of all calls: as those of the file systems below; InvalidArgument for a scheme that none
/// of them has.
std::unique_ptr<FileSystem> MakeRoutingFileSystem(
    std::unique_ptr<FileSystem> local, std::unique_ptr<FileSystem> s3,
    std::map<CloudStore, std::unique_ptr<FileSystem>> others = {});

/// The machine's files, and those of the stores of the locations, which the properties of a FileIO
/// describe (s3_options.h, cloud_options.h): a store that nobody asks for costs nothing. Errors:
/// InvalidArgument that names the property.
Result<std::unique_ptr<FileSystem>> MakeFileSystemFor(
    const std::vector<std::string>& locations,
    const std::map<std::string, std::string>& properties);

}  // namespace moraine::io
