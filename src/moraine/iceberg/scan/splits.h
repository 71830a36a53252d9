#pragma once
// Splits: files cut at their row groups and packed into pieces of work of about the same weight
// (Java's TableScanUtil; properties read.split.*). Streams: holds at most lookback open bins.

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/scan/plan_files.h"

namespace moraine::iceberg {

struct SplitOptions {
  int64_t target_bytes = 134217728;
  int64_t lookback = 10;
  int64_t open_file_cost = 4194304;
  /// read.split.target-size, read.split.planning-lookback, read.split.open-file-cost.
  static SplitOptions Of(const TableMetadata& metadata);
};

/// A range of a data file's bytes.
struct SplitPart {
  std::shared_ptr<const FileTask> task;
  int64_t offset = 0;
  int64_t length = 0;
};
using Split = std::vector<SplitPart>;

/// The ranges that a file is cut into: at its split offsets, else every target_bytes; one for a
/// format that cannot be cut.
std::vector<std::pair<int64_t, int64_t>> CutFile(const DataFile& file, int64_t target_bytes);

/// Packs with lookback, the largest bin first out. Used by one thread.
class SplitPacker {
 public:
  SplitPacker(SplitOptions options, std::function<Status(Split)> emit)
      : options_(options), emit_(std::move(emit)) {}
  Status Add(FileTask task);
  /// Emits what is still open.
  Status Finish();

 private:
  struct Bin {
    Split parts;
    int64_t weight = 0;
  };
  Status Emit(Bin bin);

  SplitOptions options_;
  std::function<Status(Split)> emit_;
  std::vector<Bin> bins_;
};

}  // namespace moraine::iceberg
