#pragma once
// The form in which a file that a table names and a file that a store lists are compared. Engines
// write one place in many ways, and a live file that is taken for another one would be deleted: so
// the key forgets whatever may differ between two names of one file. Two files that share a key are
// both kept if one of them is reachable.
//
// Forgotten: scheme and authority ("s3", "s3a", "hdfs://nn:8020", "hdfs:"), percent escapes (of any
// depth), empty, "." and ".." segments, slashes at the end.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::upkeep {

/// "s3a://Bucket//db/t/a%20b" -> "/db/t/a b". Errors: InvalidArgument for what is no location.
Result<std::string> PathKey(std::string_view location);
/// The same without a copy: lies in the location, or in the buffer, as long as both stay.
Result<std::string_view> PathKeyIn(std::string_view location, std::string* buffer);

/// Whether the file with this key lies below the folder with that key.
bool KeyIsBelow(std::string_view key, std::string_view folder_key);
/// The same for one of some folders. folder_keys: a range of them.
template <typename Keys>
bool KeyIsBelowAny(std::string_view key, const Keys& folder_keys) {
  for (std::string_view folder_key : folder_keys) {
    if (KeyIsBelow(key, folder_key)) return true;
  }
  return false;
}

/// Keys of folders, sorted, each below none of the others.
Result<std::vector<std::string>> FolderKeys(const std::vector<std::string>& folders);

}  // namespace moraine::upkeep
