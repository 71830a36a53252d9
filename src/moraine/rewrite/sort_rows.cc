#include "moraine/rewrite/sort_rows.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>

#include "moraine/io/arrow_status.h"

namespace moraine::rewrite {
namespace {

struct Entry {
  uint64_t number;  // the bytes of the key that are looked at now
  RowPick pick;
};

// Below this many rows, comparing is quicker than counting.
constexpr size_t kFewRows = 192;
constexpr size_t kDigits = 8;
constexpr size_t kValues = 256;

bool ComesBefore(RowPick a, RowPick b) {
  return a.batch != b.batch ? a.batch < b.batch : a.row < b.row;
}

class Sorting {
 public:
  Sorting(const KeyTable& keys, const std::function<int(RowPick, RowPick)>& exact)
      : keys_(keys), exact_(exact) {}

  /// Entries come in the order of their picks, with the numbers of the shape. scratch has room for
  /// as many.
  void Run(const KeyShape& shape, Entry* begin, size_t count, Entry* scratch) {
    std::vector<Range> open;
    if (count > 0) {
      Radix(begin, count, scratch);
      const size_t compared = shape.is_fixed() ? shape.depth() : sizeof(uint64_t);
      if (!shape.is_exact()) OpenEqual({begin, count, shape.depth()}, compared, &open);
    }
    while (!open.empty()) {
      const Range range = open.back();
      open.pop_back();
      Sort(range, scratch, &open);
    }
  }

 private:
  struct Range {
    Entry* begin;
    size_t count;
    size_t depth;  // bytes that all keys of it share
  };

  // The bytes that all keys of a range share; *ends says that a key has no more than those.
  size_t SharedBytes(const Range& range, bool* ends) const {
    const std::string_view first = keys_.at(range.begin->pick);
    size_t shared = first.size();
    for (size_t i = 1; i < range.count && shared > range.depth; ++i) {
      const std::string_view key = keys_.at(range.begin[i].pick);
      shared = std::min(shared, key.size());
      if (std::memcmp(key.data() + range.depth, first.data() + range.depth, shared - range.depth) ==
          0) {
        continue;
      }
      const auto differ =
          std::mismatch(first.begin(), first.begin() + static_cast<int64_t>(shared), key.begin());
      shared = static_cast<size_t>(differ.first - first.begin());
    }
    *ends = shared == first.size();
    return std::max(shared, range.depth);
  }

  void Sort(Range range, Entry* scratch, std::vector<Range>* open) const {
    if (range.count < 2) return;
    if (range.count < kFewRows) return Compare(range);
    bool ends = false;
    range.depth = SharedBytes(range, &ends);
    if (ends) {  // no key is a prefix of another one: all are equal
      if (exact_ && IsCutKey(keys_.at(range.begin->pick))) Compare(range);
      return;
    }
    for (size_t i = 0; i < range.count; ++i)
      range.begin[i].number = KeyNumber(keys_.at(range.begin[i].pick), range.depth);
    Radix(range.begin, range.count, scratch);
    OpenEqual(range, range.depth + sizeof(uint64_t), open);
  }

  /// Rows with equal numbers need another look, if keys have more than the bytes compared.
  void OpenEqual(const Range& range, size_t compared, std::vector<Range>* open) const {
    for (size_t from = 0; from < range.count;) {
      size_t to = from + 1;
      while (to < range.count && range.begin[to].number == range.begin[from].number) ++to;
      const std::string_view key = keys_.at(range.begin[from].pick);
      const bool is_open = key.size() > compared || (exact_ && IsCutKey(key));
      if (to - from > 1 && is_open) open->push_back({range.begin + from, to - from, range.depth});
      from = to;
    }
  }

  void Compare(const Range& range) const {
    // What exact reads of the rows' batches, and where it fails, is settled before the order counts
    // on it: an order that changes in the middle of a sort leads anywhere.
    for (size_t i = 0; exact_ && i < range.count; ++i) {
      const RowPick pick = range.begin[i].pick;
      if (IsCutKey(keys_.at(pick))) exact_(pick, pick);
    }
    std::sort(range.begin, range.begin + range.count, [&](const Entry& a, const Entry& b) {
      const std::string_view x = keys_.at(a.pick);
      const std::string_view y = keys_.at(b.pick);
      const int order = std::memcmp(x.data() + range.depth, y.data() + range.depth,
                                    std::min(x.size(), y.size()) - range.depth);
      if (order != 0) return order < 0;
      const int by_value = exact_ && IsCutKey(x) ? exact_(a.pick, b.pick) : 0;
      return by_value != 0 ? by_value < 0 : ComesBefore(a.pick, b.pick);
    });
  }

  // Least significant byte first; bytes that are the same everywhere cost nothing.
  static void Radix(Entry* entries, size_t count, Entry* scratch) {
    std::array<std::array<size_t, kValues>, kDigits> counts{};
    for (size_t i = 0; i < count; ++i) {
      for (size_t digit = 0; digit < kDigits; ++digit)
        ++counts[digit][entries[i].number >> (8 * digit) & 0xFF];
    }
    Entry* from = entries;
    Entry* to = scratch;
    for (size_t digit = 0; digit < kDigits; ++digit) {
      std::array<size_t, kValues>& places = counts[digit];
      if (places[from[0].number >> (8 * digit) & 0xFF] == count) continue;
      size_t begin = 0;
      for (size_t& place : places) begin += std::exchange(place, begin);
      for (size_t i = 0; i < count; ++i)
        to[places[from[i].number >> (8 * digit) & 0xFF]++] = from[i];
      std::swap(from, to);
    }
    if (from != entries) std::memcpy(entries, from, count * sizeof(Entry));
  }

  const KeyTable& keys_;
  const std::function<int(RowPick, RowPick)>& exact_;
};

Result<std::shared_ptr<arrow::Buffer>> Allocate(int64_t bytes, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes, pool));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

}  // namespace

KeyTable::KeyTable(std::vector<std::shared_ptr<arrow::Array>> keys) : arrays_(std::move(keys)) {
  for (const auto& array : arrays_) {
    counts_.push_back(static_cast<uint32_t>(array->length()));
    rows_ += array->length();
    if (array->type_id() == arrow::Type::FIXED_SIZE_BINARY) {
      const auto& fixed = static_cast<const arrow::FixedSizeBinaryArray&>(*array);
      width_ = static_cast<size_t>(fixed.byte_width());
      keys_.push_back({reinterpret_cast<const char*>(fixed.raw_values()), nullptr});
      continue;
    }
    const auto& binary = static_cast<const arrow::BinaryArray&>(*array);
    keys_.push_back({reinterpret_cast<const char*>(binary.raw_data()), binary.raw_value_offsets()});
  }
}

uint64_t KeyNumber(std::string_view key, size_t depth) {
  uint64_t number = 0;
  if (key.size() >= depth + sizeof(number)) {
    std::memcpy(&number, key.data() + depth, sizeof(number));
  } else if (key.size() > depth) {
    std::memcpy(&number, key.data() + depth, key.size() - depth);
  }
  return __builtin_bswap64(number);
}

KeyShape::KeyShape(const arrow::Array& keys)
    : is_fixed_(keys.type_id() == arrow::Type::FIXED_SIZE_BINARY), is_empty_(keys.length() == 0) {
  if (!is_fixed_ || is_empty_) return;
  const auto& fixed = static_cast<const arrow::FixedSizeBinaryArray&>(keys);
  const auto width = static_cast<size_t>(fixed.byte_width());
  const uint8_t* key = fixed.raw_values();
  first_.assign(reinterpret_cast<const char*>(key), width);
  differs_.assign(width, '\0');
  const size_t words = width / sizeof(uint64_t);
  std::vector<uint64_t> first(words);
  std::vector<uint64_t> bits(words);
  if (words > 0) std::memcpy(first.data(), key, words * sizeof(uint64_t));
  for (int64_t row = 0; row < keys.length(); ++row, key += width) {
    for (size_t i = 0; i < words; ++i) {
      uint64_t word = 0;
      std::memcpy(&word, key + i * sizeof(word), sizeof(word));
      bits[i] |= word ^ first[i];
    }
    for (size_t i = words * sizeof(uint64_t); i < width; ++i)
      differs_[i] = static_cast<char>(differs_[i] | (static_cast<char>(key[i]) ^ first_[i]));
  }
  if (words > 0) std::memcpy(differs_.data(), bits.data(), words * sizeof(uint64_t));
  FindPlaces();
}

void KeyShape::Merge(const KeyShape& other) {
  if (other.is_empty_) return;
  if (is_empty_) {
    *this = other;
    return;
  }
  for (size_t i = 0; i < differs_.size(); ++i) {
    differs_[i] =
        static_cast<char>(differs_[i] | other.differs_[i] | (first_[i] ^ other.first_[i]));
  }
  FindPlaces();
}

void KeyShape::FindPlaces() {
  differing_ = 0;
  places_.fill(0);
  for (size_t i = 0; i < differs_.size(); ++i) {
    if (differs_[i] == 0) continue;
    if (differing_ < places_.size()) places_[differing_] = static_cast<uint32_t>(i);
    ++differing_;
  }
}

uint64_t KeyShape::NumberOf(std::string_view key) const {
  if (!is_fixed_) return KeyNumber(key, 0);
  uint64_t number = 0;
  for (size_t i = 0; i < std::min(differing_, places_.size()); ++i)
    number = number << 8 | static_cast<uint8_t>(key[places_[i]]);
  return number;
}

size_t KeyShape::depth() const {
  if (!is_fixed_) return 0;
  return is_exact() ? differs_.size() : places_.back() + 1;
}

bool IsCutKey(std::string_view key) { return !key.empty() && key.back() != 0; }

Result<std::shared_ptr<arrow::Buffer>> SortRows(const KeyTable& keys, const KeyShape& shape,
                                                const std::function<int(RowPick, RowPick)>& exact,
                                                arrow::MemoryPool* pool) {
  const int64_t bytes = keys.rows() * static_cast<int64_t>(sizeof(Entry));
  static_assert(2 * sizeof(Entry) == kSortBytesOfRow);
  MORAINE_ASSIGN(auto sorted, Allocate(bytes, pool));
  auto* entries = reinterpret_cast<Entry*>(sorted->mutable_data());
  Entry* next = entries;
  for (uint32_t batch = 0; batch < keys.rows_of_batches().size(); ++batch) {
    for (uint32_t row = 0; row < keys.rows_of_batches()[batch]; ++row) {
      *next++ = {shape.NumberOf(keys.at({batch, row})), {batch, row}};
    }
  }
  {
    MORAINE_ASSIGN(const auto scratch, Allocate(bytes, pool));
    Sorting(keys, exact)
        .Run(shape, entries, static_cast<size_t>(keys.rows()),
             reinterpret_cast<Entry*>(scratch->mutable_data()));
  }
  // The picks alone, in place.
  auto* picks = reinterpret_cast<RowPick*>(sorted->mutable_data());
  for (int64_t i = 0; i < keys.rows(); ++i) picks[i] = entries[i].pick;
  return sorted;
}

}  // namespace moraine::rewrite
