#include "moraine/rewrite/opened_files.h"

#include <utility>

#include "moraine/io/range_cache.h"

namespace moraine::rewrite {
namespace {

class SharedReader final : public io::AheadReader {
 public:
  explicit SharedReader(std::shared_ptr<io::RandomReader> reader) : reader_(std::move(reader)) {}
  int64_t size() const override { return reader_->size(); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    return reader_->ReadAt(call, offset, buffer);
  }
  void WillRead(Call& call, std::span<const io::ByteRange> ranges) override {
    io::WillRead(call, *reader_, ranges);
  }

 private:
  const std::shared_ptr<io::RandomReader> reader_;
};

}  // namespace

void OpenedFiles::Add(const std::string& location, std::shared_ptr<io::RandomReader> reader) {
  opened_[location] = std::move(reader);
}

Result<std::unique_ptr<io::RandomReader>> OpenedFiles::Open(Call& call, const std::string& location,
                                                            std::optional<int64_t> known_size) {
  const auto opened = opened_.find(location);
  if (opened == opened_.end()) return inner_.Open(call, location, known_size);
  return std::unique_ptr<io::RandomReader>(std::make_unique<SharedReader>(opened->second));
}

Result<std::unique_ptr<io::Writer>> OpenedFiles::Create(Call& call, const std::string& location) {
  return inner_.Create(call, location);
}

Result<io::FileInfo> OpenedFiles::Stat(Call& call, const std::string& location) {
  return inner_.Stat(call, location);
}

Result<io::FileListing> OpenedFiles::List(Call& call, const std::string& prefix,
                                          const std::string& start_after, size_t limit) {
  return inner_.List(call, prefix, start_after, limit);
}

std::vector<Status> OpenedFiles::DeleteMany(Call& call, std::span<const std::string> locations) {
  return inner_.DeleteMany(call, locations);
}

}  // namespace moraine::rewrite
