#include "moraine/planning/vector_check.h"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/planning/passing_files.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::DeleteFilter;
using iceberg::PositionSet;

constexpr size_t kMostAtOnce = 1'000;

/// The vectors of one file that stays.
struct Replaced {
  const DataFile* data = nullptr;
  const DataFile* before = nullptr;
  const DataFile* now = nullptr;  ///< may be missing
  int64_t bytes() const {
    return iceberg::AddCapped(before->content_size_in_bytes.value_or(0),
                              now != nullptr ? now->content_size_in_bytes.value_or(0) : 0);
  }
};

std::vector<Replaced> ReplacedVectors(const FinishedWork& work) {
  std::map<std::string_view, const DataFile*> made;
  for (const DataFile& file : work.output->delete_files) {
    if (file.is_deletion_vector() && file.referenced_data_file)
      made.emplace(*file.referenced_data_file, &file);
  }
  std::vector<Replaced> replaced;
  for (const tasks::InputFile& input : work.task->rewrite_positions) {
    for (const int32_t index : input.deletes) {
      const DataFile& before = work.task->deletes[static_cast<size_t>(index)].file;
      if (!before.is_deletion_vector()) continue;
      const auto now = made.find(input.file.file_path);
      replaced.push_back({&input.file, &before, now == made.end() ? nullptr : now->second});
    }
  }
  return replaced;
}

/// Of one task.
class VectorChecker {
 public:
  VectorChecker(Call& call, io::FileSystem& files, const FinishedWork& work, int64_t memory_bytes)
      : call_(call), files_(files), work_(work), memory_bytes_(memory_bytes) {}

  Status Check() {
    const std::vector<Replaced> replaced = ReplacedVectors(work_);
    for (size_t at = 0; at < replaced.size();) {
      size_t count = 0;
      int64_t bytes = 0;
      while (at + count < replaced.size() && count < kMostAtOnce &&
             (count == 0 || bytes <= memory_bytes_ / 4)) {
        bytes = iceberg::AddCapped(bytes, replaced[at + count++].bytes());
      }
      MORAINE_TRY(CheckSome(std::span(replaced).subspan(at, count)));
      at += count;
    }
    return {};
  }

 private:
  Status CheckSome(std::span<const Replaced> some) {
    std::vector<const DataFile*> before, now;
    for (const Replaced& one : some) {
      before.push_back(one.before);
      if (one.now != nullptr) now.push_back(one.now);
    }
    auto old = Load(before);
    if (old.status().code() == Code::kNotFound) {
      if (some.size() == 1) return {};
      for (size_t i = 0; i < some.size(); ++i) MORAINE_TRY(CheckSome(some.subspan(i, 1)));
      return {};
    }
    MORAINE_TRY(old.status());
    auto made = Load(now);
    if (made.status().code() == Code::kNotFound)
      return Corruption(std::string(made.status().message()));
    MORAINE_TRY(made.status());
    for (const Replaced& one : some) MORAINE_TRY(Compare(one, *old, *made));
    return {};
  }

  Result<DeleteFilter> Load(const std::vector<const DataFile*>& vectors) {
    iceberg::DeleteFilterOptions options;
    options.schema = work_.task->schema;
    options.memory_bytes = memory_bytes_ / 2;
    std::vector<iceberg::DeleteSource> sources;
    for (const DataFile* vector : vectors) {
      sources.push_back({vector, 0});
      options.data_files.insert(vector->referenced_data_file.value_or(""));
    }
    return DeleteFilter::Load(call_, files_, sources, options);
  }

  static Status Compare(const Replaced& one, const DeleteFilter& old, const DeleteFilter& made) {
    const PositionSet* before = old.Positions(one.data->file_path);
    if (before == nullptr) return {};
    PositionSet needed;
    needed.Merge(*before);
    needed.CutAt(one.data->record_count);  // writers may have named rows that are not there
    const PositionSet* now = made.Positions(one.data->file_path);
    if (needed.empty() || (now != nullptr && now->ContainsAll(needed))) return {};
    return Corruption(
        fmt::format("the new deletion vector of {} lacks rows that were deleted before: {}",
                    one.data->file_path, one.before->file_path));
  }

  Call& call_;
  PassingFiles files_;
  const FinishedWork& work_;
  const int64_t memory_bytes_;
};

}  // namespace

Result<std::map<size_t, std::string>> CheckVectors(Call& call, io::FileSystem& files,
                                                   const std::vector<FinishedWork>& finished,
                                                   int64_t memory_bytes) {
  std::map<size_t, std::string> refused;
  for (size_t i = 0; i < finished.size(); ++i) {
    MORAINE_TRY(call.Check());
    Status status = VectorChecker(call, files, finished[i], memory_bytes).Check();
    if (!IsLasting(status.code())) {
      MORAINE_TRY(status);
      continue;
    }
    refused.emplace(
        i, fmt::format("what its optimizer reported can't be taken: {}", status.ToString()));
  }
  return refused;
}

}  // namespace moraine::planning
