#include "moraine/io/file_system.h"

#include <algorithm>

#include <fmt/format.h>

namespace moraine::io {

Result<std::string> ReadFile(Call& call, FileSystem& files, const std::string& location,
                             int64_t max_bytes) {
  MORAINE_ASSIGN(auto reader, files.Open(call, location, std::nullopt));
  int64_t size = reader->size();
  if (size > max_bytes) {
    return Exhausted(
        fmt::format("file is larger than {} bytes: {} has {}", max_bytes, location, size));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  MORAINE_TRY(reader->ReadAt(call, 0, bytes));
  return bytes;
}

Status WriteFile(Call& call, FileSystem& files, const std::string& location,
                 std::string_view bytes) {
  MORAINE_ASSIGN(auto writer, files.Create(call, location));
  MORAINE_TRY(writer->Append(call, bytes));
  return writer->Close(call);
}

}  // namespace moraine::io
