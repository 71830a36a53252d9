#pragma once
// The hash of Theta sketches (Apache DataSketches): MurmurHash3 x64 128 with seed 9001, of which
// the first 64 bits count, shifted right by one. A value is hashed by the bytes of its single-value
// form (table spec, appendix D): what Spark and Trino do, so that sketches of all can be merged.
// Used by theta_sketch.h and iceberg/data.

#include <cstdint>
#include <string_view>

namespace moraine::iceberg {

inline constexpr uint64_t kThetaSeed = 9001;

namespace theta_hash {
inline constexpr uint64_t kFirst = 0x87c37b91114253d5;
inline constexpr uint64_t kSecond = 0x4cf5ad432745937f;

constexpr uint64_t RotateLeft(uint64_t bits, int by) { return bits << by | bits >> (64 - by); }
constexpr uint64_t MixFirst(uint64_t word) { return RotateLeft(word * kFirst, 31) * kSecond; }
constexpr uint64_t MixSecond(uint64_t word) { return RotateLeft(word * kSecond, 33) * kFirst; }
constexpr uint64_t Finish(uint64_t bits) {
  bits = (bits ^ bits >> 33) * 0xff51afd7ed558ccd;
  bits = (bits ^ bits >> 33) * 0xc4ceb9fe1a85ec53;
  return bits ^ bits >> 33;
}
/// The first 64 bits of two halves after the last block.
constexpr uint64_t Join(uint64_t first, uint64_t second, uint64_t length) {
  first ^= length;
  second ^= length;
  first += second;
  second += first;
  return Finish(first) + Finish(second);
}
}  // namespace theta_hash

/// The first 64 bits of the hash. Cost: linear.
uint64_t MurmurHash(std::string_view bytes, uint64_t seed);

/// Of a value's bytes, in [0, 2^63).
inline uint64_t ThetaHash(std::string_view bytes) { return MurmurHash(bytes, kThetaSeed) >> 1; }
/// The same of the 4 or 8 bytes of a number, little-endian: quicker.
constexpr uint64_t ThetaHash(uint64_t number, uint64_t length) {
  const uint64_t first = kThetaSeed ^ theta_hash::MixFirst(number);
  return theta_hash::Join(first, kThetaSeed, length) >> 1;
}

}  // namespace moraine::iceberg
