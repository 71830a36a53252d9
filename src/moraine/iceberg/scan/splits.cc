#include "moraine/iceberg/scan/splits.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "moraine/iceberg/manifest/capped_sum.h"

namespace moraine::iceberg {

namespace {

// Of one file: a size or a property of others asks for no more.
constexpr int64_t kMostRanges = 1 << 16;

bool OffsetsAreUsable(const DataFile& file) {
  const std::vector<int64_t>& offsets = file.split_offsets;
  if (offsets.empty() || offsets[0] < 0 || offsets.back() >= file.file_size_in_bytes) return false;
  return std::adjacent_find(offsets.begin(), offsets.end(), std::greater_equal<>()) ==
         offsets.end();
}

}  // namespace

SplitOptions SplitOptions::Of(const TableMetadata& metadata) {
  SplitOptions options;
  options.target_bytes =
      std::max<int64_t>(1, metadata.IntProperty("read.split.target-size", options.target_bytes));
  options.lookback = std::clamp<int64_t>(
      metadata.IntProperty("read.split.planning-lookback", options.lookback), 1, 10000);
  options.open_file_cost =
      std::clamp<int64_t>(metadata.IntProperty("read.split.open-file-cost", options.open_file_cost),
                          0, int64_t{1} << 40);
  return options;
}

std::vector<std::pair<int64_t, int64_t>> CutFile(const DataFile& file, int64_t target_bytes) {
  const int64_t size = file.file_size_in_bytes;
  std::vector<std::pair<int64_t, int64_t>> ranges;
  if (OffsetsAreUsable(file)) {
    for (size_t i = 0; i < file.split_offsets.size(); ++i) {
      int64_t end = i + 1 < file.split_offsets.size() ? file.split_offsets[i + 1] : size;
      ranges.emplace_back(file.split_offsets[i], end - file.split_offsets[i]);
    }
    return ranges;
  }
  if (file.format == FileFormat::kPuffin || size <= target_bytes) return {{0, size}};
  target_bytes = std::max(target_bytes, size / kMostRanges);
  for (int64_t at = 0; at < size; at += target_bytes)
    ranges.emplace_back(at, std::min(target_bytes, size - at));
  return ranges;
}

Status SplitPacker::Add(FileTask file_task) {
  auto task = std::make_shared<const FileTask>(std::move(file_task));
  int64_t delete_bytes = 0;
  for (const DeleteEntryPtr& one : task->deletes) {
    const int64_t bytes = one->file.is_deletion_vector()
                              ? one->file.content_size_in_bytes.value_or(0)
                              : one->file.file_size_in_bytes;
    delete_bytes = AddCapped(delete_bytes, bytes);
  }
  const int64_t open_cost =
      static_cast<int64_t>(1 + task->deletes.size()) * options_.open_file_cost;
  for (const auto& [offset, length] : CutFile(task->file(), options_.target_bytes)) {
    const int64_t weight = std::max(AddCapped(length, delete_bytes), open_cost);
    auto bin = std::find_if(bins_.begin(), bins_.end(), [&](const Bin& one) {
      return AddCapped(one.weight, weight) <= options_.target_bytes;
    });
    if (bin == bins_.end()) bin = bins_.insert(bins_.end(), Bin{});
    bin->parts.push_back({task, offset, length});
    bin->weight = AddCapped(bin->weight, weight);
    if (static_cast<int64_t>(bins_.size()) > options_.lookback) {
      auto largest = std::max_element(bins_.begin(), bins_.end(), [](const Bin& a, const Bin& b) {
        return a.weight < b.weight;
      });
      Bin full = std::move(*largest);
      bins_.erase(largest);
      MORAINE_TRY(Emit(std::move(full)));
    }
  }
  return {};
}

Status SplitPacker::Finish() {
  for (Bin& bin : bins_) MORAINE_TRY(Emit(std::move(bin)));
  bins_.clear();
  return {};
}

Status SplitPacker::Emit(Bin bin) {
  Split merged;
  for (SplitPart& part : bin.parts) {
    bool follows = !merged.empty() && merged.back().task == part.task &&
                   merged.back().offset + merged.back().length == part.offset;
    if (follows) {
      merged.back().length += part.length;
    } else {
      merged.push_back(std::move(part));
    }
  }
  return emit_(std::move(merged));
}

}  // namespace moraine::iceberg
