#pragma once
// Listing of local folders in the order of an object store: all files below a prefix, bytewise by
// their whole path, one bounded page at a time. Used by the local file system.

#include <string>

#include "moraine/base/call.h"
#include "moraine/io/file_system.h"
#include "moraine/io/local_path.h"

namespace moraine::io {

enum class Told { kAll, kNames };  ///< kNames: as name_listing.h has it, but for links

/// The files whose path starts with prefix.path and sorts after start_after (a path, or "");
/// locations are written with prefix.scheme. Memory: a few bytes per listed file and per name of
/// one page.
Result<FileListing> ListLocal(Call& call, const LocalPath& prefix, const std::string& start_after,
                              size_t limit, Told told);

}  // namespace moraine::io
