#include "moraine/io/name_listing.h"

namespace moraine::io {

Result<FileListing> ListNames(Call& call, FileSystem& files, const std::string& prefix,
                              const std::string& start_after, size_t limit) {
  auto* names = dynamic_cast<NameListing*>(&files);
  if (names == nullptr) return files.List(call, prefix, start_after, limit);
  return names->ListNames(call, prefix, start_after, limit);
}

}  // namespace moraine::io
