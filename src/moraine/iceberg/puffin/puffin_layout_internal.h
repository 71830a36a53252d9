#pragma once
// The fixed bytes of a Puffin file (Puffin spec, "File structure"), for its reader and writer.

#include <cstdint>
#include <string>
#include <string_view>

namespace moraine::iceberg {

inline constexpr std::string_view kPuffinMagic = "PFA1";
inline constexpr int64_t kPuffinMagicBytes = 4;
inline constexpr int64_t kPuffinTailBytes = 12;  // payload size, flags, magic
inline constexpr int64_t kPuffinSmallestBytes = 2 * kPuffinMagicBytes + kPuffinTailBytes;
inline constexpr uint32_t kPuffinFooterCompressed = 1;

/// Of the first four bytes, which are there.
inline uint32_t LittleEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

inline void AppendLittleEndian32(uint32_t value, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) out->push_back(static_cast<char>(value >> shift));
}

}  // namespace moraine::iceberg
