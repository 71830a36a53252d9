#pragma once
// Compression of pages (parquet-format, "Compression"). Contexts are kept between pages.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::splice {

/// A CompressionCodec of the format, by its number there.
inline constexpr int32_t kUncompressed = 0;
inline constexpr int32_t kZstd = 6;

/// What was found to pack the numbers of a column best. Thread-safe.
class NumberTrials {
 public:
  /// For the next page; nullopt: all are to be tried.
  std::optional<size_t> Next();
  void SetBest(size_t effort) { best_ = effort; }

 private:
  std::atomic<size_t> pages_{0};
  std::atomic<size_t> best_{0};
};

/// Thread-safe.
class PageCodecs {
 public:
  /// What pages are compressed with; level: of zstd, or the codec's own when negative.
  PageCodecs(int32_t codec, int level);
  ~PageCodecs();

  int32_t codec() const { return codec_; }
  /// Appends to out. Errors: Unsupported for a codec that is not built in.
  Status Compress(std::string_view bytes, std::string* out);
  /// The same for bytes that are known not to become fewer: without trying, where the codec can.
  Status Store(std::string_view bytes, std::string* out);
  /// The same for plain numbers, which often become smaller with less effort: tries what does best.
  Status CompressNumbers(std::string_view bytes, NumberTrials* trials, std::string* out);
  /// out becomes exactly size bytes. Errors: Corruption, Unsupported.
  Status Decompress(int32_t codec, std::string_view bytes, size_t size, std::string* out);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> Take();
  void Give(std::unique_ptr<Contexts> contexts);
  Status CompressZstd(Contexts* contexts, int level, std::string_view bytes,
                      std::string* out) const;

  const int32_t codec_;
  const int level_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Contexts>> free_;
};

}  // namespace moraine::splice
