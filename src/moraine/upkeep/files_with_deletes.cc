#include "moraine/upkeep/files_with_deletes.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::upkeep {
namespace {

using iceberg::DataFile;
using iceberg::FileTask;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::PartitionKey;

constexpr int64_t kBytesPerEntry = 600;   ///< of an entry without its texts, and what indexes it
constexpr int64_t kBytesPerMetric = 120;  ///< of a column's counts and bounds

/// About what an entry takes in memory.
int64_t BytesHeld(const ManifestEntry& entry) {
  const DataFile& file = entry.file;
  const size_t columns = std::max(file.lower_bounds.size(), file.value_counts.size());
  return kBytesPerEntry + static_cast<int64_t>(file.file_path.size()) +
         kBytesPerMetric * static_cast<int64_t>(columns);
}

/// Which deletes may apply to one of the files.
class Wanted {
 public:
  explicit Wanted(std::span<const ManifestEntry> entries) {
    for (const ManifestEntry& entry : entries) {
      const int64_t sequence = entry.sequence_number.value_or(0);
      paths_.insert(entry.file.file_path);
      lowest_ = std::min(lowest_, sequence);
      auto [at, _] =
          parts_.try_emplace(PartitionKey{entry.file.spec_id, entry.file.partition}, sequence);
      at->second = std::min(at->second, sequence);
    }
  }

  bool MayNeed(const ManifestEntry& entry, const iceberg::TableMetadata& metadata) const {
    const DataFile& file = entry.file;
    if (const auto path = iceberg::ReferencedDataFile(file); !path.empty())
      return paths_.contains(path);
    const int64_t sequence = entry.sequence_number.value_or(0);
    const auto spec = metadata.FindSpec(file.spec_id);
    const bool is_global =
        file.content == iceberg::FileContent::kEqualityDeletes && spec && spec->is_unpartitioned();
    if (is_global || file.is_deletion_vector() || !spec) return sequence >= lowest_;
    const auto at = parts_.find({file.spec_id, file.partition});
    return at != parts_.end() && sequence >= at->second;
  }

 private:
  std::unordered_set<std::string_view> paths_;
  std::unordered_map<PartitionKey, int64_t, iceberg::PartitionKeyHash> parts_;
  int64_t lowest_ = std::numeric_limits<int64_t>::max();
};

class Visitor {
 public:
  Visitor(Call& call, io::FileSystem& files, const OpenedSnapshot& opened, int64_t memory_bytes,
          const std::function<Result<bool>(FileTask&)>& visit)
      : call_(call), files_(files), opened_(opened), memory_bytes_(memory_bytes), visit_(visit) {}

  Result<DeletePasses> Run(const std::function<bool(const DataFile&)>& wanted) {
    for (const auto& manifest : opened_.manifests) {
      if (manifest.content != ManifestContent::kData || !manifest.has_live()) continue;
      MORAINE_TRY(Read(manifest, [&](ManifestEntry& entry) -> Status {
        if (is_over_ || !wanted(entry.file)) return {};
        bytes_ += BytesHeld(entry);
        entries_.push_back(std::move(entry));
        return bytes_ < memory_bytes_ / 2 ? Status() : Flush();
      }));
      if (is_over_) return passes_;
    }
    MORAINE_TRY(Flush());
    return passes_;
  }

 private:
  Status Read(const iceberg::ManifestFile& manifest,
              const std::function<Status(ManifestEntry&)>& visit) {
    MORAINE_TRY(call_.Check());
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, manifest));
    return iceberg::ReadManifest(call_, files_, manifest, *spec, SchemaOf(opened_), {}, visit);
  }

  Status Flush() {
    Status visited = Visit(entries_);
    entries_.clear();
    bytes_ = 0;
    return visited;
  }

  /// Half as many at a time where their deletes don't fit.
  Status Visit(std::span<ManifestEntry> entries) {
    if (entries.empty() || is_over_) return {};
    std::vector<iceberg::DeleteEntryPtr> deletes;
    MORAINE_ASSIGN(const bool fits, LoadDeletes(Wanted(entries), &deletes));
    if (!fits && entries.size() == 1) {
      return Exhausted(fmt::format("{} of memory do not suffice for the deletes of one file: {}",
                                   FormatByteSize(memory_bytes_), entries[0].file.file_path));
    }
    if (!fits) {
      deletes = {};
      MORAINE_TRY(Visit(entries.first(entries.size() / 2)));
      return Visit(entries.subspan(entries.size() / 2));
    }
    MORAINE_ASSIGN(const auto index,
                   iceberg::DeleteIndex::Make(std::move(deletes), opened_.metadata));
    for (ManifestEntry& entry : entries) {
      MORAINE_TRY(call_.Check());
      FileTask task;
      task.entry = std::move(entry);
      MORAINE_ASSIGN(task.deletes, index.ForDataFile(task.sequence_number(), task.entry.file));
      MORAINE_ASSIGN(const bool more, visit_(task));
      if (more) continue;
      is_over_ = true;
      return {};
    }
    return {};
  }

  Result<bool> LoadDeletes(const Wanted& wanted, std::vector<iceberg::DeleteEntryPtr>* out) {
    ++passes_.passes;
    int64_t bytes = 0;
    for (const auto& manifest : opened_.manifests) {
      if (manifest.content != ManifestContent::kDeletes || !manifest.has_live()) continue;
      MORAINE_TRY(Read(manifest, [&](ManifestEntry& entry) -> Status {
        if (bytes > memory_bytes_ / 2 || !wanted.MayNeed(entry, opened_.metadata)) return {};
        bytes += BytesHeld(entry);
        out->push_back(std::make_shared<const ManifestEntry>(std::move(entry)));
        return {};
      }));
      if (bytes > memory_bytes_ / 2) return false;
    }
    return true;
  }

  Call& call_;
  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  const int64_t memory_bytes_;
  const std::function<Result<bool>(FileTask&)>& visit_;
  std::vector<ManifestEntry> entries_;
  int64_t bytes_ = 0;
  bool is_over_ = false;
  DeletePasses passes_;
};

}  // namespace

Result<DeletePasses> VisitFilesWithDeletes(Call& call, io::FileSystem& files,
                                           const OpenedSnapshot& opened, int64_t memory_bytes,
                                           const std::function<bool(const DataFile&)>& wanted,
                                           const std::function<Result<bool>(FileTask&)>& visit) {
  return Visitor(call, files, opened, memory_bytes, visit).Run(wanted);
}

}  // namespace moraine::upkeep
