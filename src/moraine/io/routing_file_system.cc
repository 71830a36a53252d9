#include "moraine/io/routing_file_system.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/io/s3_file_system.h"
#include "moraine/io/s3_location.h"

namespace moraine::io {
namespace {

class RoutingFileSystem final : public FileSystem {
 public:
  RoutingFileSystem(std::unique_ptr<FileSystem> local, std::unique_ptr<FileSystem> s3)
      : local_(std::move(local)), s3_(std::move(s3)) {}

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override {
    MORAINE_ASSIGN(FileSystem * files, Of(location));
    return files->Open(call, location, known_size);
  }
  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override {
    MORAINE_ASSIGN(FileSystem * files, Of(location));
    return files->Create(call, location);
  }
  Result<FileInfo> Stat(Call& call, const std::string& location) override {
    MORAINE_ASSIGN(FileSystem * files, Of(location));
    return files->Stat(call, location);
  }
  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override {
    MORAINE_ASSIGN(FileSystem * files, Of(prefix));
    return files->List(call, prefix, start_after, limit);
  }

  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<Status> outcomes(locations.size());
    std::vector<size_t> indices[2];  // local, s3
    for (size_t i = 0; i < locations.size(); ++i) {
      Result<FileSystem*> files = Of(locations[i]);
      if (files.ok()) {
        indices[*files == local_.get() ? 0 : 1].push_back(i);
      } else {
        outcomes[i] = std::move(files).status();
      }
    }
    for (size_t which = 0; which < 2; ++which) {
      if (indices[which].empty()) continue;
      std::vector<std::string> some;
      for (size_t i : indices[which]) some.push_back(locations[i]);
      std::vector<Status> done = (which == 0 ? local_ : s3_)->DeleteMany(call, some);
      for (size_t i = 0; i < some.size(); ++i) outcomes[indices[which][i]] = std::move(done[i]);
    }
    return outcomes;
  }

 private:
  Result<FileSystem*> Of(const std::string& location) const {
    if (!IsS3Location(location)) return local_.get();
    if (s3_ != nullptr) return s3_.get();
    return InvalidArgument(fmt::format("no S3 store is configured (s3.*): {}", location));
  }

  const std::unique_ptr<FileSystem> local_;
  const std::unique_ptr<FileSystem> s3_;
};

}  // namespace

std::unique_ptr<FileSystem> MakeRoutingFileSystem(std::unique_ptr<FileSystem> local,
                                                  std::unique_ptr<FileSystem> s3) {
  return std::make_unique<RoutingFileSystem>(std::move(local), std::move(s3));
}

std::unique_ptr<FileSystem> MakeFileSystemFor(const std::vector<std::string>& locations,
                                              const S3Options& s3) {
  bool needs_s3 = std::any_of(locations.begin(), locations.end(),
                              [](const std::string& location) { return IsS3Location(location); });
  return MakeRoutingFileSystem(MakeLocalFileSystem(), needs_s3 ? MakeS3FileSystem(s3) : nullptr);
}

}  // namespace moraine::io
