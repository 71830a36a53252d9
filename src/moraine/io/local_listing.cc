#include "moraine/io/local_listing.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "moraine/io/errno_status.h"
#include "moraine/io/name_listing.h"

namespace moraine::io {
namespace {

struct Entry {
  std::string name;  // a folder's ends in a slash, which is also where it sorts
  bool operator<(const Entry& other) const { return name < other.name; }
  bool is_folder() const { return name.ends_with('/'); }
  bool is_link = false;  // to what it leads is not known
};

int64_t ModifiedMs(const struct stat& info) {
  return static_cast<int64_t>(info.st_mtim.tv_sec) * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

using Dir = std::unique_ptr<DIR, int (*)(DIR*)>;

class Walk {
 public:
  Walk(Call& call, const LocalPath& prefix, const std::string& start_after, size_t limit, Told told)
      : call_(call), prefix_(prefix), start_after_(start_after), limit_(limit), told_(told) {}

  Result<FileListing> Run() {
    size_t slash = prefix_.path.rfind('/');
    MORAINE_TRY(Folder(prefix_.path.substr(0, slash + 1)));
    return std::move(listing_);
  }

 private:
  bool full() const { return !listing_.complete; }

  /// Visits a folder (path with a slash at its end) in pages of bounded size.
  Status Folder(const std::string& folder) {
    const Dir dir(::opendir(folder.c_str()), &::closedir);
    if (dir == nullptr) {
      if (errno == ENOENT || errno == ENOTDIR) return {};
      return ErrnoStatus(errno, "list folder", folder);
    }
    std::string after;
    for (bool more = true; more && !full(); ::rewinddir(dir.get())) {
      MORAINE_ASSIGN(auto entries, NextEntries(dir.get(), folder, after, &more));
      for (const Entry& entry : entries) {
        MORAINE_TRY(Visit(::dirfd(dir.get()), folder, entry));
        if (full()) return {};
      }
      if (more) after = entries.back().name;
    }
    return {};
  }

  /// at: the open folder, from which a name is found without walking down to it.
  Status Visit(int at, const std::string& folder, const Entry& entry) {
    MORAINE_TRY(call_.Check());
    std::string path = folder + entry.name;
    if (entry.is_folder()) return Folder(path);
    if (told_ == Told::kNames && !entry.is_link) return Add(std::move(path), 0, kNotTold);
    struct stat info;
    if (::fstatat(at, entry.name.c_str(), &info, 0) != 0) {
      if (errno == ENOENT || errno == ELOOP || errno == EACCES) return {};  // gone, or a dead link
      return ErrnoStatus(errno, "stat", path);
    }
    if (!S_ISREG(info.st_mode)) return {};
    return Add(std::move(path), info.st_size, ModifiedMs(info));
  }

  Status Add(std::string path, int64_t size_bytes, int64_t modified_ms) {
    if (listing_.files.size() == limit_) {
      listing_.complete = false;
    } else {
      listing_.files.push_back({prefix_.scheme + path, size_bytes, modified_ms});
    }
    return {};
  }

  /// Whether anything at or below this path can belong to the answer.
  bool Matters(const std::string& path, bool is_folder) const {
    if (!is_folder) return path.starts_with(prefix_.path) && path > start_after_;
    if (!path.starts_with(prefix_.path) && !prefix_.path.starts_with(path)) return false;
    return path > start_after_ || start_after_.starts_with(path);
  }

  /// The smallest entries of the folder after a name, sorted; more says that others follow.
  Result<std::vector<Entry>> NextEntries(DIR* dir, const std::string& folder,
                                         const std::string& after, bool* more) {
    *more = false;
    std::vector<Entry> heap;  // the largest on top, once there are more than are kept
    const size_t keep = std::max<size_t>(limit_ + 1, 256);
    for (;;) {
      errno = 0;
      const dirent* next = ::readdir(dir);
      if (next == nullptr) break;
      Entry entry;
      if (!Classify(dir, *next, &entry) || entry.name <= after) continue;
      if (!Matters(folder + entry.name, entry.is_folder())) continue;
      if (heap.size() < keep) {
        heap.push_back(std::move(entry));
        continue;
      }
      if (!*more) std::make_heap(heap.begin(), heap.end());
      *more = true;
      if (heap.front() < entry) continue;
      std::pop_heap(heap.begin(), heap.end());
      heap.back() = std::move(entry);
      std::push_heap(heap.begin(), heap.end());
    }
    if (errno != 0) return ErrnoStatus(errno, "list folder", folder);
    std::sort(heap.begin(), heap.end());
    return heap;
  }

  /// Folders and (links to) files; links to folders and everything else are no part of a listing.
  static bool Classify(DIR* dir, const dirent& next, Entry* entry) {
    entry->name = next.d_name;
    if (entry->name == "." || entry->name == "..") return false;
    unsigned char type = next.d_type;
    if (type == DT_UNKNOWN) {
      struct stat info;
      if (::fstatat(::dirfd(dir), next.d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
      type = IFTODT(info.st_mode);
    }
    if (type == DT_DIR) entry->name += '/';
    entry->is_link = type == DT_LNK;
    return type == DT_DIR || type == DT_REG || type == DT_LNK;
  }

  Call& call_;
  const LocalPath& prefix_;
  const std::string& start_after_;
  const size_t limit_;
  const Told told_;
  FileListing listing_;
};

}  // namespace

Result<FileListing> ListLocal(Call& call, const LocalPath& prefix, const std::string& start_after,
                              size_t limit, Told told) {
  return Walk(call, prefix, start_after, limit, told).Run();
}

}  // namespace moraine::io
