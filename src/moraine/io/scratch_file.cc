#include "moraine/io/scratch_file.h"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <arrow/io/file.h>
#include <arrow/status.h>
#include <arrow/util/io_util.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "moraine/io/arrow_status.h"
#include "moraine/io/errno_status.h"

namespace moraine::io {
namespace {

/// A file that has a name for a moment, where the file system has none without.
int OpenAndUnlink(const std::string& folder) {
  std::string path = folder + "/moraine-XXXXXX";
  const int descriptor = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor >= 0) unlink(path.c_str());
  return descriptor;
}

}  // namespace

Result<ScratchFile> ScratchFile::Make(const std::string& folder) {
  std::string where = folder;
  if (where.empty()) {
    std::error_code error;
    where = std::filesystem::temp_directory_path(error).string();
    if (error) return ErrnoStatus(error.value(), "find a folder for temporary files", where);
  }
  int descriptor = open(where.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) descriptor = OpenAndUnlink(where);
  if (descriptor < 0) return ErrnoStatus(errno, "make a temporary file in", where);
  return ScratchFile(descriptor);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}
ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}
ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<int> ScratchFile::Duplicate() const {
  const int copy = fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return ErrnoStatus(errno, "open again", "a temporary file");
  return copy;
}

Result<std::shared_ptr<arrow::io::OutputStream>> ScratchFile::OpenWriter() const {
  MORAINE_ASSIGN(const int descriptor, Duplicate());
  MORAINE_ASSIGN(auto stream, arrow::io::FileOutputStream::Open(descriptor));
  return std::shared_ptr<arrow::io::OutputStream>(std::move(stream));
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> ScratchFile::OpenReader(
    arrow::MemoryPool* pool) const {
  MORAINE_ASSIGN(const int descriptor, Duplicate());
  MORAINE_ASSIGN(auto file, arrow::io::ReadableFile::Open(descriptor, pool));
  return std::shared_ptr<arrow::io::RandomAccessFile>(std::move(file));
}

void ScratchFile::Discard(int64_t offset, int64_t bytes) const {
  // A file system that cannot keeps them until the file is closed.
  (void)fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
}

Status ScratchStatus(const arrow::Status& status) {
  if (status.ok()) return {};
  if (!status.IsIOError()) return ToStatus(status);
  const int error = arrow::internal::ErrnoFromStatus(status);
  if (error == ENOSPC || error == EDQUOT) {
    return Exhausted("the disk for temporary files is full: " + status.message());
  }
  return Unavailable("a temporary file failed: " + status.message());
}

}  // namespace moraine::io
