#include "moraine/splice/dictionary_merge.h"

#include <bit>
#include <cstring>

namespace moraine::splice {
namespace {

uint64_t Mix(uint64_t value) {
  value ^= value >> 32;
  value *= 0xD6E8FEB86659FD93U;
  value ^= value >> 32;
  value *= 0xD6E8FEB86659FD93U;
  return value ^ value >> 32;
}

uint64_t HashOf(std::string_view bytes) {
  uint64_t hash = bytes.size() * 0x9E3779B97F4A7C15U;
  while (bytes.size() >= sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof(word));
    hash = Mix(hash ^ word);
    bytes.remove_prefix(sizeof(word));
  }
  uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return Mix(hash ^ word);
}

bool IsIdentity(const std::vector<uint32_t>& mapping) {
  for (size_t i = 0; i < mapping.size(); ++i) {
    if (mapping[i] != i) return false;
  }
  return true;
}

}  // namespace

std::string_view DictionaryMerge::Encoded(uint32_t index) const {
  const std::string_view all = plain_;
  const size_t width = type_.width();
  if (width > 0) return all.substr(index * width, width);
  const size_t end = index + 1 < offsets_.size() ? offsets_[index + 1] : all.size();
  return all.substr(offsets_[index], end - offsets_[index]);
}

uint32_t DictionaryMerge::Find(std::string_view encoded, uint64_t hash) const {
  if (slots_.empty()) return kNone;
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    const uint32_t index = slots_[slot];
    if (index == kNone) return kNone;
    if (hashes_[index] == static_cast<uint32_t>(hash >> 32) && Encoded(index) == encoded) {
      return index;
    }
  }
}

void DictionaryMerge::Grow(size_t slots) {
  std::vector<uint32_t> grown(slots, kNone);
  const size_t mask = slots - 1;
  for (uint32_t index = 0; index < count_; ++index) {
    size_t slot = HashOf(Encoded(index)) & mask;
    while (grown[slot] != kNone) slot = (slot + 1) & mask;
    grown[slot] = index;
  }
  slots_ = std::move(grown);
}

uint32_t DictionaryMerge::Insert(std::string_view encoded, uint64_t hash) {
  const uint32_t found = Find(encoded, hash);
  if (found != kNone) return found;
  if ((count_ + 1) * 2 > slots_.size()) Grow(std::bit_ceil((count_ + 1) * 4));
  const auto index = static_cast<uint32_t>(count_);
  if (type_.width() == 0) offsets_.push_back(plain_.size());
  plain_.append(encoded);
  hashes_.push_back(static_cast<uint32_t>(hash >> 32));
  ++count_;
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != kNone) slot = (slot + 1) & mask;
  slots_[slot] = index;
  return index;
}

std::optional<std::vector<uint32_t>> DictionaryMerge::Add(const DictionaryValues& values) {
  const auto count = static_cast<uint32_t>(values.size());
  // The same dictionary again, or the start of it: nothing to look up.
  if (values.plain().size() <= plain_.size() &&
      plain_.compare(0, values.plain().size(), values.plain()) == 0) {
    return std::vector<uint32_t>();
  }
  const bool is_first = count_ == 0;
  std::vector<uint32_t> mapping(count);
  std::vector<uint64_t> hashes(count);
  size_t bytes = plain_.size();
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view encoded = values.Encoded(i);
    hashes[i] = HashOf(encoded);
    mapping[i] = Find(encoded, hashes[i]);
    if (mapping[i] != kNone) continue;
    bytes += encoded.size();
    if (!is_first && bytes > max_bytes_) return std::nullopt;
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (mapping[i] == kNone) mapping[i] = Insert(values.Encoded(i), hashes[i]);
  }
  if (IsIdentity(mapping)) mapping.clear();
  return mapping;
}

}  // namespace moraine::splice
