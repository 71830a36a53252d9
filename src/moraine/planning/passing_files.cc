#include "moraine/planning/passing_files.h"

#include <utility>

#include "moraine/io/range_cache.h"

namespace moraine::planning {
namespace {

Status Passing(Status status) {
  if (status.code() != Code::kExhausted) return status;
  return Unavailable(std::string(status.message()));
}

/// Passes on what is announced, so that files of object stores are still fetched ahead.
class PassingReader final : public io::AheadReader {
 public:
  explicit PassingReader(std::unique_ptr<io::RandomReader> inner) : inner_(std::move(inner)) {}

  int64_t size() const override { return inner_->size(); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    return Passing(inner_->ReadAt(call, offset, buffer));
  }
  void WillRead(Call& call, std::span<const io::ByteRange> ranges) override {
    io::WillRead(call, *inner_, ranges);
  }

 private:
  const std::unique_ptr<io::RandomReader> inner_;
};

class PassingWriter final : public io::Writer {
 public:
  explicit PassingWriter(std::unique_ptr<io::Writer> inner) : inner_(std::move(inner)) {}

  Status Append(Call& call, std::string_view bytes) override {
    return Passing(inner_->Append(call, bytes));
  }
  Status Close(Call& call) override { return Passing(inner_->Close(call)); }
  int64_t bytes_written() const override { return inner_->bytes_written(); }

 private:
  const std::unique_ptr<io::Writer> inner_;
};

}  // namespace

Result<std::unique_ptr<io::RandomReader>> PassingFiles::Open(Call& call,
                                                             const std::string& location,
                                                             std::optional<int64_t> known_size) {
  auto opened = inner_.Open(call, location, known_size);
  if (!opened.ok()) return Passing(std::move(opened).status());
  return std::unique_ptr<io::RandomReader>(std::make_unique<PassingReader>(*std::move(opened)));
}

Result<std::unique_ptr<io::Writer>> PassingFiles::Create(Call& call, const std::string& location) {
  auto created = inner_.Create(call, location);
  if (!created.ok()) return Passing(std::move(created).status());
  return std::unique_ptr<io::Writer>(std::make_unique<PassingWriter>(*std::move(created)));
}

Result<io::FileInfo> PassingFiles::Stat(Call& call, const std::string& location) {
  auto info = inner_.Stat(call, location);
  if (!info.ok()) return Passing(std::move(info).status());
  return info;
}

Result<io::FileListing> PassingFiles::List(Call& call, const std::string& prefix,
                                           const std::string& start_after, size_t limit) {
  auto listing = inner_.List(call, prefix, start_after, limit);
  if (!listing.ok()) return Passing(std::move(listing).status());
  return listing;
}

std::vector<Status> PassingFiles::DeleteMany(Call& call, std::span<const std::string> locations) {
  return inner_.DeleteMany(call, locations);
}

}  // namespace moraine::planning
