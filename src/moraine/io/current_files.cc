#include "moraine/io/current_files.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "moraine/io/file_copy.h"
#include "moraine/io/name_listing.h"
#include "moraine/io/range_cache.h"

namespace moraine::io {
namespace {

/// Passes on what is announced, so that files of object stores are still fetched ahead.
class HeldReader final : public AheadReader {
 public:
  HeldReader(std::shared_ptr<FileSystem> files, std::unique_ptr<RandomReader> inner)
      : files_(std::move(files)), inner_(std::move(inner)) {}

  int64_t size() const override { return inner_->size(); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    return inner_->ReadAt(call, offset, buffer);
  }
  void WillRead(Call& call, std::span<const ByteRange> ranges) override {
    io::WillRead(call, *inner_, ranges);
  }

 private:
  const std::shared_ptr<FileSystem> files_;  // ends after the reader that borrows it
  const std::unique_ptr<RandomReader> inner_;
};

class HeldWriter final : public Writer {
 public:
  HeldWriter(std::shared_ptr<FileSystem> files, std::unique_ptr<Writer> inner)
      : files_(std::move(files)), inner_(std::move(inner)) {}

  Status Append(Call& call, std::string_view bytes) override { return inner_->Append(call, bytes); }
  Status Close(Call& call) override { return inner_->Close(call); }
  int64_t bytes_written() const override { return inner_->bytes_written(); }

 private:
  const std::shared_ptr<FileSystem> files_;  // ends after the writer that borrows it
  const std::unique_ptr<Writer> inner_;
};

class CurrentFileSystem final : public FileSystem, public StoreCopies, public NameListing {
 public:
  explicit CurrentFileSystem(CurrentFiles current) : current_(std::move(current)) {}

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override {
    MORAINE_ASSIGN(auto files, current_(call, location));
    MORAINE_ASSIGN(auto reader, files->Open(call, location, known_size));
    return std::unique_ptr<RandomReader>(
        std::make_unique<HeldReader>(std::move(files), std::move(reader)));
  }
  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override {
    MORAINE_ASSIGN(auto files, current_(call, location));
    MORAINE_ASSIGN(auto writer, files->Create(call, location));
    return std::unique_ptr<Writer>(
        std::make_unique<HeldWriter>(std::move(files), std::move(writer)));
  }
  Result<FileInfo> Stat(Call& call, const std::string& location) override {
    MORAINE_ASSIGN(auto files, current_(call, location));
    return files->Stat(call, location);
  }
  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override {
    MORAINE_ASSIGN(auto files, current_(call, prefix));
    return files->List(call, prefix, start_after, limit);
  }
  Result<FileListing> ListNames(Call& call, const std::string& prefix,
                                const std::string& start_after, size_t limit) override {
    MORAINE_ASSIGN(auto files, current_(call, prefix));
    return io::ListNames(call, *files, prefix, start_after, limit);
  }
  Status Copy(Call& call, const std::string& from, const std::string& to) override {
    MORAINE_ASSIGN(auto files, current_(call, from));
    MORAINE_ASSIGN(auto there, current_(call, to));
    if (files != there) return Unsupported("from one store to another");
    return CopyInStore(call, *files, from, to);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<Status> outcomes(locations.size());
    std::vector<std::pair<std::shared_ptr<FileSystem>, std::vector<size_t>>> groups;
    for (size_t i = 0; i < locations.size(); ++i) {
      auto files = current_(call, locations[i]);
      if (!files.ok()) {
        outcomes[i] = std::move(files).status();
        continue;
      }
      auto group = std::find_if(groups.begin(), groups.end(),
                                [&](const auto& each) { return each.first == *files; });
      if (group == groups.end()) group = groups.insert(group, {std::move(*files), {}});
      group->second.push_back(i);
    }
    for (const auto& [files, indices] : groups) {
      std::vector<std::string> some;
      for (size_t i : indices) some.push_back(locations[i]);
      std::vector<Status> done = files->DeleteMany(call, some);
      for (size_t i = 0; i < indices.size(); ++i) outcomes[indices[i]] = std::move(done[i]);
    }
    return outcomes;
  }

 private:
  const CurrentFiles current_;
};

}  // namespace

std::unique_ptr<FileSystem> MakeCurrentFileSystem(CurrentFiles current) {
  return std::make_unique<CurrentFileSystem>(std::move(current));
}

}  // namespace moraine::io
