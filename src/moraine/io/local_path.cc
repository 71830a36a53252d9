#include "moraine/io/local_path.h"

#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "moraine/base/text.h"

namespace moraine::io {

Result<LocalPath> ParseLocalPath(std::string_view location) {
  std::string_view path = location;
  if (!location.starts_with('/')) {
    if (location.size() < 5 || ToLowerAscii(location.substr(0, 5)) != "file:") {
      return InvalidArgument(fmt::format("not a local file: {}", location));
    }
    path.remove_prefix(5);
    if (path.starts_with("//")) {
      path.remove_prefix(2);
      if (path.starts_with("localhost/")) path.remove_prefix(9);
    }
    if (!path.starts_with('/')) {
      return InvalidArgument(fmt::format("not an absolute path on this host: {}", location));
    }
  }
  if (path.find('\0') != path.npos) {
    return InvalidArgument(fmt::format("path has a NUL byte: {}", path));
  }
  return LocalPath{std::string(location.substr(0, location.size() - path.size())),
                   std::string(path)};
}

std::string ParentPath(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  size_t slash = path.rfind('/');
  while (slash != path.npos && slash > 0 && path[slash - 1] == '/') --slash;
  if (slash == path.npos || slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

Descriptor::~Descriptor() { (void)Close(); }

int Descriptor::Close() {
  if (fd_ < 0) return 0;
  return ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno;
}

}  // namespace moraine::io
