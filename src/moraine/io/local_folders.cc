#include "moraine/io/local_folders.h"

#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moraine/io/errno_status.h"
#include "moraine/io/local_path.h"

namespace moraine::io {
namespace {

constexpr size_t kMaxAnchored = 16'384;

}  // namespace

Status LocalFolders::Make(const std::string& folder) {
  std::vector<std::string> missing;
  for (std::string at = folder;; at = ParentPath(at)) {
    if (::mkdir(at.c_str(), 0777) == 0 || errno == EEXIST) {
      std::lock_guard lock(mutex_);
      anchored_.erase(at);
      break;
    }
    if (errno != ENOENT || at == "/") return ErrnoStatus(errno, "make folder", at);
    missing.push_back(at);
  }
  for (; !missing.empty(); missing.pop_back()) {
    const std::string& at = missing.back();
    if (::mkdir(at.c_str(), 0777) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "make folder", at);
    }
    std::lock_guard lock(mutex_);
    anchored_.erase(at);
  }
  return {};
}

Status LocalFolders::Sync(const std::string& folder) {
  MORAINE_TRY(SyncOne(folder, /*must=*/true));
  std::vector<std::string> fresh;
  for (std::string at = folder; at != "/" && !IsAnchored(at); at = ParentPath(at)) {
    fresh.push_back(at);
    MORAINE_TRY(SyncOne(ParentPath(at), /*must=*/false));
  }
  if (fresh.empty()) return {};
  std::lock_guard lock(mutex_);
  if (anchored_.size() + fresh.size() > kMaxAnchored) anchored_.clear();
  for (std::string& at : fresh) anchored_.insert(std::move(at));
  return {};
}

Status LocalFolders::SyncOne(const std::string& folder, bool must) {
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    // Folders high above may be unreadable for us; then somebody else made them, long ago.
    if (!must && (errno == EACCES || errno == EPERM)) return {};
    return ErrnoStatus(errno, "open folder", folder);
  }
  if (::fsync(fd.get()) != 0) {
    // Some file systems (and read-only ones above a writable mount) can't sync a folder.
    if (errno == EINVAL || (!must && errno == EROFS)) return {};
    return ErrnoStatus(errno, "sync folder", folder);
  }
  if (syncs_ != nullptr) ++syncs_->folders;
  return {};
}

bool LocalFolders::IsAnchored(const std::string& folder) {
  std::lock_guard lock(mutex_);
  return anchored_.contains(folder);
}

}  // namespace moraine::io
