#include "moraine/io/arrow_file_system.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/io/arrow_status.h"
#include "moraine/io/cloud_location.h"

namespace moraine::io {
namespace {

constexpr size_t kDeletes = 8;  // at once

using FilesPtr = std::shared_ptr<arrow::fs::FileSystem>;

/// Arrow keeps of what a store said its text alone.
bool IsRefusal(std::string_view text) {
  static constexpr std::string_view kWords[] = {"PERMISSION_DENIED",       "UNAUTHENTICATED",
                                                "AuthorizationFailure",    "AuthenticationFailed",
                                                "AuthorizationPermission", "Permission denied"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return text.find(word) != text.npos; });
}

Status StoreStatus(const arrow::Status& status, std::string_view location) {
  if (status.ok()) return {};
  Status ours = ToStatus(status);
  if (status.IsIOError()) {
    ours = std::move(ours).WithCode(IsRefusal(status.message()) ? Code::kPermissionDenied
                                                                : Code::kUnavailable);
  }
  return std::move(ours).Annotate(location);
}

Result<std::string> PathOf(const std::string& location) {
  MORAINE_ASSIGN(CloudLocation parsed, ParseCloudLocation(location));
  return std::move(parsed.path);
}

Result<std::string> PrefixOf(const std::string& prefix) {
  MORAINE_ASSIGN(CloudLocation parsed, ParseCloudPrefix(prefix));
  return std::move(parsed.path);
}

Status NoFile(std::string_view location) {
  return NotFound(fmt::format("no such file: {}", location));
}

int64_t ModifiedMs(const arrow::fs::FileInfo& info) {
  if (info.mtime() == arrow::fs::kNoTime) return 0;
  return std::chrono::duration_cast<std::chrono::milliseconds>(info.mtime().time_since_epoch())
      .count();
}

class Reader final : public RandomReader {
 public:
  Reader(std::string location, std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t size)
      : location_(std::move(location)), file_(std::move(file)), size_(size) {}

  int64_t size() const override { return size_; }

  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    MORAINE_TRY(call.Check());
    const auto wanted = static_cast<int64_t>(buffer.size());
    if (offset < 0 || wanted > size_ - offset) {
      return Corruption(fmt::format("{} has {} bytes, {} were wanted from {} on", location_, size_,
                                    wanted, offset));
    }
    for (int64_t done = 0; done < wanted;) {
      auto read = file_->ReadAt(offset + done, wanted - done, buffer.data() + done);
      if (!read.ok()) return StoreStatus(read.status(), location_);
      if (*read <= 0) {
        return Corruption(fmt::format("{} ends after {} bytes, {} were wanted", location_,
                                      offset + done, offset + wanted));
      }
      done += *read;
    }
    return {};
  }

 private:
  const std::string location_;
  const std::shared_ptr<arrow::io::RandomAccessFile> file_;
  const int64_t size_;
};

class StoreWriter final : public Writer {
 public:
  StoreWriter(FilesPtr files, std::string location, std::string path,
              std::shared_ptr<arrow::io::OutputStream> stream)
      : files_(std::move(files)),
        location_(std::move(location)),
        path_(std::move(path)),
        stream_(std::move(stream)) {}

  ~StoreWriter() override {
    if (is_closed_) return;
    // What some stores show before the end goes as well.
    (void)stream_->Abort();
    (void)files_->DeleteFile(path_);
  }

  Status Append(Call& call, std::string_view bytes) override {
    MORAINE_TRY(call.Check());
    MORAINE_TRY(
        StoreStatus(stream_->Write(bytes.data(), static_cast<int64_t>(bytes.size())), location_));
    bytes_ += static_cast<int64_t>(bytes.size());
    return {};
  }
  Status Close(Call& call) override {
    MORAINE_TRY(call.Check());
    is_closed_ = true;  // from here on nobody can tell whether it is there
    return StoreStatus(stream_->Close(), location_);
  }
  int64_t bytes_written() const override { return bytes_; }

 private:
  const FilesPtr files_;
  const std::string location_;
  const std::string path_;
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  int64_t bytes_ = 0;
  bool is_closed_ = false;
};

class ArrowFileSystem final : public FileSystem {
 public:
  ArrowFileSystem(FilesPtr files, StoreFolders folders)
      : files_(std::move(files)), folders_(folders) {}

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(const std::string path, PathOf(location));
    arrow::fs::FileInfo info(path, arrow::fs::FileType::File);
    if (known_size) {
      info.set_size(*known_size);
    } else {
      MORAINE_ASSIGN(info, InfoOf(location, path));
      if (!info.IsFile()) return NoFile(location);
    }
    auto file = files_->OpenInputFile(info);
    if (!file.ok()) return Explain(file.status(), location, path);
    int64_t size = info.size();
    if (size < 0) {
      auto told = (*file)->GetSize();
      if (!told.ok()) return Explain(told.status(), location, path);
      size = *told;
    }
    return std::unique_ptr<RandomReader>(new Reader(location, *file, size));
  }

  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(std::string path, PathOf(location));
    MORAINE_ASSIGN(const auto info, InfoOf(location, path));
    if (info.type() != arrow::fs::FileType::NotFound) {
      return AlreadyExists(fmt::format("file exists: {}", location));
    }
    const size_t slash = path.rfind('/');
    if (folders_ == StoreFolders::kMade && slash != path.npos && slash > 0) {
      MORAINE_TRY(StoreStatus(files_->CreateDir(path.substr(0, slash), true), location));
    }
    auto stream = files_->OpenOutputStream(path);
    if (!stream.ok()) return StoreStatus(stream.status(), location);
    return std::unique_ptr<Writer>(new StoreWriter(files_, location, std::move(path), *stream));
  }

  Result<FileInfo> Stat(Call& call, const std::string& location) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(const std::string path, PathOf(location));
    MORAINE_ASSIGN(const auto info, InfoOf(location, path));
    if (!info.IsFile()) return NoFile(location);
    return FileInfo{location, info.size(), ModifiedMs(info)};
  }

  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(const std::string path, PrefixOf(prefix));
    arrow::fs::FileSelector selector;
    selector.base_dir = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
    selector.recursive = true;
    selector.allow_not_found = true;
    auto found = files_->GetFileInfo(selector);
    if (!found.ok()) return StoreStatus(found.status(), prefix);
    return PageOf(*found, prefix, path, start_after, limit);
  }

  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    // Arrow deletes one by one.
    std::vector<Status> outcomes(locations.size());
    const Status all = ForEach(deleting_, locations.size(), kDeletes, [&](size_t i) -> Status {
      Call own(call);
      outcomes[i] = Delete(own, locations[i]);
      return {};
    });
    if (!all.ok()) std::fill(outcomes.begin(), outcomes.end(), all);
    return outcomes;
  }

 private:
  Result<arrow::fs::FileInfo> InfoOf(const std::string& location, const std::string& path) {
    auto info = files_->GetFileInfo(path);
    if (!info.ok()) return StoreStatus(info.status(), location);
    return *info;
  }

  /// Why a file could not be opened: a store's text does not say whether it is there.
  Status Explain(const arrow::Status& problem, const std::string& location,
                 const std::string& path) {
    auto info = files_->GetFileInfo(path);
    if (info.ok() && !info->IsFile()) return NoFile(location);
    return StoreStatus(problem, location);
  }

  Status Delete(Call& call, const std::string& location) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(const std::string path, PathOf(location));
    const arrow::Status deleted = files_->DeleteFile(path);
    if (deleted.ok()) return {};
    auto info = files_->GetFileInfo(path);
    if (info.ok() && info->type() == arrow::fs::FileType::NotFound) return {};
    return StoreStatus(deleted, location);
  }

  /// The first files in the order of their locations, bytewise.
  static FileListing PageOf(const std::vector<arrow::fs::FileInfo>& found,
                            const std::string& prefix, const std::string& path,
                            const std::string& start_after, size_t limit) {
    FileListing page;
    std::map<std::string, const arrow::fs::FileInfo*> first;
    for (const arrow::fs::FileInfo& info : found) {
      if (!info.IsFile() || !info.path().starts_with(path)) continue;
      std::string location = prefix + info.path().substr(path.size());
      if (location <= start_after) continue;
      first.emplace(std::move(location), &info);
      if (first.size() <= limit) continue;
      first.erase(std::prev(first.end()));
      page.complete = false;
    }
    for (const auto& [location, info] : first) {
      page.files.push_back({location, info->size(), ModifiedMs(*info)});
    }
    return page;
  }

  const FilesPtr files_;
  const StoreFolders folders_;
  ThreadPool deleting_{{.name = "store-delete", .threads = kDeletes}};
};

}  // namespace

std::unique_ptr<FileSystem> MakeArrowFileSystem(FilesPtr files, StoreFolders folders) {
  return std::make_unique<ArrowFileSystem>(std::move(files), folders);
}

}  // namespace moraine::io
