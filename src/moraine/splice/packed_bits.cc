#include "moraine/splice/packed_bits.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

namespace moraine::splice {
namespace {

constexpr uint32_t kUnknown = uint32_t{1} << 31;

uint64_t Load(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// Reads up to 8 bytes beyond the group.
template <size_t kWidth>
void UnpackGroup(const char* from, uint32_t* to) {
  constexpr uint64_t kMask = (uint64_t{1} << kWidth) - 1;
  [&]<size_t... kAt>(std::index_sequence<kAt...>) {
    ((to[kAt] = static_cast<uint32_t>(Load(from + kAt * kWidth / 8) >> (kAt * kWidth % 8) & kMask)),
     ...);
  }
  (std::make_index_sequence<kGroup>());
}

template <size_t kWidth>
void UnpackGroups(const char* from, size_t groups, uint32_t* to) {
  for (; groups > 0; --groups, from += kWidth, to += kGroup) UnpackGroup<kWidth>(from, to);
}

template <size_t kWidth, size_t kAt>
void PackOne(uint32_t number, uint64_t* word, char* to) {
  constexpr size_t kBit = kAt * kWidth % 32;
  *word |= static_cast<uint64_t>(number) << kBit;
  if constexpr (kBit + kWidth >= 32) {
    const auto low = static_cast<uint32_t>(*word);
    std::memcpy(to + kAt * kWidth / 32 * 4, &low, sizeof(low));
    *word >>= 32;
  }
}

template <size_t kWidth>
void PackGroups(const uint32_t* from, size_t groups, char* to) {
  for (; groups > 0; --groups, from += kGroup, to += kWidth) {
    uint64_t word = 0;
    [&]<size_t... kAt>(std::index_sequence<kAt...>) {
      (PackOne<kWidth, kAt>(from[kAt], &word, to), ...);
    }
    (std::make_index_sequence<kGroup>());
    if constexpr (kWidth % 4 != 0) std::memcpy(to + kWidth / 4 * 4, &word, kWidth % 4);
  }
}

// Numbers that are looked up together.
constexpr size_t Together(size_t width) {
  return width == 1 ? 8 : width <= 3 ? 4 : width <= 6 ? 2 : 1;
}

// As many numbers of a word as kCount, looked up in turn; or-s what was found to seen.
template <size_t kWidth, size_t kCount>
uint64_t TranslateWord(uint64_t word, const uint32_t* table, uint32_t* seen) {
  constexpr size_t kBits = Together(kWidth) * kWidth;
  constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;
  uint64_t out = 0;
  [&]<size_t... kAt>(std::index_sequence<kAt...>) {
    (([&] {
       const uint32_t found = table[word >> (kAt * kBits) & kMask];
       *seen |= found;
       out |= static_cast<uint64_t>(found) << (kAt * kBits);
     }()),
     ...);
  }
  (std::make_index_sequence<kCount / Together(kWidth)>());
  return out;
}

// Reads and writes up to 8 bytes beyond the last group.
template <size_t kWidth>
uint32_t TranslateGroups(const char* from, size_t groups, const uint32_t* table, char* to) {
  uint32_t seen = 0;
  for (; groups > 0; --groups, from += kWidth, to += kWidth) {
    if constexpr (kWidth <= 8) {
      const uint64_t out = TranslateWord<kWidth, kGroup>(Load(from), table, &seen);
      std::memcpy(to, &out, sizeof(out));
    } else {
      // Two halves; the second may begin within a byte.
      constexpr size_t kByte = kWidth / 2;
      constexpr size_t kShift = kWidth % 2 * 4;
      constexpr size_t kHalf = kWidth * 4;
      const uint64_t low = TranslateWord<kWidth, 4>(Load(from), table, &seen);
      uint64_t high = TranslateWord<kWidth, 4>(Load(from + kByte) >> kShift, table, &seen);
      if constexpr (kShift > 0) high = high << kShift | low >> (kHalf - kShift);
      std::memcpy(to, &low, sizeof(low));
      std::memcpy(to + kByte, &high, sizeof(high));
    }
  }
  return seen;
}

using Unpacker = void (*)(const char*, size_t, uint32_t*);
using Packer = void (*)(const uint32_t*, size_t, char*);
using Translator = uint32_t (*)(const char*, size_t, const uint32_t*, char*);

// By width, from 1 on.
constexpr auto kUnpackers = []<size_t... kAt>(std::index_sequence<kAt...>) {
  return std::array<Unpacker, sizeof...(kAt)>{UnpackGroups<kAt + 1>...};
}
(std::make_index_sequence<32>());
constexpr auto kPackers = []<size_t... kAt>(std::index_sequence<kAt...>) {
  return std::array<Packer, sizeof...(kAt)>{PackGroups<kAt + 1>...};
}
(std::make_index_sequence<32>());
constexpr auto kTranslators = []<size_t... kAt>(std::index_sequence<kAt...>) {
  return std::array<Translator, sizeof...(kAt)>{TranslateGroups<kAt + 1>...};
}
(std::make_index_sequence<PackedTranslation::kMostTranslatedBits>());

// Groups behind which there are eight more bytes to read.
size_t GroupsToReadFreely(std::string_view bytes, size_t width) {
  return bytes.size() < width + sizeof(uint64_t) ? 0 : (bytes.size() - sizeof(uint64_t)) / width;
}

// A group of up to 32 bytes with room to read beyond it.
using GroupBytes = std::array<char, 48>;
GroupBytes CopyGroup(std::string_view bytes, size_t group, size_t width) {
  GroupBytes copy = {};
  const std::string_view rest = bytes.substr(std::min(group * width, bytes.size()));
  std::memcpy(copy.data(), rest.data(), std::min(rest.size(), width));
  return copy;
}

}  // namespace

void UnpackNumbers(std::string_view bytes, int bit_width, uint32_t* numbers, size_t count) {
  const auto width = static_cast<size_t>(bit_width);
  const Unpacker unpack = kUnpackers[width - 1];
  const size_t free = std::min(GroupsToReadFreely(bytes, width), count / kGroup);
  unpack(bytes.data(), free, numbers);
  for (size_t group = free; group * kGroup < count; ++group) {
    const GroupBytes copy = CopyGroup(bytes, group, width);
    std::array<uint32_t, kGroup> unpacked;
    unpack(copy.data(), 1, unpacked.data());
    const size_t first = group * kGroup;
    std::copy_n(unpacked.begin(), std::min(kGroup, count - first), numbers + first);
  }
}

void PackNumbers(std::span<const uint32_t> numbers, int bit_width, char* to) {
  const Packer pack = kPackers[static_cast<size_t>(bit_width) - 1];
  const size_t groups = numbers.size() / kGroup;
  pack(numbers.data(), groups, to);
  const std::span<const uint32_t> rest = numbers.subspan(groups * kGroup);
  if (rest.empty()) return;
  std::array<uint32_t, kGroup> last = {};
  std::copy(rest.begin(), rest.end(), last.begin());
  pack(last.data(), 1, to + groups * static_cast<size_t>(bit_width));
}

size_t PackedTranslation::TableSize(int bit_width) {
  const auto width = static_cast<size_t>(bit_width);
  return size_t{1} << (Together(width) * width);
}

PackedTranslation::PackedTranslation(std::span<const uint32_t> numbers, int bit_width)
    : bit_width_(bit_width), table_(TableSize(bit_width), kUnknown) {
  const auto width = static_cast<size_t>(bit_width);
  const size_t count = size_t{1} << width;
  const size_t known = std::min(count, numbers.size());
  std::copy_n(numbers.begin(), known, table_.begin());
  // One more number at a time, above those that are there.
  for (size_t filled = count, bits = width; filled < table_.size();
       filled *= count, bits += width) {
    for (size_t number = count; number-- > 0;) {
      const uint32_t added = number < known ? numbers[number] << bits : kUnknown;
      for (size_t low = 0; low < filled; ++low) table_[number * filled + low] = added | table_[low];
    }
  }
}

bool PackedTranslation::Run(std::string_view from, size_t groups, char* to) const {
  const auto width = static_cast<size_t>(bit_width_);
  const Translator translate = kTranslators[width - 1];
  const size_t free = std::min(GroupsToReadFreely(from, width), groups);
  uint32_t seen = translate(from.data(), free, table_.data(), to);
  for (size_t group = free; group < groups; ++group) {
    const GroupBytes copy = CopyGroup(from, group, width);
    seen |= translate(copy.data(), 1, table_.data(), to + group * width);
  }
  return (seen & kUnknown) == 0;
}

}  // namespace moraine::splice
