#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/importing/catalog_source.h"
#include "moraine/io/location.h"

namespace moraine::importing {
namespace {

using catalog::NamespaceName;
using catalog::TableName;

constexpr int kMostDepth = 32;
constexpr size_t kPage = 1000;
constexpr int64_t kMostHintBytes = 64;
constexpr std::string_view kMetadata = "/metadata/";
constexpr std::string_view kHint = "version-hint.text";
// Behind '/': what sorts after all that is in a folder.
constexpr char kAfterSlash = '/' + 1;

/// "v12.metadata.json", "v12.gz.metadata.json", "v12.metadata.json.gz" -> 12.
std::optional<int64_t> VersionOf(std::string_view file_name) {
  if (!file_name.starts_with('v')) return std::nullopt;
  file_name.remove_prefix(1);
  const size_t end = file_name.find('.');
  if (end == file_name.npos) return std::nullopt;
  const std::string_view rest = file_name.substr(end);
  if (rest != ".metadata.json" && rest != ".gz.metadata.json" && rest != ".metadata.json.gz") {
    return std::nullopt;
  }
  const Result<int64_t> version = ParseInt64(file_name.substr(0, end));
  if (!version.ok() || *version < 0) return std::nullopt;
  return *version;
}

class FolderSource final : public CatalogSource {
 public:
  FolderSource(io::FileSystem& files, std::string root) : files_(files), root_(std::move(root)) {
    while (root_.size() > 1 && root_.ends_with('/')) root_.pop_back();
  }

  Result<std::vector<Space>> Tables(Call& call, const NamespaceName& below) override {
    std::vector<Space> spaces;
    NamespaceName name;
    for (const std::string& level : below) {
      name.push_back(level);
      if (name.size() < below.size()) spaces.push_back({name, {}});
    }
    MORAINE_TRY(Walk(call, Folder(below), below, &spaces));
    return spaces;
  }

  Result<std::string> MetadataLocation(Call& call, ObjectKind, const TableName& name) override {
    const std::string folder =
        io::JoinLocation(Folder(name.ns), name.name) + std::string(kMetadata);
    std::optional<int64_t> hinted;
    auto hint = io::ReadFile(call, files_, folder + std::string(kHint), kMostHintBytes);
    if (hint.ok()) {
      const Result<int64_t> version = ParseInt64(Trim(*hint));
      if (version.ok()) hinted = *version;
    } else if (hint.status().code() != Code::kNotFound) {
      return hint.status();
    }
    // A hint may be behind: commits write it last.
    std::optional<int64_t> newest;
    std::string location;
    MORAINE_TRY(ForMetadataFiles(call, folder, [&](int64_t version, const std::string& file) {
      if (newest && version <= *newest) return;
      newest = version;
      location = file;
    }));
    if (!newest) {
      return NotFound(
          fmt::format("there is no vN.metadata.json in {}, so this is no table of "
                      "Hadoop's catalog; register its metadata file by hand",
                      folder));
    }
    if (hinted && *hinted > *newest) {
      return Corruption(fmt::format("{}{} names version {}, and the newest metadata file is {}",
                                    folder, kHint, *hinted, location));
    }
    return location;
  }

 private:
  std::string Folder(const NamespaceName& levels) const {
    std::string folder = root_;
    for (const std::string& level : levels) folder = io::JoinLocation(folder, level);
    return folder;
  }

  template <typename Take>
  Status ForMetadataFiles(Call& call, const std::string& folder, const Take& take) {
    for (std::string after;;) {
      MORAINE_ASSIGN(const auto page, files_.List(call, folder + "v", after, kPage));
      for (const io::FileInfo& file : page.files) {
        const std::string_view name = std::string_view(file.location).substr(folder.size());
        if (const auto version = VersionOf(name)) take(*version, file.location);
      }
      if (page.complete || page.files.empty()) return {};
      after = page.files.back().location;
    }
  }

  Result<bool> HasAny(Call& call, const std::string& prefix) {
    MORAINE_ASSIGN(const auto page, files_.List(call, prefix, "", 1));
    return !page.files.empty();
  }

  /// One question for each folder, none for the files in it.
  Status Walk(Call& call, const std::string& folder, const NamespaceName& name,
              std::vector<Space>* spaces) {
    if (name.size() > kMostDepth) {
      return Corruption(fmt::format("folders that are too deep: {}", folder));
    }
    const std::string prefix = folder + "/";
    const size_t at = spaces->size();
    spaces->push_back({name, {}});
    for (std::string after;;) {
      MORAINE_ASSIGN(const auto page, files_.List(call, prefix, after, 1));
      if (page.files.empty()) break;
      const std::string_view rest = std::string_view(page.files[0].location).substr(prefix.size());
      const size_t slash = rest.find('/');
      if (slash == rest.npos) {  // a file of the namespace's folder
        after = page.files[0].location;
        continue;
      }
      const std::string child(rest.substr(0, slash));
      after = prefix + child + kAfterSlash;
      // A file of this very name would be passed over; it is none of a table's.
      MORAINE_ASSIGN(const bool is_table, HasAny(call, prefix + child + std::string(kMetadata)));
      if (is_table) {
        (*spaces)[at].tables.push_back(child);
        continue;
      }
      NamespaceName inner = name;
      inner.push_back(child);
      MORAINE_TRY(Walk(call, prefix + child, inner, spaces));
    }
    // The warehouse itself is no namespace, and has no tables.
    if (name.empty()) spaces->erase(spaces->begin() + static_cast<std::ptrdiff_t>(at));
    return {};
  }

  io::FileSystem& files_;
  std::string root_;
};

}  // namespace

std::unique_ptr<CatalogSource> MakeFolderSource(io::FileSystem& files, std::string root) {
  return std::make_unique<FolderSource>(files, std::move(root));
}

}  // namespace moraine::importing
