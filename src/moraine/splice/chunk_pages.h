#pragma once
// The pages of one column chunk of an input file, one after the other, as they are stored.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/splice/format.h"

namespace moraine::splice {

/// Bytes that are not set before they are read.
class ReadBytes {
 public:
  explicit ReadBytes(size_t size)
      : bytes_(std::make_unique_for_overwrite<char[]>(size)), size_(size) {}
  size_t size() const { return size_; }
  std::span<char> span() { return {bytes_.get(), size_}; }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

struct RawPage {
  PageHeader header;
  std::string_view header_bytes;
  std::string_view body;
  std::shared_ptr<const ReadBytes> owner;  ///< of the bytes
  int64_t bytes() const { return static_cast<int64_t>(header_bytes.size() + body.size()); }
};

/// The memory that a task with pages of this size needs, and the other way round.
int64_t MemoryForPage(int64_t page_bytes);
int64_t LargestPage(int64_t memory_bytes);

/// Reads in steps; holds one. Used by one thread at a time.
class ChunkPages {
 public:
  static constexpr int64_t kStepBytes = int64_t{2} << 20;

  /// A page that takes more than max_page_bytes, packed or not, is Exhausted, with the memory that
  /// it would need.
  ChunkPages(io::RandomReader& file, const ChunkMetadata& chunk, int64_t max_page_bytes,
             int64_t step_bytes = kStepBytes)
      : file_(file),
        chunk_(chunk),
        max_page_bytes_(max_page_bytes),
        step_bytes_(step_bytes),
        at_(chunk.start()) {}

  /// The next dictionary or data page, or nullopt after the last one. Errors: Corruption,
  /// Unsupported, Exhausted, as io.
  Result<std::optional<RawPage>> Next(Call& call);

  /// Reads the first step, so that Next need not.
  Status ReadAhead(Call& call) { return Fill(call, 1); }

 private:
  Status Fill(Call& call, int64_t size);
  Result<std::optional<RawPage>> NextOfAnyKind(Call& call);
  std::string_view Available() const;
  int64_t end() const { return chunk_.start() + chunk_.total_compressed_size; }

  io::RandomReader& file_;
  const ChunkMetadata& chunk_;
  const int64_t max_page_bytes_;
  const int64_t step_bytes_;
  int64_t at_;               // of the next page in the file
  int64_t values_seen_ = 0;  // of data pages
  std::shared_ptr<const ReadBytes> window_;
  int64_t window_offset_ = 0;
};

/// What a file's page indexes say of a chunk; empty where it has none, or bad ones.
struct ChunkIndexes {
  std::vector<PageLocation> pages;
  std::optional<ColumnIndex> column;
};
Result<ChunkIndexes> ReadIndexes(Call& call, io::RandomReader& file, const ChunkMetadata& chunk);

}  // namespace moraine::splice
