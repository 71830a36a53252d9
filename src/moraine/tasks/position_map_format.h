#pragma once
// The bytes of a position map, shared by the two files that write and read them (position_map.h
// describes them).

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/tasks/position_map.h"

namespace moraine::tasks::position_map {

inline constexpr char kMagic[] = {'M', 'P', 'O', 'S', /*version=*/1};
inline constexpr size_t kHeaderBytes = sizeof(kMagic);
inline constexpr size_t kChunkHeaderBytes = 5;
inline constexpr char kRowsChunk = 1;
inline constexpr char kEndChunk = 2;
/// Of a chunk before compression.
inline constexpr size_t kMaxChunkBytes = size_t{256} << 10;

enum Op : uint64_t {
  kOutput = 0,  ///< what follows goes to output n, behind the rows that it has
  kInput = 1,   ///< what follows comes from input n, from where this chunk left it
  kKeep = 2,    ///< n rows, next to each other
  kSkip = 3,    ///< n rows of the input further on
  kBack = 4,    ///< n rows back
  kRows = 5,    ///< n rows of any inputs: n inputs, then n steps (zigzag) from where each was left
};
inline constexpr int kOpBits = 3;
/// A kRows instruction fits into a chunk.
inline constexpr uint64_t kMaxRowsAtOnce = 4096;

/// Follows the instructions of one chunk, as the first of a map with this shape; for fuzzing, which
/// can't make checksums.
Status CheckInstructions(std::string_view chunk, const MapShape& shape);

inline void PutVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}
inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

}  // namespace moraine::tasks::position_map
