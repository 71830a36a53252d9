#include "moraine/splice/dictionary_merge.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace moraine::splice {
namespace {

// Lookups ahead of which slots are fetched: a large table is not in the cache.
constexpr size_t kSlotsAhead = 12;
constexpr size_t kValuesAhead = 6;
constexpr size_t kMinSlots = 64;

uint64_t Mix(uint64_t value) {
  value ^= value >> 32;
  value *= 0xD6E8FEB86659FD93U;
  value ^= value >> 32;
  value *= 0xD6E8FEB86659FD93U;
  return value ^ value >> 32;
}

uint64_t Load(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

uint64_t HashOf(std::string_view bytes) {
  uint64_t hash = bytes.size() * 0x9E3779B97F4A7C15U;
  while (bytes.size() >= sizeof(uint64_t)) {
    hash = Mix(hash ^ Load(bytes.data()));
    bytes.remove_prefix(sizeof(uint64_t));
  }
  if (bytes.empty()) return hash;
  uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return Mix(hash ^ word);
}

uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

bool IsIdentity(const std::vector<uint32_t>& mapping) {
  for (size_t i = 0; i < mapping.size(); ++i) {
    if (mapping[i] != i) return false;
  }
  return true;
}

}  // namespace

bool DictionaryMerge::IsAt(uint32_t index, std::string_view encoded) const {
  const size_t width = type_.width();
  const size_t offset = width > 0 ? index * width : offsets_[index];
  if (width == sizeof(uint64_t)) return Load(plain_.data() + offset) == Load(encoded.data());
  // A byte array begins with its length: a longer or shorter one differs there.
  return plain_.size() - offset >= encoded.size() &&
         std::memcmp(plain_.data() + offset, encoded.data(), encoded.size()) == 0;
}

void DictionaryMerge::FetchValue(uint32_t index) const {
  if (index == kNone) return;
  const size_t width = type_.width();
  __builtin_prefetch(width > 0 ? static_cast<const void*>(plain_.data() + index * width)
                               : static_cast<const void*>(&offsets_[index]));
}

uint32_t DictionaryMerge::Find(std::string_view encoded, uint64_t hash) const {
  if (slots_.empty()) return kNone;
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.index == kNone) return kNone;
    if (slot.tag == TagOf(hash) && IsAt(slot.index, encoded)) return slot.index;
  }
}

void DictionaryMerge::Grow(size_t slots) {
  std::vector<Slot> grown(slots);
  const size_t mask = slots - 1;
  const size_t width = type_.width();
  for (uint32_t index = 0; index < count_; ++index) {
    const size_t begin = width > 0 ? index * width : offsets_[index];
    const size_t end = width > 0                     ? begin + width
                       : index + 1 < offsets_.size() ? offsets_[index + 1]
                                                     : plain_.size();
    const uint64_t hash = HashOf(std::string_view(plain_).substr(begin, end - begin));
    size_t at = hash & mask;
    while (grown[at].index != kNone) at = (at + 1) & mask;
    grown[at] = {TagOf(hash), index};
  }
  slots_ = std::move(grown);
}

uint32_t DictionaryMerge::Insert(std::string_view encoded, uint64_t hash) {
  const uint32_t found = Find(encoded, hash);
  if (found != kNone) return found;
  if ((count_ + 1) * 2 > slots_.size()) Grow(std::max(slots_.size() * 4, kMinSlots));
  const auto index = static_cast<uint32_t>(count_);
  if (type_.width() == 0) offsets_.push_back(plain_.size());
  plain_.append(encoded);
  ++count_;
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].index != kNone) at = (at + 1) & mask;
  slots_[at] = {TagOf(hash), index};
  return index;
}

// False: the merged dictionary would be too large.
bool DictionaryMerge::LookUp(const DictionaryValues& values, std::vector<uint32_t>* mapping) {
  const auto count = static_cast<uint32_t>(values.size());
  hashes_.resize(count);
  for (uint32_t i = 0; i < count; ++i) hashes_[i] = HashOf(values.Encoded(i));
  const size_t mask = slots_.empty() ? 0 : slots_.size() - 1;
  size_t bytes = plain_.size();
  for (uint32_t i = 0; i < count; ++i) {
    if (i + kSlotsAhead < count && !slots_.empty()) {
      __builtin_prefetch(&slots_[hashes_[i + kSlotsAhead] & mask]);
      FetchValue(slots_[hashes_[i + kValuesAhead] & mask].index);
    }
    const std::string_view encoded = values.Encoded(i);
    (*mapping)[i] = Find(encoded, hashes_[i]);
    if ((*mapping)[i] != kNone) continue;
    bytes += encoded.size();
    if (bytes > max_bytes_) return false;
  }
  return true;
}

std::optional<std::vector<uint32_t>> DictionaryMerge::Add(const DictionaryValues& values) {
  // The same dictionary again, or the start of it: nothing to look up.
  if (values.plain().size() <= plain_.size() &&
      plain_.compare(0, values.plain().size(), values.plain()) == 0) {
    return std::vector<uint32_t>();
  }
  if (values.plain().size() > max_bytes_) return std::nullopt;
  std::vector<uint32_t> mapping(values.size());
  if (!LookUp(values, &mapping)) return std::nullopt;
  for (uint32_t i = 0; i < mapping.size(); ++i) {
    if (mapping[i] == kNone) mapping[i] = Insert(values.Encoded(i), hashes_[i]);
  }
  if (IsIdentity(mapping)) mapping.clear();
  return mapping;
}

bool DictionaryMerge::AddValues(const DictionaryValues& values) {
  for (uint32_t i = 0; i < values.size(); ++i) {
    const std::string_view encoded = values.Encoded(i);
    const uint64_t hash = HashOf(encoded);
    if (Find(encoded, hash) != kNone) continue;
    if (plain_.size() + encoded.size() > max_bytes_) return false;
    Insert(encoded, hash);
  }
  return true;
}

Result<std::vector<uint32_t>> DictionaryMerge::NumbersOf(const DictionaryValues& values) const {
  std::vector<uint32_t> numbers(values.size());
  for (uint32_t i = 0; i < values.size(); ++i) {
    const std::string_view encoded = values.Encoded(i);
    numbers[i] = Find(encoded, HashOf(encoded));
    if (numbers[i] == kNone) return Corruption("a value was not there when its page was read");
  }
  return numbers;
}

}  // namespace moraine::splice
