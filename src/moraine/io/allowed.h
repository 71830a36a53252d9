#pragma once
// A fence around a file system: locations outside the allowed roots are refused before they reach
// it. The catalog checks what clients name (decision "locations"); this is the second line of
// defence of a server that runs as root. Every call: PermissionDenied outside.

#include <memory>
#include <string>
#include <vector>

#include "moraine/io/file_system.h"

namespace moraine::io {

/// Roots are locations of folders. Local ones are compared with symbolic links resolved, both the
/// roots' and those on the way to a file (a link inside a root that points out of it is refused). A
/// listing's prefix must lie in a root up to its last slash: list "file:///w/", not "file:///w".
/// Errors: InvalidArgument for a root that is no location.
Result<std::unique_ptr<FileSystem>> MakeRestrictedFileSystem(std::unique_ptr<FileSystem> inner,
                                                             std::vector<std::string> roots);

}  // namespace moraine::io
