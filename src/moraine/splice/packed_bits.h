#pragma once
// Numbers of 1 to 32 bits, packed from the lowest bit on in groups of eight (parquet-format,
// "RLE / Bit-Packing Hybrid"): a group takes as many bytes as a number has bits. hybrid.cc and
// index_remap.cc take them apart and put them together with these.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace moraine::splice {

/// Numbers of a group.
inline constexpr size_t kGroup = 8;
/// Bytes behind the last group that may be written over.
inline constexpr size_t kSlackBytes = 16;

/// Unpacks count numbers. bytes holds them, but may end within their last group.
void UnpackNumbers(std::string_view bytes, int bit_width, uint32_t* numbers, size_t count);

/// Packs numbers, each below 2^bit_width, the last group filled up with zeros. to has room for
/// whole groups and kSlackBytes.
void PackNumbers(std::span<const uint32_t> numbers, int bit_width, char* to);

/// Other numbers of the same width for those of packed groups, which are not unpacked for it.
class PackedTranslation {
 public:
  static constexpr int kMostTranslatedBits = 16;
  /// numbers: the new ones by the old, below 2^bit_width, which is at most kMostTranslatedBits.
  PackedTranslation(std::span<const uint32_t> numbers, int bit_width);

  /// from holds the groups; to has room for them and kSlackBytes. False: an old number has no new
  /// one.
  bool Run(std::string_view from, size_t groups, char* to) const;

  /// Entries of the table for a width: what making one costs.
  static size_t TableSize(int bit_width);

 private:
  const int bit_width_;
  std::vector<uint32_t> table_;
};

}  // namespace moraine::splice
