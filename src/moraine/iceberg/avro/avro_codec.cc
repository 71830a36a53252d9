#include "moraine/iceberg/avro/avro_codec.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <libdeflate.h>
#include <snappy.h>
#include <zstd.h>

namespace moraine::iceberg {
namespace {

constexpr int kDeflateLevel = 4;  // half again as fast as 6, the files 2.5 % larger
constexpr int kZstdLevel = 3;
// The most that one compressed byte can become: deflate 1032, snappy 64 from a copy of 3 bytes.
constexpr size_t kMaxDeflateRatio = 1033;
constexpr size_t kMaxSnappyRatio = 32;
constexpr size_t kSnappyCrcBytes = 4;

struct FreeDeflate {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};
struct FreeZstd {
  void operator()(ZSTD_DCtx* d) const { ZSTD_freeDCtx(d); }
};

/// Bytes without the cost of zeroing them first.
struct Buffer {
  std::unique_ptr<char[]> bytes;
  size_t capacity = 0;

  void Grow(size_t wanted, size_t keep) {
    if (wanted <= capacity) return;
    std::unique_ptr<char[]> larger(new char[wanted]);
    if (keep > 0) std::memcpy(larger.get(), bytes.get(), keep);
    bytes = std::move(larger);
    capacity = wanted;
  }
};

Status TooLarge(int64_t max_bytes) {
  return Exhausted(fmt::format("an Avro block is larger than allowed: over {} bytes", max_bytes));
}

uint32_t BigEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

std::string_view AvroCodecName(AvroCodec codec) {
  switch (codec) {
    case AvroCodec::kDeflate:
      return "deflate";
    case AvroCodec::kZstd:
      return "zstandard";
    case AvroCodec::kSnappy:
      return "snappy";
    case AvroCodec::kNull:
      break;
  }
  return "null";
}

Result<AvroCodec> AvroCodecFromName(std::string_view name) {
  for (AvroCodec codec :
       {AvroCodec::kNull, AvroCodec::kDeflate, AvroCodec::kZstd, AvroCodec::kSnappy}) {
    if (name == AvroCodecName(codec)) return codec;
  }
  if (name == "bzip2" || name == "xz") {
    return Unsupported(fmt::format("Avro codec is not supported: {}", name));
  }
  return Corruption(fmt::format("avro.codec: expected null, deflate, zstandard or snappy, got '{}'",
                                name.substr(0, 40)));
}

struct AvroDecompressor::State {
  AvroCodec codec;
  Buffer buffer;
  std::unique_ptr<libdeflate_decompressor, FreeDeflate> deflate;
  std::unique_ptr<ZSTD_DCtx, FreeZstd> zstd;

  Result<std::string_view> Inflate(std::string_view block, size_t max_bytes);
  Result<std::string_view> Unzstd(std::string_view block, size_t max_bytes);
  Result<std::string_view> Unsnap(std::string_view block, size_t max_bytes);
};

AvroDecompressor::AvroDecompressor(AvroCodec codec) : state_(std::make_unique<State>()) {
  state_->codec = codec;
}
AvroDecompressor::~AvroDecompressor() = default;
AvroDecompressor::AvroDecompressor(AvroDecompressor&&) noexcept = default;

Result<std::string_view> AvroDecompressor::Decompress(std::string_view block, int64_t max_bytes) {
  const auto limit = static_cast<size_t>(std::max<int64_t>(max_bytes, 0));
  switch (state_->codec) {
    case AvroCodec::kDeflate:
      return state_->Inflate(block, limit);
    case AvroCodec::kZstd:
      return state_->Unzstd(block, limit);
    case AvroCodec::kSnappy:
      return state_->Unsnap(block, limit);
    case AvroCodec::kNull:
      break;
  }
  if (block.size() > limit) return TooLarge(max_bytes);
  return block;
}

Result<std::string_view> AvroDecompressor::State::Inflate(std::string_view block,
                                                          size_t max_bytes) {
  if (!deflate) deflate.reset(libdeflate_alloc_decompressor());
  if (!deflate) return Exhausted("no memory for an inflate table");
  const size_t most = std::min(max_bytes, block.size() * kMaxDeflateRatio + 64);
  buffer.Grow(std::min(most, block.size() * 8 + 4096), 0);
  while (true) {
    const size_t room = std::min(buffer.capacity, most);
    size_t made = 0;
    switch (libdeflate_deflate_decompress(deflate.get(), block.data(), block.size(),
                                          buffer.bytes.get(), room, &made)) {
      case LIBDEFLATE_SUCCESS:
        return std::string_view(buffer.bytes.get(), made);
      case LIBDEFLATE_INSUFFICIENT_SPACE:
        break;
      default:
        return Corruption("broken deflate data in an Avro block");
    }
    if (room == max_bytes) return TooLarge(static_cast<int64_t>(max_bytes));
    if (room == most) return Corruption("broken deflate data in an Avro block");
    buffer.Grow(std::min(most, room * 2 + 4096), 0);
  }
}

Result<std::string_view> AvroDecompressor::State::Unzstd(std::string_view block, size_t max_bytes) {
  if (!zstd) zstd.reset(ZSTD_createDCtx());
  if (!zstd) return Exhausted("no memory for a zstd context");
  ZSTD_DCtx_reset(zstd.get(), ZSTD_reset_session_only);
  buffer.Grow(std::min(max_bytes, block.size() * 8 + 4096), 0);
  ZSTD_inBuffer in{block.data(), block.size(), 0};
  ZSTD_outBuffer out{buffer.bytes.get(), std::min(buffer.capacity, max_bytes), 0};
  while (true) {
    const size_t left = ZSTD_decompressStream(zstd.get(), &out, &in);
    if (ZSTD_isError(left)) return Corruption("broken zstd data in an Avro block");
    if (left == 0 && in.pos == in.size) return std::string_view(buffer.bytes.get(), out.pos);
    if (out.pos < out.size) {
      if (in.pos == in.size) return Corruption("zstd data in an Avro block ends too early");
      continue;
    }
    if (out.size == max_bytes) return TooLarge(static_cast<int64_t>(max_bytes));
    buffer.Grow(std::min(max_bytes, out.size * 2 + 4096), out.pos);
    out = {buffer.bytes.get(), std::min(buffer.capacity, max_bytes), out.pos};
  }
}

Result<std::string_view> AvroDecompressor::State::Unsnap(std::string_view block, size_t max_bytes) {
  if (block.size() < kSnappyCrcBytes)
    return Corruption("snappy data in an Avro block is too short");
  const std::string_view packed = block.substr(0, block.size() - kSnappyCrcBytes);
  size_t size = 0;
  if (!snappy::GetUncompressedLength(packed.data(), packed.size(), &size) ||
      size > packed.size() * kMaxSnappyRatio) {
    return Corruption("broken snappy data in an Avro block");
  }
  if (size > max_bytes) return TooLarge(static_cast<int64_t>(max_bytes));
  buffer.Grow(size, 0);
  if (!snappy::RawUncompress(packed.data(), packed.size(), buffer.bytes.get())) {
    return Corruption("broken snappy data in an Avro block");
  }
  const uint32_t crc = libdeflate_crc32(0, buffer.bytes.get(), size);
  if (crc != BigEndian32(block.substr(packed.size()))) {
    return Corruption("an Avro block does not match its snappy checksum");
  }
  return std::string_view(buffer.bytes.get(), size);
}

struct AvroCompressor::State {
  AvroCodec codec;
  std::unique_ptr<libdeflate_compressor, FreeDeflate> deflate;
};

AvroCompressor::AvroCompressor(AvroCodec codec) : state_(std::make_unique<State>()) {
  state_->codec = codec;
}
AvroCompressor::~AvroCompressor() = default;
AvroCompressor::AvroCompressor(AvroCompressor&&) noexcept = default;

Status AvroCompressor::Compress(std::string_view block, std::string* out) {
  const size_t before = out->size();
  switch (state_->codec) {
    case AvroCodec::kNull:
      out->append(block);
      return {};
    case AvroCodec::kDeflate: {
      auto& deflate = state_->deflate;
      if (!deflate) deflate.reset(libdeflate_alloc_compressor(kDeflateLevel));
      if (!deflate) return Exhausted("no memory for a deflate table");
      out->resize(before + libdeflate_deflate_compress_bound(deflate.get(), block.size()));
      const size_t size = libdeflate_deflate_compress(deflate.get(), block.data(), block.size(),
                                                      out->data() + before, out->size() - before);
      if (size == 0) return Internal("deflate did not fit its own bound");
      out->resize(before + size);
      return {};
    }
    case AvroCodec::kZstd: {
      out->resize(before + ZSTD_compressBound(block.size()));
      const size_t size = ZSTD_compress(out->data() + before, out->size() - before, block.data(),
                                        block.size(), kZstdLevel);
      if (ZSTD_isError(size)) return Internal("zstd could not compress an Avro block");
      out->resize(before + size);
      return {};
    }
    case AvroCodec::kSnappy: {
      out->resize(before + snappy::MaxCompressedLength(block.size()));
      size_t size = 0;
      snappy::RawCompress(block.data(), block.size(), out->data() + before, &size);
      out->resize(before + size);
      const uint32_t crc = libdeflate_crc32(0, block.data(), block.size());
      for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(crc >> shift));
      return {};
    }
  }
  return Internal("unknown Avro codec");
}

}  // namespace moraine::iceberg
