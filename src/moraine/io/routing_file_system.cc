#include "moraine/io/routing_file_system.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/io/cloud_file_system.h"
#include "moraine/io/file_copy.h"
#include "moraine/io/name_listing.h"
#include "moraine/io/s3_file_system.h"
#include "moraine/io/s3_location.h"

namespace moraine::io {
namespace {

class RoutingFileSystem final : public FileSystem, public StoreCopies, public NameListing {
 public:
  RoutingFileSystem(std::unique_ptr<FileSystem> local, std::unique_ptr<FileSystem> s3,
                    std::map<CloudStore, std::unique_ptr<FileSystem>> others)
      : local_(std::move(local)), s3_(std::move(s3)), others_(std::move(others)) {}

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
  Result<FileListing> ListNames(Call& call, const std::string& prefix,
                                const std::string& start_after, size_t limit) override {
    MORAINE_ASSIGN(FileSystem * files, Of(prefix));
    return io::ListNames(call, *files, prefix, start_after, limit);
  }
  Status Copy(Call& call, const std::string& from, const std::string& to) override {
    MORAINE_ASSIGN(FileSystem * files, Of(from));
    MORAINE_ASSIGN(FileSystem * there, Of(to));
    if (files != there) return Unsupported("from one store to another");
    return CopyInStore(call, *files, from, to);
  }

  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<Status> outcomes(locations.size());
    std::map<FileSystem*, std::vector<size_t>> indices;
    for (size_t i = 0; i < locations.size(); ++i) {
      Result<FileSystem*> files = Of(locations[i]);
      if (files.ok()) {
        indices[*files].push_back(i);
      } else {
        outcomes[i] = std::move(files).status();
      }
    }
    for (const auto& [files, which] : indices) {
      std::vector<std::string> some;
      for (size_t i : which) some.push_back(locations[i]);
      std::vector<Status> done = files->DeleteMany(call, some);
      for (size_t i = 0; i < some.size(); ++i) outcomes[which[i]] = std::move(done[i]);
    }
    return outcomes;
  }

 private:
  Result<FileSystem*> Of(const std::string& location) const {
    if (const auto store = CloudStoreOf(location)) {
      const auto found = others_.find(*store);
      if (found != others_.end()) return found->second.get();
      return InvalidArgument(fmt::format("no store of this scheme is configured: {}", location));
    }
    if (!IsS3Location(location)) return local_.get();
    if (s3_ != nullptr) return s3_.get();
    return InvalidArgument(fmt::format("no S3 store is configured (s3.*): {}", location));
  }

  const std::unique_ptr<FileSystem> local_;
  const std::unique_ptr<FileSystem> s3_;
  const std::map<CloudStore, std::unique_ptr<FileSystem>> others_;
};

bool AnyInS3(const std::vector<std::string>& locations) {
  return std::any_of(locations.begin(), locations.end(),
                     [](const std::string& location) { return IsS3Location(location); });
}

}  // namespace

std::unique_ptr<FileSystem> MakeRoutingFileSystem(
    std::unique_ptr<FileSystem> local, std::unique_ptr<FileSystem> s3,
    std::map<CloudStore, std::unique_ptr<FileSystem>> others) {
  return std::make_unique<RoutingFileSystem>(std::move(local), std::move(s3), std::move(others));
}

Result<std::unique_ptr<FileSystem>> MakeFileSystemFor(
    const std::vector<std::string>& locations,
    const std::map<std::string, std::string>& properties) {
  std::unique_ptr<FileSystem> s3;
  if (AnyInS3(locations)) {
    MORAINE_ASSIGN(const S3Options options, S3OptionsOf(properties));
    s3 = MakeS3FileSystem(options);
  }
  std::map<CloudStore, std::unique_ptr<FileSystem>> others;
  for (const std::string& location : locations) {
    const auto store = CloudStoreOf(location);
    if (!store || others.contains(*store)) continue;
    MORAINE_ASSIGN(others[*store], MakeCloudFileSystem(*store, properties));
  }
  return MakeRoutingFileSystem(MakeLocalFileSystem(), std::move(s3), std::move(others));
}

}  // namespace moraine::io
