#include "moraine/upkeep/record_block.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <zstd.h>

namespace moraine::upkeep {
namespace {

constexpr int kLevel = 1;

Status Broken(std::string_view what) {
  return Corruption(fmt::format("a block of file names is broken: {}", what));
}

}  // namespace

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    *out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out += static_cast<char>(value);
}

Result<uint64_t> TakeVarint(std::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes->empty()) return Broken("it ends within a number");
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return Broken("a number is too long");
}

Status BlockBuilder::Add(std::string_view key, std::string_view payload) {
  if (key.size() > kMaxRecordBytes || payload.size() > kMaxRecordBytes) {
    return InvalidArgument(fmt::format("a file's name is longer than {} bytes: {}...",
                                       kMaxRecordBytes, key.substr(0, 200)));
  }
  const size_t most = std::min(key.size(), last_key_.size());
  const size_t shared = static_cast<size_t>(
      std::mismatch(key.begin(), key.begin() + static_cast<ptrdiff_t>(most), last_key_.begin())
          .first -
      key.begin());
  AppendVarint(shared, &raw_);
  AppendVarint(key.size() - shared, &raw_);
  AppendVarint(payload.size(), &raw_);
  raw_.append(key.substr(shared));
  raw_.append(payload);
  last_key_.assign(key);
  ++records_;
  return {};
}

Result<std::string> BlockBuilder::Finish() {
  using Context = std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)>;
  Context context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  if (context == nullptr) return Exhausted("zstd: no memory");
  (void)ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  (void)ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string block(ZSTD_compressBound(raw_.size()), '\0');
  const size_t size =
      ZSTD_compress2(context.get(), block.data(), block.size(), raw_.data(), raw_.size());
  if (ZSTD_isError(size)) return Internal(std::string("zstd: ") + ZSTD_getErrorName(size));
  block.resize(size);
  raw_.clear();
  last_key_.clear();
  records_ = 0;
  return block;
}

Result<BlockReader> BlockReader::Decode(std::string_view block) {
  const unsigned long long size = ZSTD_getFrameContentSize(block.data(), block.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
      size > kMaxBlockBytes + 3 * kMaxRecordBytes) {
    return Broken("expected a zstd frame with its size");
  }
  BlockReader reader;
  reader.raw_.resize(size);
  const size_t got =
      ZSTD_decompress(reader.raw_.data(), reader.raw_.size(), block.data(), block.size());
  if (ZSTD_isError(got)) return Broken(ZSTD_getErrorName(got));
  if (got != size) return Broken("it is shorter than it says");
  return reader;
}

Result<bool> BlockReader::Next() {
  if (at_ == raw_.size()) return false;
  std::string_view rest = std::string_view(raw_).substr(at_);
  MORAINE_ASSIGN(const uint64_t shared, TakeVarint(&rest));
  MORAINE_ASSIGN(const uint64_t own, TakeVarint(&rest));
  MORAINE_ASSIGN(const uint64_t payload, TakeVarint(&rest));
  if (shared > key_.size()) return Broken("a name shares more than there is");
  if (own > rest.size() || payload > rest.size() - own) return Broken("it ends within a name");
  key_.resize(shared);
  key_.append(rest.substr(0, own));
  payload_at_ = raw_.size() - rest.size() + own;
  payload_size_ = payload;
  at_ = payload_at_ + payload;
  return true;
}

}  // namespace moraine::upkeep
