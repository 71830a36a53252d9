#pragma once
// Compression of Avro blocks (Avro spec, "Required Codecs", "Optional Codecs"). Called by
// avro_file.h. The only place that names libdeflate, zstd and snappy for Avro.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::iceberg {

enum class AvroCodec { kNull, kDeflate, kZstd, kSnappy };

/// "null", "deflate", "zstandard", "snappy": the value of avro.codec.
std::string_view AvroCodecName(AvroCodec codec);
/// Errors: Unsupported for bzip2 and xz, Corruption for any other name.
Result<AvroCodec> AvroCodecFromName(std::string_view name);

/// Decompresses the blocks of one file; keeps its tables and learns the ratio between blocks.
class AvroDecompressor {
 public:
  explicit AvroDecompressor(AvroCodec codec);
  ~AvroDecompressor();
  AvroDecompressor(AvroDecompressor&&) noexcept;

  /// Replaces out, whose capacity is reused. Memory grows with what really comes out, not with what
  /// the block claims. Errors: Corruption for a broken block, Exhausted beyond max_bytes.
  Result<std::string_view> Decompress(std::string_view block, int64_t max_bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class AvroCompressor {
 public:
  explicit AvroCompressor(AvroCodec codec);
  ~AvroCompressor();
  AvroCompressor(AvroCompressor&&) noexcept;

  /// Appends the compressed form of block to out.
  Status Compress(std::string_view block, std::string* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moraine::iceberg
