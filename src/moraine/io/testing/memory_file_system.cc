#include "moraine/io/testing/memory_file_system.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "moraine/io/location.h"

namespace moraine::io {
namespace {

class MemoryReader final : public RandomReader {
 public:
  MemoryReader(std::string location, std::shared_ptr<const std::string> bytes, int64_t size)
      : location_(std::move(location)), bytes_(std::move(bytes)), size_(size) {}

  int64_t size() const override { return size_; }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    MORAINE_TRY(call.Check());
    if (offset < 0 ||
        offset + static_cast<int64_t>(buffer.size()) > static_cast<int64_t>(bytes_->size())) {
      return Corruption(fmt::format("file ends too early: {} has {} bytes, {} expected from {}",
                                    location_, bytes_->size(), buffer.size(), offset));
    }
    std::memcpy(buffer.data(), bytes_->data() + offset, buffer.size());
    return {};
  }

 private:
  std::string location_;
  std::shared_ptr<const std::string> bytes_;
  int64_t size_;
};

/// What a prefix is compared with: its last part may be half a name, so only the folders are
/// normalised.
Result<std::string> NormalizePrefix(const std::string& prefix) {
  size_t slash = prefix.rfind('/');
  if (slash == prefix.npos) return InvalidArgument(fmt::format("prefix has no slash: {}", prefix));
  MORAINE_ASSIGN(std::string folder, NormalizeLocation(prefix.substr(0, slash + 1)));
  return JoinLocation(folder, prefix.substr(slash + 1));
}

}  // namespace

class MemoryWriter final : public Writer {
 public:
  MemoryWriter(MemoryFileSystem& files, std::string location)
      : files_(files), location_(std::move(location)) {}

  Status Append(Call& call, std::string_view bytes) override {
    MORAINE_TRY(call.Check());
    if (closed_) return Internal("writer is closed");
    bytes_ += bytes;
    written_ += static_cast<int64_t>(bytes.size());
    return {};
  }
  Status Close(Call& call) override {
    MORAINE_TRY(call.Check());
    if (closed_) return Internal("writer was closed twice");
    closed_ = true;
    return files_.Add(location_, std::move(bytes_), ToMillis(call.clock().Wall()));
  }
  int64_t bytes_written() const override { return written_; }

 private:
  MemoryFileSystem& files_;
  const std::string location_;
  std::string bytes_;
  int64_t written_ = 0;
  bool closed_ = false;
};

Result<std::unique_ptr<RandomReader>> MemoryFileSystem::Open(Call& call,
                                                             const std::string& location,
                                                             std::optional<int64_t> known_size) {
  MORAINE_TRY(call.Check());
  MORAINE_ASSIGN(File file, Find(location));
  int64_t size = known_size.value_or(static_cast<int64_t>(file.bytes->size()));
  return std::unique_ptr<RandomReader>(
      std::make_unique<MemoryReader>(location, std::move(file.bytes), size));
}

Result<std::unique_ptr<Writer>> MemoryFileSystem::Create(Call& call, const std::string& location) {
  MORAINE_TRY(call.Check());
  if (location.ends_with('/')) {
    return InvalidArgument(fmt::format("a file's name is missing: {}", location));
  }
  MORAINE_TRY(NormalizeLocation(location));
  if (Has(location)) return AlreadyExists(fmt::format("file exists: {}", location));
  return std::unique_ptr<Writer>(std::make_unique<MemoryWriter>(*this, location));
}

Result<FileInfo> MemoryFileSystem::Stat(Call& call, const std::string& location) {
  MORAINE_TRY(call.Check());
  MORAINE_ASSIGN(File file, Find(location));
  return FileInfo{location, static_cast<int64_t>(file.bytes->size()), file.modified_ms};
}

Result<FileListing> MemoryFileSystem::List(Call& call, const std::string& prefix,
                                           const std::string& start_after, size_t limit) {
  MORAINE_TRY(call.Check());
  MORAINE_ASSIGN(std::string normal, NormalizePrefix(prefix));
  std::string after;
  if (!start_after.empty()) {
    MORAINE_ASSIGN(after, NormalizeLocation(start_after));
  }
  FileListing listing;
  std::lock_guard lock(mutex_);
  for (auto it = files_.lower_bound(normal); it != files_.end(); ++it) {
    const auto& [key, file] = *it;
    if (!key.starts_with(normal)) break;
    if (key <= after) continue;
    if (listing.files.size() == limit) {
      listing.complete = false;
      break;
    }
    // In the form of the prefix, as other file systems answer.
    listing.files.push_back({prefix + key.substr(normal.size()),
                             static_cast<int64_t>(file.bytes->size()), file.modified_ms});
  }
  return listing;
}

Result<FileListing> MemoryFileSystem::ListNames(Call& call, const std::string& prefix,
                                                const std::string& start_after, size_t limit) {
  MORAINE_ASSIGN(auto listing, List(call, prefix, start_after, limit));
  for (FileInfo& file : listing.files) {
    file.size_bytes = 0;
    file.modified_ms = kNotTold;
  }
  return listing;
}

std::vector<Status> MemoryFileSystem::DeleteMany(Call& call,
                                                 std::span<const std::string> locations) {
  std::vector<Status> outcomes;
  for (const std::string& location : locations) {
    Status outcome = call.Check();
    Result<std::string> normal = NormalizeLocation(location);
    if (outcome.ok()) outcome = normal.status();
    if (outcome.ok()) {
      std::lock_guard lock(mutex_);
      files_.erase(*normal);
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

std::vector<std::string> MemoryFileSystem::Locations() const {
  std::vector<std::string> out;
  std::lock_guard lock(mutex_);
  for (const auto& [key, file] : files_) out.push_back(file.location);
  std::sort(out.begin(), out.end());
  return out;
}

size_t MemoryFileSystem::size() const {
  std::lock_guard lock(mutex_);
  return files_.size();
}

bool MemoryFileSystem::Has(const std::string& location) const { return Find(location).ok(); }

void MemoryFileSystem::Put(const std::string& location, std::string bytes, int64_t modified_ms) {
  std::string key = NormalizeLocation(location).value();
  File file{location, std::make_shared<const std::string>(std::move(bytes)), modified_ms};
  std::lock_guard lock(mutex_);
  files_.insert_or_assign(std::move(key), std::move(file));
}

void MemoryFileSystem::Remove(const std::string& location) {
  std::string key = NormalizeLocation(location).value();
  std::lock_guard lock(mutex_);
  files_.erase(key);
}

Status MemoryFileSystem::Add(const std::string& location, std::string bytes, int64_t modified_ms) {
  MORAINE_ASSIGN(std::string key, NormalizeLocation(location));
  File file{location, std::make_shared<const std::string>(std::move(bytes)), modified_ms};
  std::lock_guard lock(mutex_);
  if (!files_.emplace(std::move(key), std::move(file)).second) {
    return AlreadyExists(fmt::format("file exists: {}", location));
  }
  return {};
}

Result<MemoryFileSystem::File> MemoryFileSystem::Find(const std::string& location) const {
  MORAINE_ASSIGN(std::string key, NormalizeLocation(location));
  std::lock_guard lock(mutex_);
  auto it = files_.find(key);
  if (it == files_.end()) return NotFound(fmt::format("no such file: {}", location));
  return it->second;
}

}  // namespace moraine::io
