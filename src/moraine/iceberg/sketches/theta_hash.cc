#include "moraine/iceberg/sketches/theta_hash.h"

#include <cstring>

namespace moraine::iceberg {
namespace {

using theta_hash::MixFirst;
using theta_hash::MixSecond;
using theta_hash::RotateLeft;

/// Up to 8 bytes, little-endian, the rest zero.
uint64_t Word(const char* at, size_t length) {
  uint64_t word = 0;
  std::memcpy(&word, at, length);
  return word;
}

}  // namespace

uint64_t MurmurHash(std::string_view bytes, uint64_t seed) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  uint64_t first = seed;
  uint64_t second = seed;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 16; left -= 16, at += 16) {
    first ^= MixFirst(Word(at, 8));
    first = (RotateLeft(first, 27) + second) * 5 + 0x52dce729;
    second ^= MixSecond(Word(at + 8, 8));
    second = (RotateLeft(second, 31) + first) * 5 + 0x38495ab5;
  }
  if (left > 8) second ^= MixSecond(Word(at + 8, left - 8));
  if (left > 0) first ^= MixFirst(Word(at, left < 8 ? left : 8));
  return theta_hash::Join(first, second, bytes.size());
}

}  // namespace moraine::iceberg
