#include "moraine/io/local_file_system.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moraine/io/errno_status.h"
#include "moraine/io/file_copy.h"
#include "moraine/io/local_folders.h"
#include "moraine/io/local_listing.h"
#include "moraine/io/local_path.h"
#include "moraine/io/name_listing.h"

namespace moraine::io {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kMaxIoBytes = 64 * 1024 * 1024;  // between two looks at the deadline
// After as many, the disk may begin.
constexpr int64_t kWritebackBytes = int64_t{32} << 20;
constexpr int kNameTries = 16;

class LocalReader final : public RandomReader {
 public:
  LocalReader(Descriptor fd, std::string path, int64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  int64_t size() const override { return size_; }

  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    while (!buffer.empty()) {
      MORAINE_TRY(call.Check());
      size_t want = std::min(buffer.size(), kMaxIoBytes);
      ssize_t got = ::pread(fd_.get(), buffer.data(), want, offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, "read", path_);
      if (got == 0) {
        return Corruption(fmt::format("file ends too early: {} at byte {}, {} more expected", path_,
                                      offset, buffer.size()));
      }
      offset += got;
      buffer = buffer.subspan(static_cast<size_t>(got));
    }
    return {};
  }

 private:
  Descriptor fd_;
  std::string path_;
  int64_t size_;
};

/// Gives from its name to without replacing a file that has it.
int RenameNoReplace(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system without it: a hard link never replaces either.
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  (void)::unlink(from.c_str());
  return 0;
}

class LocalWriter final : public Writer {
 public:
  LocalWriter(Descriptor fd, std::string temporary, std::string path, LocalFolders& folders,
              SyncCounts* syncs)
      : fd_(std::move(fd)),
        temporary_(std::move(temporary)),
        path_(std::move(path)),
        folders_(folders),
        syncs_(syncs) {}

  ~LocalWriter() override {
    if (!temporary_.empty()) (void)::unlink(temporary_.c_str());
  }

  Status Append(Call& call, std::string_view bytes) override {
    MORAINE_TRY(outcome_);
    bytes_written_ += static_cast<int64_t>(bytes.size());
    if (buffer_.size() + bytes.size() <= kBufferBytes) {
      buffer_ += bytes;
      return {};
    }
    outcome_ = Flush(call);
    if (!outcome_.ok()) return outcome_;
    if (bytes.size() < kBufferBytes) {
      buffer_ = bytes;
      return {};
    }
    return outcome_ = WriteAll(call, bytes);
  }

  Status Close(Call& call) override {
    if (temporary_.empty()) return outcome_.ok() ? Internal("writer was closed twice") : outcome_;
    MORAINE_TRY(outcome_);
    outcome_ = Finish(call);
    return outcome_;
  }

  int64_t bytes_written() const override { return bytes_written_; }

 private:
  Status Finish(Call& call) {
    MORAINE_TRY(Flush(call));
    MORAINE_TRY(call.Check());
    if (::fsync(fd_.get()) != 0) return ErrnoStatus(errno, "sync", path_);
    if (syncs_ != nullptr) ++syncs_->files;
    if (int error = fd_.Close(); error != 0) return ErrnoStatus(error, "close", path_);
    if (int error = RenameNoReplace(temporary_, path_); error != 0) {
      return ErrnoStatus(error, "create", path_);
    }
    temporary_.clear();
    return folders_.Sync(ParentPath(path_));
  }

  Status Flush(Call& call) {
    MORAINE_TRY(WriteAll(call, buffer_));
    buffer_.clear();
    return {};
  }

  Status WriteAll(Call& call, std::string_view bytes) {
    while (!bytes.empty()) {
      MORAINE_TRY(call.Check());
      ssize_t put = ::write(fd_.get(), bytes.data(), std::min(bytes.size(), kMaxIoBytes));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoStatus(errno, "write", path_);
      bytes.remove_prefix(static_cast<size_t>(put));
      put_ += put;
    }
    BeginWriteback();
    return {};
  }

  // The sync at the end of a large file finds less to do.
  void BeginWriteback() {
    if (put_ - writing_back_ < kWritebackBytes) return;
    (void)::sync_file_range(fd_.get(), writing_back_, put_ - writing_back_, SYNC_FILE_RANGE_WRITE);
    writing_back_ = put_;
  }

  Descriptor fd_;
  std::string temporary_;  // empty once it has its final name
  const std::string path_;
  LocalFolders& folders_;
  SyncCounts* syncs_;
  std::string buffer_;
  Status outcome_;
  int64_t bytes_written_ = 0;
  int64_t put_ = 0;           // of them in the file,
  int64_t writing_back_ = 0;  // and on their way to the disk
};

class LocalFileSystem final : public FileSystem, public StoreCopies, public NameListing {
 public:
  explicit LocalFileSystem(const LocalFileSystemOptions& options)
      : syncs_(options.syncs), folders_(options.syncs) {}

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(LocalPath at, ParseLocalPath(location));
    // Not blocking: a named pipe must not hold us up.
    Descriptor fd(::open(at.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid()) return ErrnoStatus(errno, "open", at.path);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "stat", at.path);
    if (!S_ISREG(info.st_mode)) return NotFound(fmt::format("not a regular file: {}", at.path));
    int64_t size = known_size.value_or(info.st_size);
    return std::unique_ptr<RandomReader>(
        std::make_unique<LocalReader>(std::move(fd), std::move(at.path), size));
  }

  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(LocalPath at, ParseLocalPath(location));
    if (at.path.ends_with('/')) {
      return InvalidArgument(fmt::format("a file's name is missing: {}", location));
    }
    struct stat info;
    if (::lstat(at.path.c_str(), &info) == 0) {
      return AlreadyExists(fmt::format("file exists: {}", at.path));
    }
    const std::string folder = ParentPath(at.path);
    std::string temporary;
    Descriptor fd;
    bool made = false;
    for (int tries = 0; !fd.valid(); ++tries) {
      temporary = fmt::format("{}/.moraine-{:016x}{:016x}.tmp", folder == "/" ? "" : folder,
                              call.random().Next(), call.random().Next());
      fd = Descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (fd.valid()) break;
      if (errno == ENOENT && !made) {
        MORAINE_TRY(folders_.Make(folder));
        made = true;
      } else if (errno != EEXIST || tries >= kNameTries) {
        return ErrnoStatus(errno, "create", at.path);
      }
    }
    return std::unique_ptr<Writer>(std::make_unique<LocalWriter>(
        std::move(fd), std::move(temporary), std::move(at.path), folders_, syncs_));
  }

  Result<FileInfo> Stat(Call& call, const std::string& location) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(LocalPath at, ParseLocalPath(location));
    struct stat info;
    if (::stat(at.path.c_str(), &info) != 0) return ErrnoStatus(errno, "stat", at.path);
    if (!S_ISREG(info.st_mode)) return NotFound(fmt::format("not a regular file: {}", at.path));
    int64_t modified_ms =
        static_cast<int64_t>(info.st_mtim.tv_sec) * 1000 + info.st_mtim.tv_nsec / 1'000'000;
    return FileInfo{location, info.st_size, modified_ms};
  }

  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override {
    return List(call, prefix, start_after, limit, Told::kAll);
  }
  Result<FileListing> ListNames(Call& call, const std::string& prefix,
                                const std::string& start_after, size_t limit) override {
    return List(call, prefix, start_after, limit, Told::kNames);
  }

  /// A second name of the same file.
  Status Copy(Call& call, const std::string& from, const std::string& to) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(const LocalPath source, ParseLocalPath(from));
    MORAINE_ASSIGN(const LocalPath place, ParseLocalPath(to));
    if (place.path.ends_with('/')) {
      return InvalidArgument(fmt::format("a file's name is missing: {}", to));
    }
    struct stat info;
    if (::lstat(source.path.c_str(), &info) != 0) return ErrnoStatus(errno, "stat", source.path);
    if (!S_ISREG(info.st_mode)) return Unsupported("not a regular file: " + source.path);
    const std::string folder = ParentPath(place.path);
    int error = Link(source.path, place.path);
    if (error == ENOENT) {
      MORAINE_TRY(folders_.Make(folder));
      error = Link(source.path, place.path);
    }
    if (error == EEXIST) return CompareWith(info, place.path);
    if (IsNoLink(error)) return Unsupported("the disk makes no second names: " + place.path);
    if (error != 0) return ErrnoStatus(error, "link", place.path);
    // Its age begins anew, as that of any copy.
    (void)::utimensat(AT_FDCWD, place.path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
    return folders_.Sync(folder);
  }

  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<Status> outcomes;
    outcomes.reserve(locations.size());
    for (const std::string& location : locations) outcomes.push_back(Delete(call, location));
    return outcomes;
  }

 private:
  static Result<FileListing> List(Call& call, const std::string& prefix,
                                  const std::string& start_after, size_t limit, Told told) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(LocalPath at, ParseLocalPath(prefix));
    std::string after;
    if (!start_after.empty()) {
      MORAINE_ASSIGN(LocalPath start, ParseLocalPath(start_after));
      after = std::move(start.path);
    }
    return ListLocal(call, at, after, limit, told);
  }

  Status Delete(Call& call, const std::string& location) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(LocalPath at, ParseLocalPath(location));
    if (::unlink(at.path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
    return ErrnoStatus(errno, "delete", at.path);
  }

  static int Link(const std::string& from, const std::string& to) {
    return ::link(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  }

  /// Whether this is how a file system says that it has no hard links, or none from there to here.
  static bool IsNoLink(int error) {
    return error == EXDEV || error == EPERM || error == EMLINK || error == EOPNOTSUPP ||
           error == ENOSYS || error == EINVAL;
  }

  /// What it means that there is a file where the source should go.
  static Status CompareWith(const struct stat& source, const std::string& path) {
    struct stat there;
    if (::lstat(path.c_str(), &there) != 0) return ErrnoStatus(errno, "stat", path);
    const bool is_same = there.st_dev == source.st_dev && there.st_ino == source.st_ino;
    if (is_same && there.st_nlink > 1) return {};
    if (is_same) return InvalidArgument("a file can't be copied to where it is: " + path);
    if (S_ISREG(there.st_mode) && there.st_size == source.st_size) {
      return Unsupported("bytes have to be compared: " + path);
    }
    return AlreadyExists("another file is where it should go: " + path);
  }

  SyncCounts* syncs_;
  LocalFolders folders_;
};

}  // namespace

bool LocalFileExists(const std::string& location) {
  Result<LocalPath> at = ParseLocalPath(location);
  struct stat info;
  return at.ok() && ::stat(at->path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::unique_ptr<FileSystem> MakeLocalFileSystem(const LocalFileSystemOptions& options) {
  return std::make_unique<LocalFileSystem>(options);
}

std::unique_ptr<FileSystem> MakeLocalFileSystem() { return MakeLocalFileSystem({}); }

}  // namespace moraine::io
