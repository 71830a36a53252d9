#pragma once
// Locations of local files as paths, and POSIX descriptors that close themselves. Used inside io.

#include <string>
#include <string_view>
#include <utility>

#include "moraine/base/status.h"

namespace moraine::io {

/// A local location cut in two: text before the path as it was given ("", "file:", "file://"), and
/// the path, raw: like Hadoop and PyIceberg, percent escapes in it are part of the names on disk.
struct LocalPath {
  std::string scheme;
  std::string path;
};

/// Errors: InvalidArgument for another scheme or host, a relative path, a NUL byte.
Result<LocalPath> ParseLocalPath(std::string_view location);

/// The part before the last slash: "/a" for "/a/b", "/" for "/a".
std::string ParentPath(std::string_view path);

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  /// Closes now; the errno of close(), or 0.
  int Close();

 private:
  int fd_ = -1;
};

}  // namespace moraine::io
