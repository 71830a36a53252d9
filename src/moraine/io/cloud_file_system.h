#pragma once
// Google's, Azure's and Hadoop's stores, by Arrow (see arrow_file_system.h for what that means).
// Nothing is connected before the first file is asked for. Called by routing_file_system.

#include <memory>

#include "moraine/io/cloud_location.h"
#include "moraine/io/cloud_options.h"
#include "moraine/io/file_system.h"

namespace moraine::io {

std::unique_ptr<FileSystem> MakeGcsFileSystem(GcsOptions options);
/// Errors of all calls, too: InvalidArgument for a location of another account than the keys are
/// for.
std::unique_ptr<FileSystem> MakeAdlsFileSystem(AdlsOptions options);
/// Errors of all calls, too: Unsupported where Hadoop's client library (libhdfs) can't be loaded.
std::unique_ptr<FileSystem> MakeHdfsFileSystem(HdfsOptions options);

/// The one for the store, with the options that the properties tell. Errors: InvalidArgument that
/// names the property.
Result<std::unique_ptr<FileSystem>> MakeCloudFileSystem(CloudStore store,
                                                        const StorageProperties& properties);

}  // namespace moraine::io
