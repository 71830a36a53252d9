#pragma once
// Reading well from far away: near ranges become one request, several requests run at once, and
// what is known to be read soon is fetched ahead, within bounds of memory. Files of this machine do
// not go through here and pay nothing.
//
// The S3 file system puts its readers into a range cache; readers of formats say by WillRead (or
// arrow's WillNeed, through arrow_file.h) what they will want. Bytes that nobody announced are read
// directly.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "moraine/base/executor.h"
#include "moraine/io/file_system.h"

namespace moraine::io {

struct ByteRange {
  int64_t offset = 0;
  int64_t length = 0;
  bool operator==(const ByteRange&) const = default;
};

/// A reader that fetches ahead.
class AheadReader : public RandomReader {
 public:
  /// Announces ranges that will be read; what has been read once is let go, piece by piece, unless
  /// the file is small. Does
  /// not block. Errors of fetching show when the bytes are read.
  virtual void WillRead(Call& call, std::span<const ByteRange> ranges) = 0;
};

/// Announces ranges to a reader that fetches ahead; of no effect on others.
void WillRead(Call& call, RandomReader& reader, std::span<const ByteRange> ranges);

/// Bytes that all range caches of one store may hold together. Thread-safe.
class ReadAheadBudget {
 public:
  explicit ReadAheadBudget(int64_t bytes) : free_(bytes) {}
  bool Take(int64_t bytes);
  void Give(int64_t bytes) { free_ += bytes; }
  int64_t free_bytes() const { return free_; }

 private:
  std::atomic<int64_t> free_;
};

struct RangeCacheOptions {
  int64_t gap_bytes = 1 << 20;          ///< ranges that are nearer become one
  int64_t request_bytes = 8 << 20;      ///< and are cut into pieces of at most this
  int64_t tiny_file_bytes = 256 << 10;  ///< smaller files are fetched whole at the first read
  int64_t small_file_bytes = 8 << 20;   ///< and these at the second: the first is of the footer
  int64_t window_bytes = 1 << 20;       ///< fetched at once for small reads one behind the other
  size_t at_once = 4;                   ///< requests of one file
};

/// The requests that fetch these ranges of a file: sorted, near ones merged, large ones cut. Ranges
/// outside the file are cut off. Pure.
std::vector<ByteRange> PlanRequests(std::vector<ByteRange> ranges, int64_t file_bytes,
                                    const RangeCacheOptions& options);

/// Thread-safe. inner's ReadAt must not wait for the pool, and the pool must end before what inner
/// borrows. Bytes over the budget are not held: they are read when they are asked for.
std::unique_ptr<AheadReader> MakeRangeCache(std::unique_ptr<RandomReader> inner, Executor& pool,
                                            std::shared_ptr<ReadAheadBudget> budget,
                                            const RangeCacheOptions& options);

}  // namespace moraine::io
