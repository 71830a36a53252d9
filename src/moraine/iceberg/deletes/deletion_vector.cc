#include "moraine/iceberg/deletes/deletion_vector.h"

#include <cstdint>

#include <fmt/format.h>
#include <libdeflate.h>

namespace moraine::iceberg {
namespace {

constexpr std::string_view kMagic = "\xD1\xD3\x39\x64";
constexpr size_t kLengthBytes = 4;
constexpr size_t kCrcBytes = 4;

uint32_t BigEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void AppendBigEndian32(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

uint32_t Crc(std::string_view bytes) { return libdeflate_crc32(0, bytes.data(), bytes.size()); }

}  // namespace

Result<std::string> EncodeDeletionVector(const PositionSet& positions) {
  const std::string bitmap = positions.ToPortable();
  const size_t length = kMagic.size() + bitmap.size();
  if (length > INT32_MAX - kLengthBytes - kCrcBytes) {
    return Exhausted(fmt::format("a deletion vector of {} bytes: 2 GiB are allowed", length));
  }
  std::string blob;
  blob.reserve(kLengthBytes + length + kCrcBytes);
  AppendBigEndian32(static_cast<uint32_t>(length), &blob);
  blob += kMagic;
  blob += bitmap;
  AppendBigEndian32(Crc(std::string_view(blob).substr(kLengthBytes)), &blob);
  return blob;
}

Result<PositionSet> DecodeDeletionVector(std::string_view blob) {
  if (blob.size() < kLengthBytes + kMagic.size() + kCrcBytes) {
    return Corruption(fmt::format("a deletion vector of {} bytes", blob.size()));
  }
  const std::string_view body = blob.substr(kLengthBytes, blob.size() - kLengthBytes - kCrcBytes);
  if (BigEndian32(blob) != body.size()) {
    return Corruption(fmt::format("a deletion vector of {} bytes says that it has {}", body.size(),
                                  BigEndian32(blob)));
  }
  if (!body.starts_with(kMagic)) return Corruption("not a deletion vector: its magic differs");
  if (Crc(body) != BigEndian32(blob.substr(blob.size() - kCrcBytes))) {
    return Corruption("a deletion vector: its checksum differs");
  }
  return PositionSet::FromPortable(body.substr(kMagic.size()));
}

}  // namespace moraine::iceberg
