#include "moraine/iceberg/deletes/position_set.h"

#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <roaring/roaring.hh>

#include "moraine/base/check.h"
#include "moraine/iceberg/deletes/portable_bitmap_internal.h"

namespace moraine::iceberg {
namespace {

uint32_t High(int64_t position) { return static_cast<uint32_t>(position >> 32); }
uint32_t Low(int64_t position) { return static_cast<uint32_t>(position); }

constexpr size_t kCountBytes = 8;
constexpr size_t kHighBytes = 4;

uint64_t LittleEndian(std::string_view bytes, size_t width) {
  uint64_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void AppendLittleEndian(uint64_t value, size_t width, std::string* out) {
  for (size_t i = 0; i < width; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

Result<Roaring> ReadBitmap(std::string_view bytes) {
  try {
    return Roaring::readSafe(bytes.data(), bytes.size());
  } catch (const std::exception&) {
    return Exhausted(fmt::format("no memory for a bitmap of {} bytes", bytes.size()));
  }
}

bool ClearBit(uint8_t* bits, int64_t i) {
  const auto mask = static_cast<uint8_t>(1 << (i & 7));
  const bool was_set = (bits[i >> 3] & mask) != 0;
  bits[i >> 3] = static_cast<uint8_t>(bits[i >> 3] & ~mask);
  return was_set;
}

}  // namespace

// By the upper 32 bits; nearly always there is one.
struct PositionSet::Bitmaps {
  std::map<uint32_t, Roaring> by_high;

  template <typename Visit>
  void VisitWithin(int64_t first, int64_t length, const Visit& visit) const;
};

PositionSet::PositionSet() : bitmaps_(std::make_unique<Bitmaps>()) {}
PositionSet::~PositionSet() = default;
PositionSet::PositionSet(PositionSet&&) noexcept = default;
PositionSet& PositionSet::operator=(PositionSet&&) noexcept = default;

void PositionSet::Add(int64_t position) {
  MORAINE_CHECK(position >= 0, "positions are not negative");
  bitmaps_->by_high[High(position)].add(Low(position));
}

void PositionSet::AddMany(std::span<const int64_t> positions) {
  std::vector<uint32_t> lows;
  for (size_t begin = 0; begin < positions.size();) {
    const uint32_t high = High(positions[begin]);
    lows.clear();
    size_t end = begin;
    for (; end < positions.size() && High(positions[end]) == high; ++end) {
      MORAINE_CHECK(positions[end] >= 0, "positions are not negative");
      lows.push_back(Low(positions[end]));
    }
    bitmaps_->by_high[high].addMany(lows.size(), lows.data());
    begin = end;
  }
}

void PositionSet::Merge(const PositionSet& other) {
  for (const auto& [high, bitmap] : other.bitmaps_->by_high) bitmaps_->by_high[high] |= bitmap;
}

void PositionSet::CutAt(int64_t end) {
  MORAINE_CHECK(end >= 0, "positions are not negative");
  auto& by_high = bitmaps_->by_high;
  by_high.erase(by_high.upper_bound(High(end)), by_high.end());
  const auto last = by_high.find(High(end));
  if (last == by_high.end()) return;
  Roaring below;
  below.addRange(0, Low(end));
  last->second &= below;
  if (last->second.isEmpty()) by_high.erase(last);
}

bool PositionSet::Contains(int64_t position) const {
  const auto it = bitmaps_->by_high.find(High(position));
  return it != bitmaps_->by_high.end() && it->second.contains(Low(position));
}

bool PositionSet::empty() const { return cardinality() == 0; }

int64_t PositionSet::cardinality() const {
  uint64_t count = 0;
  for (const auto& [high, bitmap] : bitmaps_->by_high) count += bitmap.cardinality();
  return static_cast<int64_t>(count);
}

int64_t PositionSet::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& [high, bitmap] : bitmaps_->by_high) bytes += bitmap.getSizeInBytes() + 128;
  return static_cast<int64_t>(bytes);
}

std::vector<int64_t> PositionSet::ToVector() const {
  std::vector<int64_t> positions;
  positions.reserve(static_cast<size_t>(cardinality()));
  for (const auto& [high, bitmap] : bitmaps_->by_high) {
    for (uint32_t low : bitmap) positions.push_back((int64_t{high} << 32) | low);
  }
  return positions;
}

// Calls visit with each position of the range, ascending.
template <typename Visit>
void PositionSet::Bitmaps::VisitWithin(int64_t first, int64_t length, const Visit& visit) const {
  const int64_t end = first + length;
  for (auto it = by_high.lower_bound(High(first)); it != by_high.end(); ++it) {
    const int64_t base = int64_t{it->first} << 32;
    if (base >= end) break;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(&it->second.roaring, &at);
    if (first > base) roaring_move_uint32_iterator_equalorlarger(&at, Low(first));
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
      const int64_t position = base + at.current_value;
      if (position >= end) break;
      visit(position);
    }
  }
}

void PositionSet::AppendWithin(int64_t first, int64_t length, std::vector<int64_t>* to) const {
  bitmaps_->VisitWithin(first, length, [to](int64_t position) { to->push_back(position); });
}

void PositionSet::AppendFrom(int64_t first, size_t limit, std::vector<int64_t>* to) const {
  for (auto it = bitmaps_->by_high.lower_bound(High(first)); it != bitmaps_->by_high.end(); ++it) {
    const int64_t base = int64_t{it->first} << 32;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(&it->second.roaring, &at);
    if (first > base) roaring_move_uint32_iterator_equalorlarger(&at, Low(first));
    for (; at.has_value; roaring_advance_uint32_iterator(&at)) {
      if (limit-- == 0) return;
      to->push_back(base + at.current_value);
    }
  }
}

bool PositionSet::ContainsAll(const PositionSet& other) const {
  const auto& mine = bitmaps_->by_high;
  return std::all_of(other.bitmaps_->by_high.begin(), other.bitmaps_->by_high.end(),
                     [&](const auto& theirs) {
                       if (theirs.second.isEmpty()) return true;
                       const auto it = mine.find(theirs.first);
                       return it != mine.end() && theirs.second.isSubset(it->second);
                     });
}

int64_t PositionSet::ClearKept(int64_t first, int64_t length, uint8_t* keep) const {
  int64_t cleared = 0;
  bitmaps_->VisitWithin(first, length,
                        [&](int64_t position) { cleared += ClearBit(keep, position - first); });
  return cleared;
}

std::string PositionSet::ToPortable() const {
  std::string bytes;
  uint64_t count = 0;
  for (const auto& [high, bitmap] : bitmaps_->by_high) count += bitmap.isEmpty() ? 0 : 1;
  AppendLittleEndian(count, kCountBytes, &bytes);
  for (const auto& [high, bitmap] : bitmaps_->by_high) {
    if (bitmap.isEmpty()) continue;
    AppendLittleEndian(high, kHighBytes, &bytes);
    Roaring compact = bitmap;
    compact.runOptimize();
    const size_t at = bytes.size();
    bytes.resize(at + compact.getSizeInBytes());
    compact.write(bytes.data() + at);
  }
  return bytes;
}

Result<PositionSet> PositionSet::FromPortable(std::string_view bytes) {
  PositionSet set;
  if (bytes.size() < kCountBytes) return Corruption("a 64-bit Roaring bitmap without its count");
  const uint64_t count = LittleEndian(bytes, kCountBytes);
  bytes.remove_prefix(kCountBytes);
  int64_t before = -1;
  for (uint64_t i = 0; i < count; ++i) {
    if (bytes.size() < kHighBytes) {
      return Corruption(fmt::format("a 64-bit Roaring bitmap ends after {} of {} parts", i, count));
    }
    const auto high = static_cast<uint32_t>(LittleEndian(bytes, kHighBytes));
    bytes.remove_prefix(kHighBytes);
    if (int64_t{high} <= before || high > INT32_MAX) {
      return Corruption("a 64-bit Roaring bitmap: its keys do not ascend below 2^31");
    }
    before = high;
    MORAINE_ASSIGN(const size_t size, CheckPortableBitmap(bytes));
    MORAINE_ASSIGN(Roaring bitmap, ReadBitmap(bytes.substr(0, size)));
    bytes.remove_prefix(size);
    if (!bitmap.isEmpty()) set.bitmaps_->by_high.emplace(high, std::move(bitmap));
  }
  if (!bytes.empty()) {
    return Corruption(fmt::format("{} bytes follow a 64-bit Roaring bitmap", bytes.size()));
  }
  return set;
}

}  // namespace moraine::iceberg
