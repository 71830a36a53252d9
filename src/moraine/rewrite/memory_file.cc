#include "moraine/rewrite/memory_file.h"

#include <cstring>
#include <utility>

namespace moraine::rewrite {
namespace {

class Reader final : public io::RandomReader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  Status ReadAt(Call& /*call*/, int64_t offset, std::span<char> buffer) override {
    const auto at = static_cast<size_t>(offset);
    if (offset < 0 || at > bytes_.size() || buffer.size() > bytes_.size() - at) {
      return Corruption("a file in memory ends too early");
    }
    std::memcpy(buffer.data(), bytes_.data() + at, buffer.size());
    return {};
  }

 private:
  const std::string& bytes_;
};

class Writer final : public io::Writer {
 public:
  explicit Writer(std::string* bytes) : bytes_(*bytes) {}
  Status Append(Call& /*call*/, std::string_view bytes) override {
    bytes_.append(bytes);
    return {};
  }
  Status Close(Call& /*call*/) override { return {}; }
  int64_t bytes_written() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  std::string& bytes_;
};

}  // namespace

std::unique_ptr<io::RandomReader> MemoryFile::OpenBytes() const {
  return std::make_unique<Reader>(bytes_);
}

Result<std::unique_ptr<io::RandomReader>> MemoryFile::Open(Call& /*call*/,
                                                           const std::string& /*location*/,
                                                           std::optional<int64_t> /*size*/) {
  return OpenBytes();
}

Result<std::unique_ptr<io::Writer>> MemoryFile::Create(Call& /*call*/,
                                                       const std::string& /*location*/) {
  bytes_.clear();
  return std::unique_ptr<io::Writer>(std::make_unique<Writer>(&bytes_));
}

Result<io::FileInfo> MemoryFile::Stat(Call& /*call*/, const std::string& location) {
  return io::FileInfo{location, static_cast<int64_t>(bytes_.size()), 0};
}

Result<io::FileListing> MemoryFile::List(Call& /*call*/, const std::string& /*prefix*/,
                                         const std::string& /*start_after*/, size_t /*limit*/) {
  return io::FileListing();
}

std::vector<Status> MemoryFile::DeleteMany(Call& /*call*/, std::span<const std::string> locations) {
  return std::vector<Status>(locations.size());
}

}  // namespace moraine::rewrite
