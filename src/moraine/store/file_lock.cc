#include "moraine/store/file_lock.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "moraine/base/text.h"

namespace moraine::store {
namespace {

std::string HolderOf(int fd) {
  char text[32];
  ssize_t size = ::pread(fd, text, sizeof text, 0);
  std::string_view pid = Trim(std::string_view(text, size > 0 ? static_cast<size_t>(size) : 0));
  return ParseInt64(pid).ok() ? fmt::format("process {}", pid) : "another process";
}

Status Failed(std::string_view what, const std::string& path, int error) {
  return Unavailable(
      fmt::format("cannot {} {}: {}", what, path, std::generic_category().message(error)));
}

}  // namespace

Result<std::unique_ptr<FileLock>> FileLock::Take(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("open", path, errno);
  std::unique_ptr<FileLock> lock(new FileLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed("lock", path, errno);
    return Unavailable(
        fmt::format("the store is in use by {}: only one server may open it; stop that one, or use "
                    "another store (lock file {})",
                    HolderOf(fd), path));
  }
  std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return Failed("write", path, errno);
  }
  return lock;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace moraine::store
