#pragma once
// The machine's own files, with the durability order of every commit: bytes synced, then the name,
// then the folder. A file appears under its name whole or not at all: it is written under a
// temporary name
// (".moraine-<32 hex>.tmp", same folder) and renamed without replacing. A crash leaves at most such
// a file. Symbolic links are followed when a file is opened and never when folders are listed;
// which locations may be touched at all is decided above (RestrictedFileSystem, the catalog's
// allowed locations).

#include <atomic>
#include <memory>
#include <string>

#include "moraine/io/file_system.h"

namespace moraine::io {

/// Counts what was synced; tests of durability watch it.
struct SyncCounts {
  std::atomic<int64_t> files = 0;
  std::atomic<int64_t> folders = 0;
};

struct LocalFileSystemOptions {
  SyncCounts* syncs = nullptr;  ///< borrowed; may be null
};

/// Whether a local location has a regular file. Asks the system alone: it was allowed to be read
/// before. False for locations that are not local.
bool LocalFileExists(const std::string& location);

std::unique_ptr<FileSystem> MakeLocalFileSystem(const LocalFileSystemOptions& options);

}  // namespace moraine::io
