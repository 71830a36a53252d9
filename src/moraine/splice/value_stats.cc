#include "moraine/splice/value_stats.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

namespace moraine::splice {
namespace {

constexpr uint32_t kNaNRank = UINT32_MAX;

template <typename T>
T Load(std::string_view bytes) {
  T value = 0;
  if (bytes.size() >= sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

template <typename T>
std::string Store(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
int Compare(T a, T b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

int CompareSignedBytes(std::string_view a, std::string_view b) {
  const auto sign = [](std::string_view v) { return !v.empty() && (v[0] & 0x80) != 0; };
  if (sign(a) != sign(b)) return sign(a) ? -1 : 1;
  return a.compare(b);
}

template <typename T>
ValueRange RangeOfNumbers(std::string_view plain, size_t count) {
  ValueRange range;
  if (count == 0) return range;
  T min = Load<T>(plain);
  T max = min;
  for (size_t i = 1; i < count; ++i) {
    T value;
    std::memcpy(&value, plain.data() + i * sizeof(T), sizeof(T));
    min = std::min(min, value);
    max = std::max(max, value);
  }
  range.min = Store(min);
  range.max = Store(max);
  return range;
}

// Zeros of either sign are equal: the lower bound is the negative one, the upper the positive.
template <typename T>
ValueRange RangeOfFloats(std::string_view plain, size_t count) {
  ValueRange range;
  bool has_any = false;
  T min = 0;
  T max = 0;
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, plain.data() + i * sizeof(T), sizeof(T));
    if (std::isnan(value)) {
      ++range.nans;
      continue;
    }
    min = has_any ? std::min(min, value) : value;
    max = has_any ? std::max(max, value) : value;
    has_any = true;
  }
  if (!has_any) return range;
  range.min = Store(min == 0 ? -T{0} : min);
  range.max = Store(max == 0 ? T{0} : max);
  return range;
}

template <typename Next>
ValueRange RangeOfBytes(const ValueType& type, size_t count, const Next& next) {
  ValueRange range;
  if (count == 0) return range;
  std::string_view min = next();
  std::string_view max = min;
  for (size_t i = 1; i < count; ++i) {
    const std::string_view value = next();
    if (CompareValues(type, value, min) < 0) min = value;
    if (CompareValues(type, value, max) > 0) max = value;
  }
  range.is_known = min.size() <= kMaxBoundBytes && max.size() <= kMaxBoundBytes;
  if (!range.is_known) return range;
  range.min = std::string(min);
  range.max = std::string(max);
  return range;
}

}  // namespace

size_t ValueType::width() const {
  switch (physical) {
    case Physical::kBoolean:
      return 1;
    case Physical::kInt32:
    case Physical::kFloat:
      return 4;
    case Physical::kInt64:
    case Physical::kDouble:
      return 8;
    case Physical::kInt96:
      return 12;
    case Physical::kFixed:
      return static_cast<size_t>(length);
    case Physical::kByteArray:
      return 0;
  }
  return 0;
}

int CompareValues(const ValueType& type, std::string_view a, std::string_view b) {
  switch (type.physical) {
    case Physical::kInt32:
      return Compare(Load<int32_t>(a), Load<int32_t>(b));
    case Physical::kInt64:
      return Compare(Load<int64_t>(a), Load<int64_t>(b));
    case Physical::kFloat:
      return Compare(Load<float>(a), Load<float>(b));
    case Physical::kDouble:
      return Compare(Load<double>(a), Load<double>(b));
    default:
      return type.order == Order::kSignedBytes ? CompareSignedBytes(a, b) : a.compare(b);
  }
}

bool IsNaN(const ValueType& type, std::string_view value) {
  if (type.physical == Physical::kFloat) return std::isnan(Load<float>(value));
  return type.physical == Physical::kDouble && std::isnan(Load<double>(value));
}

void ValueRange::Add(const ValueType& type, const ValueRange& other) {
  nans += other.nans;
  is_known = is_known && other.is_known;
  if (!is_known) {
    min.reset();
    max.reset();
    return;
  }
  if (other.min && (!min || CompareValues(type, *other.min, *min) < 0)) min = other.min;
  if (other.max && (!max || CompareValues(type, *other.max, *max) > 0)) max = other.max;
}

ValueRange RangeOf(const ValueType& type, std::string_view plain, size_t count) {
  if (type.order == Order::kNone) return ValueRange();
  switch (type.physical) {
    case Physical::kInt32:
      return RangeOfNumbers<int32_t>(plain, count);
    case Physical::kInt64:
      return RangeOfNumbers<int64_t>(plain, count);
    case Physical::kFloat:
      return RangeOfFloats<float>(plain, count);
    case Physical::kDouble:
      return RangeOfFloats<double>(plain, count);
    default:
      break;
  }
  size_t at = 0;
  return RangeOfBytes(type, count, [&] {
    size_t size = type.width();
    if (type.physical == Physical::kByteArray) {
      size = Load<uint32_t>(plain.substr(at));
      at += sizeof(uint32_t);
    }
    const std::string_view value = plain.substr(at, size);
    at += size;
    return value;
  });
}

Result<std::vector<uint32_t>> ValueOffsets(std::string_view plain, size_t count) {
  if (count > plain.size() / sizeof(uint32_t)) return Corruption("a page has too few values");
  std::vector<uint32_t> offsets;
  offsets.reserve(count + 1);
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    offsets.push_back(static_cast<uint32_t>(at));
    if (plain.size() - at < sizeof(uint32_t)) return Corruption("a page has too few values");
    const size_t size = Load<uint32_t>(plain.substr(at, sizeof(uint32_t)));
    at += sizeof(uint32_t);
    if (size > plain.size() - at) return Corruption("a value is longer than its page");
    at += size;
  }
  offsets.push_back(static_cast<uint32_t>(at));
  return offsets;
}

Result<DictionaryValues> DictionaryValues::Make(const ValueType& type, std::string plain,
                                                size_t count) {
  DictionaryValues values;
  values.type_ = type;
  values.count_ = count;
  values.plain_ = std::move(plain);
  values.largest_bytes_ = type.width();
  if (type.width() == 0) {
    MORAINE_ASSIGN(values.offsets_, ValueOffsets(values.plain_, count));
    for (size_t i = 0; i < count; ++i) {
      const size_t bytes = values.offsets_[i + 1] - values.offsets_[i];
      values.largest_bytes_ = std::max(values.largest_bytes_, bytes);
    }
  } else if (count > values.plain_.size() / type.width()) {
    return Corruption("a dictionary has too few values");
  }
  return values;
}

std::string_view DictionaryValues::Encoded(uint32_t index) const {
  const std::string_view all = plain_;
  if (offsets_.empty()) return all.substr(index * type_.width(), type_.width());
  return all.substr(offsets_[index], offsets_[index + 1] - offsets_[index]);
}

std::string_view DictionaryValues::Value(uint32_t index) const {
  const std::string_view encoded = Encoded(index);
  return offsets_.empty() ? encoded : encoded.substr(sizeof(uint32_t));
}

template <typename T>
void DictionaryValues::RankNumbers() {
  std::vector<T> numbers(count_);
  if (count_ > 0) std::memcpy(numbers.data(), plain_.data(), count_ * sizeof(T));
  std::sort(by_rank_.begin(), by_rank_.end(),
            [&](uint32_t a, uint32_t b) { return numbers[a] < numbers[b]; });
  ranks_.resize(count_);
  for (size_t rank = 0; rank < count_; ++rank) ranks_[by_rank_[rank]] = static_cast<uint32_t>(rank);
}

void DictionaryValues::Rank() {
  if (!ranks_.empty() || type_.order == Order::kNone) return;
  by_rank_.resize(count_);
  std::iota(by_rank_.begin(), by_rank_.end(), 0);
  if (type_.physical == Physical::kInt32) return RankNumbers<int32_t>();
  if (type_.physical == Physical::kInt64) return RankNumbers<int64_t>();
  const auto nans = std::stable_partition(by_rank_.begin(), by_rank_.end(),
                                          [&](uint32_t i) { return !IsNaN(type_, Value(i)); });
  std::sort(by_rank_.begin(), nans,
            [&](uint32_t a, uint32_t b) { return CompareValues(type_, Value(a), Value(b)) < 0; });
  ranks_.assign(count_, kNaNRank);
  const auto ranked = static_cast<size_t>(nans - by_rank_.begin());
  for (size_t rank = 0; rank < ranked; ++rank) {
    ranks_[by_rank_[rank]] = static_cast<uint32_t>(rank);
  }
}

ValueRange DictionaryValues::RangeOf(const std::vector<uint32_t>& indices) const {
  ValueRange range;
  if (type_.order == Order::kNone || indices.empty()) return range;
  uint32_t min = kNaNRank;
  uint32_t max = 0;
  bool has_any = false;
  for (uint32_t index : indices) {
    const uint32_t rank = ranks_[index];
    if (rank == kNaNRank) {
      ++range.nans;
      continue;
    }
    has_any = true;
    min = std::min(min, rank);
    max = std::max(max, rank);
  }
  if (!has_any) return range;
  range.Add(type_, splice::RangeOf(type_, Encoded(by_rank_[min]), 1));
  range.Add(type_, splice::RangeOf(type_, Encoded(by_rank_[max]), 1));
  return range;
}

}  // namespace moraine::splice
