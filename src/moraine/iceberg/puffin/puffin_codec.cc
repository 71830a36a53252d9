#include "moraine/iceberg/puffin/puffin_codec.h"

#include <algorithm>
#include <memory>

#include <arrow/util/compression.h>
#include <fmt/format.h>

#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kFirstBytes = 64 << 10;

Result<std::unique_ptr<arrow::util::Codec>> MakeCodec(PuffinCodec codec) {
  MORAINE_ASSIGN(auto made, arrow::util::Codec::Create(codec == PuffinCodec::kLz4
                                                           ? arrow::Compression::LZ4_FRAME
                                                           : arrow::Compression::ZSTD));
  return made;
}

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

Result<std::string> DecompressFrame(PuffinCodec codec, std::string_view bytes, int64_t max_bytes) {
  MORAINE_ASSIGN(const auto made, MakeCodec(codec));
  MORAINE_ASSIGN(const auto stream, made->MakeDecompressor());
  std::string out;
  int64_t read = 0;
  int64_t written = 0;
  while (!stream->IsFinished()) {
    if (written == static_cast<int64_t>(out.size())) {
      // One byte more than allowed tells a frame that is too large from one that just fits.
      const int64_t wanted = std::min(std::max(written * 2, kFirstBytes), max_bytes + 1);
      if (wanted <= written) {
        return Exhausted(
            fmt::format("decompressed it is larger than allowed: over {} bytes", max_bytes));
      }
      out.resize(static_cast<size_t>(wanted));
    }
    MORAINE_ASSIGN(
        const auto step,
        stream->Decompress(static_cast<int64_t>(bytes.size()) - read, Bytes(bytes) + read,
                           static_cast<int64_t>(out.size()) - written,
                           reinterpret_cast<uint8_t*>(out.data()) + written));
    read += step.bytes_read;
    written += step.bytes_written;
    if (step.bytes_read == 0 && step.bytes_written == 0 && !stream->IsFinished() &&
        written < static_cast<int64_t>(out.size())) {
      return Corruption("the compressed frame ends early");
    }
  }
  if (read != static_cast<int64_t>(bytes.size())) {
    return Corruption("bytes follow the compressed frame");
  }
  if (written > max_bytes) {
    return Exhausted(
        fmt::format("decompressed it is larger than allowed: over {} bytes", max_bytes));
  }
  out.resize(static_cast<size_t>(written));
  return out;
}

}  // namespace

Result<std::string> PuffinDecompress(PuffinCodec codec, std::string_view bytes, int64_t max_bytes) {
  if (codec == PuffinCodec::kNone) {
    if (static_cast<int64_t>(bytes.size()) > max_bytes) {
      return Exhausted(fmt::format("it is larger than allowed: over {} bytes", max_bytes));
    }
    return std::string(bytes);
  }
  return DecompressFrame(codec, bytes, max_bytes);
}

Result<std::string> PuffinCompress(PuffinCodec codec, std::string_view bytes) {
  if (codec == PuffinCodec::kNone) return std::string(bytes);
  if (codec == PuffinCodec::kLz4) return Unsupported("writing Puffin blobs with lz4");
  MORAINE_ASSIGN(const auto made, MakeCodec(codec));
  const auto size = static_cast<int64_t>(bytes.size());
  std::string out(static_cast<size_t>(made->MaxCompressedLen(size, Bytes(bytes))), '\0');
  MORAINE_ASSIGN(const int64_t written,
                 made->Compress(size, Bytes(bytes), static_cast<int64_t>(out.size()),
                                reinterpret_cast<uint8_t*>(out.data())));
  out.resize(static_cast<size_t>(written));
  return out;
}

}  // namespace moraine::iceberg
