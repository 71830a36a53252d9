#pragma once
// Compression of pages (parquet-format, "Compression"). Contexts are kept between pages.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::splice {

/// A CompressionCodec of the format, by its number there.
inline constexpr int32_t kUncompressed = 0;
inline constexpr int32_t kZstd = 6;

/// Thread-safe.
class PageCodecs {
 public:
  /// What pages are compressed with; level: of zstd, or the codec's own when negative.
  PageCodecs(int32_t codec, int level);
  ~PageCodecs();

  int32_t codec() const { return codec_; }
  /// Appends to out. Errors: Unsupported for a codec that is not built in.
  Status Compress(std::string_view bytes, std::string* out);
  /// out becomes exactly size bytes. Errors: Corruption, Unsupported.
  Status Decompress(int32_t codec, std::string_view bytes, size_t size, std::string* out);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> Take();
  void Give(std::unique_ptr<Contexts> contexts);

  const int32_t codec_;
  const int level_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Contexts>> free_;
};

}  // namespace moraine::splice
