#include "moraine/iceberg/testing/memory_files.h"

#include <algorithm>
#include <utility>

namespace moraine::iceberg {

class MemoryFiles::Reader final : public io::RandomReader {
 public:
  Reader(MemoryFiles* files, std::shared_ptr<const std::string> bytes)
      : files_(files), bytes_(std::move(bytes)) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_->size()); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    MORAINE_TRY(call.Check());
    if (offset < 0 || offset > size() || static_cast<int64_t>(buffer.size()) > size() - offset) {
      return Corruption("the file ends before the bytes asked for");
    }
    std::copy_n(bytes_->data() + offset, buffer.size(), buffer.data());
    const std::lock_guard lock(files_->mutex_);
    files_->bytes_read_ += static_cast<int64_t>(buffer.size());
    return {};
  }

 private:
  MemoryFiles* files_;
  std::shared_ptr<const std::string> bytes_;
};

class MemoryFiles::Writer final : public io::Writer {
 public:
  Writer(MemoryFiles* files, std::string location)
      : files_(files), location_(std::move(location)) {}
  Status Append(Call& call, std::string_view bytes) override {
    MORAINE_TRY(call.Check());
    bytes_.append(bytes);
    return {};
  }
  Status Close(Call& call) override {
    MORAINE_TRY(call.Check());
    files_->SetBytes(location_, bytes_);
    return {};
  }
  int64_t bytes_written() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  MemoryFiles* files_;
  const std::string location_;
  std::string bytes_;
};

Result<std::unique_ptr<io::RandomReader>> MemoryFiles::Open(Call& call, const std::string& location,
                                                            std::optional<int64_t>) {
  MORAINE_TRY(call.Check());
  const std::lock_guard lock(mutex_);
  const auto it = files_.find(location);
  if (it == files_.end()) return NotFound("no such file: " + location);
  ++opens_;
  return std::unique_ptr<io::RandomReader>(std::make_unique<Reader>(this, it->second));
}

Result<std::unique_ptr<io::Writer>> MemoryFiles::Create(Call& call, const std::string& location) {
  MORAINE_TRY(call.Check());
  const std::lock_guard lock(mutex_);
  if (files_.contains(location)) return AlreadyExists("the file exists: " + location);
  return std::unique_ptr<io::Writer>(std::make_unique<Writer>(this, location));
}

Result<io::FileInfo> MemoryFiles::Stat(Call& call, const std::string& location) {
  MORAINE_TRY(call.Check());
  const std::lock_guard lock(mutex_);
  const auto it = files_.find(location);
  if (it == files_.end()) return NotFound("no such file: " + location);
  return io::FileInfo{location, static_cast<int64_t>(it->second->size()), 0};
}

Result<io::FileListing> MemoryFiles::List(Call& call, const std::string& prefix,
                                          const std::string& start_after, size_t limit) {
  MORAINE_TRY(call.Check());
  const std::lock_guard lock(mutex_);
  io::FileListing listing;
  for (auto it = files_.lower_bound(prefix); it != files_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    if (it->first <= start_after) continue;
    if (listing.files.size() == limit) {
      listing.complete = false;
      break;
    }
    listing.files.push_back({it->first, static_cast<int64_t>(it->second->size()), 0});
  }
  return listing;
}

std::vector<Status> MemoryFiles::DeleteMany(Call& call, std::span<const std::string> locations) {
  std::vector<Status> outcomes(locations.size(), call.Check());
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < locations.size(); ++i) {
    if (outcomes[i].ok()) files_.erase(locations[i]);
  }
  return outcomes;
}

std::string MemoryFiles::Bytes(const std::string& location) const {
  const std::lock_guard lock(mutex_);
  const auto it = files_.find(location);
  return it == files_.end() ? "" : *it->second;
}

void MemoryFiles::SetBytes(const std::string& location, std::string bytes) {
  const std::lock_guard lock(mutex_);
  files_[location] = std::make_shared<const std::string>(std::move(bytes));
}

std::vector<std::string> MemoryFiles::Names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files_) names.push_back(name);
  return names;
}

int64_t MemoryFiles::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return bytes_read_;
}

int64_t MemoryFiles::opens() const {
  const std::lock_guard lock(mutex_);
  return opens_;
}

}  // namespace moraine::iceberg
