#include "moraine/iceberg/deletes/equality_set.h"

#define XXH_INLINE_ALL
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <xxhash.h>

#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kBlock = 256;  // rows hashed, then prefetched, then compared
constexpr size_t kFirstSlots = 1024;
constexpr size_t kChunkBytes = size_t{256} << 10;

uint64_t HashKey(std::string_view key) {
  const uint64_t hash = XXH3_64bits(key.data(), key.size());
  return hash != 0 ? hash : 1;
}

bool ClearBit(uint8_t* bits, int64_t i) {
  const auto mask = static_cast<uint8_t>(1 << (i & 7));
  const bool was_set = (bits[i >> 3] & mask) != 0;
  bits[i >> 3] = static_cast<uint8_t>(bits[i >> 3] & ~mask);
  return was_set;
}

}  // namespace

Result<EqualitySet> EqualitySet::Make(std::vector<TypePtr> key_types) {
  MORAINE_ASSIGN(RowKeys keys, RowKeys::Make(key_types));
  return EqualitySet(std::move(key_types), std::move(keys));
}

int64_t EqualitySet::memory_bytes() const {
  return static_cast<int64_t>(slots_.size() * sizeof(Slot)) + chunk_bytes_;
}

Status EqualitySet::TooLarge(int64_t needed, int64_t max_bytes) const {
  return Exhausted("equality deletes do not fit in memory: " + std::to_string(size_) +
                   " keys so far, needed " + FormatByteSize(needed) + ", allowed " +
                   FormatByteSize(max_bytes));
}

Status EqualitySet::Grow(int64_t max_bytes) {
  const size_t count = slots_.empty() ? kFirstSlots : slots_.size() * 2;
  const int64_t needed = memory_bytes() + static_cast<int64_t>(count * sizeof(Slot));
  if (needed > max_bytes) return TooLarge(needed, max_bytes);
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(count));
  for (const Slot& slot : old) {
    if (slot.hash == 0) continue;
    size_t at = slot.hash & (count - 1);
    while (slots_[at].hash != 0) at = (at + 1) & (count - 1);
    slots_[at] = slot;
  }
  return {};
}

Result<const char*> EqualitySet::Store(std::string_view key, int64_t max_bytes) {
  if (key.size() > chunk_left_) {
    const size_t size = std::max(key.size(), kChunkBytes);
    const int64_t needed = memory_bytes() + static_cast<int64_t>(size);
    if (needed > max_bytes) return TooLarge(needed, max_bytes);
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    chunk_at_ = chunks_.back().get();
    chunk_left_ = size;
    chunk_bytes_ += static_cast<int64_t>(size);
  }
  const char* stored = chunk_at_;
  if (!key.empty()) std::memcpy(chunk_at_, key.data(), key.size());
  chunk_at_ += key.size();
  chunk_left_ -= key.size();
  return stored;
}

Status EqualitySet::Insert(uint64_t hash, std::string_view key, int64_t sequence_number,
                           int64_t max_bytes) {
  if ((static_cast<size_t>(size_) + 1) * 8 > slots_.size() * 5) MORAINE_TRY(Grow(max_bytes));
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  for (; slots_[at].hash != 0; at = (at + 1) & mask) {
    Slot& slot = slots_[at];
    if (slot.hash == hash && std::string_view(slot.key, slot.key_size) == key) {
      slot.sequence_number = std::max(slot.sequence_number, sequence_number);
      return {};
    }
  }
  MORAINE_ASSIGN(const char* stored, Store(key, max_bytes));
  slots_[at] = {hash, stored, static_cast<uint32_t>(key.size()), sequence_number};
  ++size_;
  return {};
}

Status EqualitySet::Add(const ArrayVector& columns, int64_t length, int64_t sequence_number,
                        int64_t max_bytes) {
  max_sequence_number_ = std::max(max_sequence_number_, sequence_number);
  for (int64_t first = 0; first < length; first += kBlock) {
    const int64_t count = std::min(kBlock, length - first);
    keys_.Encode(columns, first, count);
    for (int64_t i = 0; i < count; ++i) {
      const std::string_view key = keys_.key(i);
      MORAINE_TRY(Insert(HashKey(key), key, sequence_number, max_bytes));
    }
  }
  return {};
}

const EqualitySet::Slot* EqualitySet::Find(uint64_t hash, std::string_view key) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at].hash != 0; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash && std::string_view(slot.key, slot.key_size) == key) return &slot;
  }
  return nullptr;
}

int64_t EqualitySet::ClearKept(const ArrayVector& columns, int64_t length,
                               int64_t file_sequence_number, RowKeys* scratch,
                               uint8_t* keep) const {
  if (size_ == 0 || file_sequence_number >= max_sequence_number_) return 0;
  int64_t cleared = 0;
  std::array<uint64_t, kBlock> hashes;
  for (int64_t first = 0; first < length; first += kBlock) {
    const int64_t count = std::min(kBlock, length - first);
    scratch->Encode(columns, first, count);
    for (int64_t i = 0; i < count; ++i) {
      hashes[i] = HashKey(scratch->key(i));
      __builtin_prefetch(&slots_[hashes[i] & (slots_.size() - 1)]);
    }
    for (int64_t i = 0; i < count; ++i) {
      const Slot* slot = Find(hashes[i], scratch->key(i));
      if (slot != nullptr && slot->sequence_number > file_sequence_number) {
        cleared += ClearBit(keep, first + i);
      }
    }
  }
  return cleared;
}

}  // namespace moraine::iceberg
