#include "moraine/splice/codec.h"

#include <array>
#include <map>
#include <optional>
#include <utility>

#include <arrow/util/compression.h>
#include <zstd.h>

#include "moraine/io/arrow_status.h"

namespace moraine::splice {
namespace {

std::optional<arrow::Compression::type> ToArrow(int32_t codec) {
  switch (codec) {
    case 1:
      return arrow::Compression::SNAPPY;
    case 2:
      return arrow::Compression::GZIP;
    case 4:
      return arrow::Compression::BROTLI;
    case 5:
      return arrow::Compression::LZ4_HADOOP;
    case 7:
      return arrow::Compression::LZ4;
    default:
      return std::nullopt;
  }
}

// Frames of zstd whose blocks are stored (RFC 8878, 3.1.1).
constexpr std::string_view kZstdMagic = "\x28\xB5\x2F\xFD";
constexpr char kFourBytesOfSize = static_cast<char>(0xA0);  // one segment, its size in 4 bytes
constexpr size_t kMostBlockBytes = size_t{128} << 10;

template <size_t kBytes>
void AppendLittleEndian(size_t value, std::string* out) {
  for (size_t i = 0; i < kBytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

void AppendStoredZstd(std::string_view bytes, std::string* out) {
  out->append(kZstdMagic);
  out->push_back(kFourBytesOfSize);
  AppendLittleEndian<4>(bytes.size(), out);
  do {
    const std::string_view block = bytes.substr(0, kMostBlockBytes);
    bytes.remove_prefix(block.size());
    AppendLittleEndian<3>(block.size() << 3 | (bytes.empty() ? 1 : 0), out);
    out->append(block);
  } while (!bytes.empty());
}

// Levels below 0 look for fewer matches: those of numbers often cost more than they save. Without
// this parameter they leave out the Huffman codes, too, that most of the saving comes from.
constexpr ZSTD_cParameter kLiteralCompression = ZSTD_c_experimentalParam5;
constexpr int kAlwaysHuffman = 1;
constexpr int kNoLevel = 1000;
// Efforts that numbers are packed with: that of the table, quick ones.
constexpr std::array<int, 3> kNumberLevels = {kNoLevel, -1, -2};
constexpr size_t kPagesPerTrial = 32;

struct FreeCompression {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompression {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

// Used by one thread at a time.
struct PageCodecs::Contexts {
  std::unique_ptr<ZSTD_CCtx, FreeCompression> compress;
  std::unique_ptr<ZSTD_DCtx, FreeDecompression> decompress;
  std::map<int32_t, std::unique_ptr<arrow::util::Codec>> others;

  Result<arrow::util::Codec*> Other(int32_t codec, int level) {
    std::unique_ptr<arrow::util::Codec>& found = others[codec];
    if (found != nullptr) return found.get();
    const std::optional<arrow::Compression::type> type = ToArrow(codec);
    if (!type || !arrow::util::Codec::IsAvailable(*type)) {
      return Unsupported("pages are compressed with a codec that is not built in (number " +
                         std::to_string(codec) + ")");
    }
    const bool has_level = level >= 0 && arrow::util::Codec::SupportsCompressionLevel(*type);
    MORAINE_ASSIGN(found, has_level ? arrow::util::Codec::Create(*type, level)
                                    : arrow::util::Codec::Create(*type));
    return found.get();
  }
};

std::optional<size_t> NumberTrials::Next() {
  if (pages_++ % kPagesPerTrial == 0) return std::nullopt;
  return best_.load();
}

PageCodecs::PageCodecs(int32_t codec, int level) : codec_(codec), level_(level) {}
PageCodecs::~PageCodecs() = default;

std::unique_ptr<PageCodecs::Contexts> PageCodecs::Take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return std::make_unique<Contexts>();
  std::unique_ptr<Contexts> contexts = std::move(free_.back());
  free_.pop_back();
  return contexts;
}

void PageCodecs::Give(std::unique_ptr<Contexts> contexts) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(contexts));
}

Status PageCodecs::Compress(std::string_view bytes, std::string* out) {
  if (codec_ == kUncompressed) {
    out->append(bytes);
    return {};
  }
  std::unique_ptr<Contexts> contexts = Take();
  const size_t begin = out->size();
  if (codec_ == kZstd) {
    MORAINE_TRY(CompressZstd(contexts.get(), kNoLevel, bytes, out));
  } else {
    MORAINE_ASSIGN(arrow::util::Codec * codec, contexts->Other(codec_, level_));
    const auto* input = reinterpret_cast<const uint8_t*>(bytes.data());
    const auto size = static_cast<int64_t>(bytes.size());
    out->resize(begin + static_cast<size_t>(codec->MaxCompressedLen(size, input)));
    MORAINE_ASSIGN(const int64_t written,
                   codec->Compress(size, input, static_cast<int64_t>(out->size() - begin),
                                   reinterpret_cast<uint8_t*>(out->data() + begin)));
    out->resize(begin + static_cast<size_t>(written));
  }
  Give(std::move(contexts));
  return {};
}

Status PageCodecs::CompressZstd(Contexts* contexts, int level, std::string_view bytes,
                                std::string* out) const {
  if (contexts->compress == nullptr) contexts->compress.reset(ZSTD_createCCtx());
  ZSTD_CCtx* context = contexts->compress.get();
  const size_t begin = out->size();
  out->resize(begin + ZSTD_compressBound(bytes.size()));
  const int own = level_ < 0 ? 3 : level_;
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level == kNoLevel ? own : level);
  if (level < 0) ZSTD_CCtx_setParameter(context, kLiteralCompression, kAlwaysHuffman);
  const size_t size =
      ZSTD_compress2(context, out->data() + begin, out->size() - begin, bytes.data(), bytes.size());
  if (ZSTD_isError(size)) return Internal("zstd can't compress a page");
  out->resize(begin + size);
  return {};
}

Status PageCodecs::Store(std::string_view bytes, std::string* out) {
  if (codec_ != kZstd || bytes.empty() || bytes.size() > UINT32_MAX) return Compress(bytes, out);
  AppendStoredZstd(bytes, out);
  return {};
}

Status PageCodecs::CompressNumbers(std::string_view bytes, NumberTrials* trials, std::string* out) {
  if (codec_ != kZstd) return Compress(bytes, out);
  std::unique_ptr<Contexts> contexts = Take();
  const std::optional<size_t> known = trials->Next();
  if (known) {
    MORAINE_TRY(CompressZstd(contexts.get(), kNumberLevels[*known], bytes, out));
    Give(std::move(contexts));
    return {};
  }
  std::string best;
  for (size_t effort = 0; effort < kNumberLevels.size(); ++effort) {
    std::string tried;
    MORAINE_TRY(CompressZstd(contexts.get(), kNumberLevels[effort], bytes, &tried));
    // Of two that are as good, the quicker one.
    if (effort > 0 && tried.size() > best.size() + best.size() / 256) continue;
    best = std::move(tried);
    trials->SetBest(effort);
  }
  out->append(best);
  Give(std::move(contexts));
  return {};
}

Status PageCodecs::Decompress(int32_t codec, std::string_view bytes, size_t size,
                              std::string* out) {
  if (codec == kUncompressed) {
    if (bytes.size() != size) return Corruption("a page has not the size that it claims");
    out->assign(bytes);
    return {};
  }
  out->resize(size);
  if (size == 0 && bytes.empty()) return {};
  std::unique_ptr<Contexts> contexts = Take();
  if (codec == kZstd) {
    if (contexts->decompress == nullptr) contexts->decompress.reset(ZSTD_createDCtx());
    const size_t got = ZSTD_decompressDCtx(contexts->decompress.get(), out->data(), size,
                                           bytes.data(), bytes.size());
    if (ZSTD_isError(got) || got != size) return Corruption("a page can't be decompressed");
  } else {
    MORAINE_ASSIGN(arrow::util::Codec * other, contexts->Other(codec, -1));
    arrow::Result<int64_t> got = other->Decompress(
        static_cast<int64_t>(bytes.size()), reinterpret_cast<const uint8_t*>(bytes.data()),
        static_cast<int64_t>(size), reinterpret_cast<uint8_t*>(out->data()));
    if (!got.ok() || *got != static_cast<int64_t>(size)) {
      return Corruption("a page can't be decompressed");
    }
  }
  Give(std::move(contexts));
  return {};
}

}  // namespace moraine::splice
