#include "moraine/io/allowed.h"

#include <cerrno>
#include <climits>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/stat.h>

#include "moraine/io/cloud_location.h"
#include "moraine/io/file_copy.h"
#include "moraine/io/local_path.h"
#include "moraine/io/location.h"
#include "moraine/io/name_listing.h"
#include "moraine/io/s3_location.h"

namespace moraine::io {
namespace {

bool IsBelow(std::string_view path, std::string_view root) {
  if (root == "/") return true;
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

/// How often a name may turn up that was missing a moment before.
constexpr int kTurnsUp = 100;

/// The path with links resolved as far as it exists; what does not exist yet is appended as it
/// stands. Nothing if a part that does not exist holds "..", or if a link can't be followed.
std::optional<std::string> ResolveLinks(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::string rest;
  for (int turned_up = 0;;) {
    std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (real != nullptr) return rest.empty() ? real.get() : JoinLocation(real.get(), rest);
    if (errno != ENOENT || path == "/") return std::nullopt;
    struct stat info;
    if (::lstat(path.c_str(), &info) == 0) {
      // Another thread or process has just made it.
      if (!S_ISLNK(info.st_mode) && ++turned_up < kTurnsUp) continue;
      // A link that is there and leads nowhere would be followed by whoever creates the file.
      return std::nullopt;
    }
    std::string name(BaseName(path));
    if (name == "..") return std::nullopt;
    if (name != "." && !name.empty()) rest = rest.empty() ? name : name + "/" + rest;
    path = ParentPath(path);
  }
}

class RestrictedFileSystem final : public FileSystem, public StoreCopies, public NameListing {
 public:
  RestrictedFileSystem(std::unique_ptr<FileSystem> inner, std::vector<std::string> roots,
                       std::vector<std::string> local_roots)
      : inner_(std::move(inner)), roots_(std::move(roots)), local_roots_(std::move(local_roots)) {}

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override {
    MORAINE_TRY(Permit(location));
    return inner_->Open(call, location, known_size);
  }
  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override {
    MORAINE_TRY(Permit(location));
    return inner_->Create(call, location);
  }
  Result<FileInfo> Stat(Call& call, const std::string& location) override {
    MORAINE_TRY(Permit(location));
    return inner_->Stat(call, location);
  }
  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override {
    MORAINE_TRY(Permit(prefix.substr(0, prefix.rfind('/') + 1)));
    return inner_->List(call, prefix, start_after, limit);
  }
  Result<FileListing> ListNames(Call& call, const std::string& prefix,
                                const std::string& start_after, size_t limit) override {
    MORAINE_TRY(Permit(prefix.substr(0, prefix.rfind('/') + 1)));
    return io::ListNames(call, *inner_, prefix, start_after, limit);
  }
  Status Copy(Call& call, const std::string& from, const std::string& to) override {
    MORAINE_TRY(Permit(from));
    MORAINE_TRY(Permit(to));
    return CopyInStore(call, *inner_, from, to);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<Status> outcomes;
    std::vector<std::string> permitted;
    for (const std::string& location : locations) {
      outcomes.push_back(PermitName(location));
      if (outcomes.back().ok()) permitted.push_back(location);
    }
    std::vector<Status> done = inner_->DeleteMany(call, permitted);
    size_t next = 0;
    for (Status& outcome : outcomes) {
      if (outcome.ok()) outcome = std::move(done[next++]);
    }
    return outcomes;
  }

 private:
  static Status Refuse(const std::string& location) {
    return PermissionDenied(fmt::format("location is outside the allowed roots: {}", location));
  }

  Status Permit(const std::string& location) const {
    MORAINE_TRY(PermitText(location));
    Result<LocalPath> local = ParseLocalPath(location);
    return local.ok() ? PermitPath(location, local->path) : Status();
  }

  /// As Permit, for a name that is removed: links on the way to it count, it itself may be one.
  Status PermitName(const std::string& location) const {
    MORAINE_TRY(PermitText(location));
    Result<LocalPath> local = ParseLocalPath(location);
    if (!local.ok()) return {};
    std::string_view name = BaseName(local->path);
    if (name == "." || name == ".." || name.empty()) return Refuse(location);
    return PermitPath(location, ParentPath(local->path));
  }

  Status PermitText(const std::string& location) const {
    MORAINE_ASSIGN(std::string normal, NormalizeLocation(location));
    for (const std::string& root : roots_) {
      if (IsInside(normal, root)) return PermitKey(location, root);
    }
    return Refuse(location);
  }

  /// In a store bucket and key are taken byte for byte, so they have to begin with the root's as
  /// they stand, too.
  static Status PermitKey(const std::string& location, const std::string& root) {
    if (CloudStoreOf(root)) return PermitCloudPath(location, root);
    if (!IsS3Location(root)) return {};
    MORAINE_ASSIGN(S3Location at, ParseS3Prefix(location));
    MORAINE_ASSIGN(S3Location top, ParseS3Prefix(root));
    bool below = top.key.empty() || at.key == top.key || at.key.starts_with(top.key + "/");
    return below && at.bucket == top.bucket ? Status() : Refuse(location);
  }

  static Status PermitCloudPath(const std::string& location, const std::string& root) {
    MORAINE_ASSIGN(CloudLocation at, ParseCloudPrefix(location));
    MORAINE_ASSIGN(CloudLocation top, ParseCloudPrefix(root));
    const std::string below = top.path.ends_with('/') ? top.path : top.path + "/";
    return at.path == top.path || at.path.starts_with(below) ? Status() : Refuse(location);
  }

  Status PermitPath(const std::string& location, const std::string& path) const {
    std::optional<std::string> real = ResolveLinks(path);
    if (!real) return Refuse(location);
    for (const std::string& root : local_roots_) {
      // A root may not exist at the start, and may then be made as anything: resolve it each time.
      std::optional<std::string> real_root = ResolveLinks(root);
      if (real_root && IsBelow(*real, *real_root)) return {};
    }
    return Refuse(location);
  }

  const std::unique_ptr<FileSystem> inner_;
  const std::vector<std::string> roots_;        // normalised
  const std::vector<std::string> local_roots_;  // paths, as given
};

}  // namespace

Result<std::unique_ptr<FileSystem>> MakeRestrictedFileSystem(std::unique_ptr<FileSystem> inner,
                                                             std::vector<std::string> roots) {
  std::vector<std::string> normal;
  std::vector<std::string> local;
  for (const std::string& root : roots) {
    MORAINE_ASSIGN(normal.emplace_back(), NormalizeLocation(root));
    Result<LocalPath> path = ParseLocalPath(root);
    if (path.ok()) local.push_back(std::move(path->path));
  }
  return std::unique_ptr<FileSystem>(std::make_unique<RestrictedFileSystem>(
      std::move(inner), std::move(normal), std::move(local)));
}

}  // namespace moraine::io
