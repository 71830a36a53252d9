#include "moraine/compact/counting_files.h"

#include <utility>

#include "moraine/io/range_cache.h"

namespace moraine::compact {
namespace {

/// Passes on what is announced, so that files of object stores are still fetched ahead.
class CountingReader final : public io::AheadReader {
 public:
  CountingReader(std::unique_ptr<io::RandomReader> inner, MovedBytes* moved)
      : inner_(std::move(inner)), moved_(*moved) {}

  int64_t size() const override { return inner_->size(); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    MORAINE_TRY(inner_->ReadAt(call, offset, buffer));
    moved_.read += static_cast<int64_t>(buffer.size());
    return {};
  }
  void WillRead(Call& call, std::span<const io::ByteRange> ranges) override {
    io::WillRead(call, *inner_, ranges);
  }

 private:
  const std::unique_ptr<io::RandomReader> inner_;
  MovedBytes& moved_;
};

class CountingWriter final : public io::Writer {
 public:
  CountingWriter(std::unique_ptr<io::Writer> inner, MovedBytes* moved)
      : inner_(std::move(inner)), moved_(*moved) {}

  Status Append(Call& call, std::string_view bytes) override {
    MORAINE_TRY(inner_->Append(call, bytes));
    moved_.written += static_cast<int64_t>(bytes.size());
    return {};
  }
  Status Close(Call& call) override { return inner_->Close(call); }
  int64_t bytes_written() const override { return inner_->bytes_written(); }

 private:
  const std::unique_ptr<io::Writer> inner_;
  MovedBytes& moved_;
};

class CountingFileSystem final : public io::FileSystem {
 public:
  CountingFileSystem(io::FileSystem& inner, MovedBytes* moved) : inner_(inner), moved_(moved) {}

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    MORAINE_ASSIGN(auto reader, inner_.Open(call, location, known_size));
    return std::unique_ptr<io::RandomReader>(
        std::make_unique<CountingReader>(std::move(reader), moved_));
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    moved_->AddName(location);
    MORAINE_ASSIGN(auto writer, inner_.Create(call, location));
    return std::unique_ptr<io::Writer>(std::make_unique<CountingWriter>(std::move(writer), moved_));
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner_.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override {
    return inner_.List(call, prefix, start_after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return inner_.DeleteMany(call, locations);
  }

 private:
  io::FileSystem& inner_;
  MovedBytes* const moved_;
};

}  // namespace

void MovedBytes::AddName(const std::string& location) {
  std::lock_guard lock(mutex_);
  names_.push_back(location);
}

std::vector<std::string> MovedBytes::names() const {
  std::lock_guard lock(mutex_);
  return names_;
}

std::unique_ptr<io::FileSystem> MakeCountingFileSystem(io::FileSystem& inner, MovedBytes* moved) {
  return std::make_unique<CountingFileSystem>(inner, moved);
}

}  // namespace moraine::compact
