#include "moraine/iceberg/puffin/puffin_reader.h"

#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/puffin/puffin_codec.h"
#include "moraine/iceberg/puffin/puffin_layout_internal.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kMaxFooterBytes = int64_t{64} << 20;

}  // namespace

Result<std::string> ReadRange(Call& call, io::RandomReader& file, int64_t offset, int64_t length,
                              int64_t max_bytes) {
  if (offset < 0 || length < 0 || offset > file.size() || length > file.size() - offset) {
    return Corruption(fmt::format("{} bytes at offset {} are not inside the file of {} bytes",
                                  length, offset, file.size()));
  }
  if (length > max_bytes) {
    return Exhausted(fmt::format("{} bytes at offset {} do not fit in memory: {} are allowed",
                                 length, offset, max_bytes));
  }
  std::string bytes(static_cast<size_t>(length), '\0');
  MORAINE_TRY(file.ReadAt(call, offset, std::span<char>(bytes)));
  return bytes;
}

Result<PuffinReader> PuffinReader::Open(Call& call, io::FileSystem& files,
                                        const std::string& location,
                                        std::optional<int64_t> known_size) {
  MORAINE_ASSIGN(auto file, files.Open(call, location, known_size));
  PuffinReader reader(location, std::move(file));
  Status read = reader.ReadFooter(call);
  if (read.ok()) read = reader.CheckBlobs();
  if (!read.ok()) return std::move(read).Annotate(location);
  return reader;
}

Status PuffinReader::ReadFooter(Call& call) {
  const int64_t size = file_->size();
  if (size < kPuffinSmallestBytes) return Corruption("too short for a Puffin file");
  MORAINE_ASSIGN(const std::string tail, ReadRange(call, *file_, size - kPuffinTailBytes,
                                                   kPuffinTailBytes, kPuffinTailBytes));
  MORAINE_ASSIGN(const std::string head,
                 ReadRange(call, *file_, 0, kPuffinMagicBytes, kPuffinMagicBytes));
  const std::string_view end(tail);
  if (head != kPuffinMagic || end.substr(8) != kPuffinMagic) {
    return Corruption("not a Puffin file: it does not begin and end with PFA1");
  }
  const auto payload_bytes = static_cast<int64_t>(LittleEndian32(end));
  const uint32_t flags = LittleEndian32(end.substr(4));
  if ((flags & ~kPuffinFooterCompressed) != 0) {
    return Unsupported(fmt::format("Puffin flags that are not known: {:#x}", flags));
  }
  footer_size_bytes_ = kPuffinMagicBytes + payload_bytes + kPuffinTailBytes;
  if (footer_size_bytes_ > size - kPuffinMagicBytes) {
    return Corruption(
        fmt::format("a footer of {} bytes in a file of {} bytes", footer_size_bytes_, size));
  }
  MORAINE_ASSIGN(const std::string footer,
                 ReadRange(call, *file_, size - footer_size_bytes_,
                           kPuffinMagicBytes + payload_bytes, kMaxFooterBytes));
  if (!footer.starts_with(kPuffinMagic)) {
    return Corruption("the Puffin footer does not begin with PFA1");
  }
  const std::string_view payload = std::string_view(footer).substr(kPuffinMagicBytes);
  std::string unpacked;
  if (flags & kPuffinFooterCompressed) {
    MORAINE_ASSIGN(unpacked, PuffinDecompress(PuffinCodec::kLz4, payload, kMaxFooterBytes));
  }
  Result<PuffinMetadata> metadata =
      PuffinMetadataFromJson(flags & kPuffinFooterCompressed ? unpacked : payload);
  if (!metadata.ok()) {
    if (metadata.status().code() != Code::kInvalidArgument) return metadata.status();
    return Corruption("the Puffin footer: " + std::string(metadata.status().message()));
  }
  metadata_ = std::move(metadata).value();
  return {};
}

Status PuffinReader::CheckBlobs() const {
  const int64_t end = file_->size() - footer_size_bytes_;
  for (const PuffinBlob& blob : metadata_.blobs) {
    const bool is_inside = blob.offset >= kPuffinMagicBytes && blob.offset <= end &&
                           blob.length >= 0 && blob.length <= end - blob.offset;
    if (is_inside) continue;
    return Corruption(fmt::format("a blob of {} bytes at offset {}, the footer begins at {}",
                                  blob.length, blob.offset, end));
  }
  return {};
}

Result<std::string> PuffinReader::ReadBlob(Call& call, const PuffinBlob& blob, int64_t max_bytes) {
  Result<std::string> bytes = ReadRange(call, *file_, blob.offset, blob.length, max_bytes);
  if (bytes.ok() && blob.codec != PuffinCodec::kNone) {
    bytes = PuffinDecompress(blob.codec, *bytes, max_bytes);
  }
  if (!bytes.ok()) {
    return std::move(bytes).status().Annotate(
        fmt::format("{}: blob {} at offset {}", location_, blob.type, blob.offset));
  }
  return bytes;
}

}  // namespace moraine::iceberg
