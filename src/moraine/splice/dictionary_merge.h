#pragma once
// One dictionary from those of many column chunks, with the new number of each old one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/splice/value_stats.h"

namespace moraine::splice {

/// Used by one thread at a time.
class DictionaryMerge {
 public:
  /// A dictionary that would make the merged one larger than max_bytes is refused.
  DictionaryMerge(const ValueType& type, size_t max_bytes) : type_(type), max_bytes_(max_bytes) {}

  /// New numbers by old ones, empty if they stay as they are; nullopt: refused.
  std::optional<std::vector<uint32_t>> Add(const DictionaryValues& values);

  /// Takes values in, each once; false: not all fit.
  bool AddValues(const DictionaryValues& values);
  /// The numbers of values that were all taken in. Errors: Corruption for others. Thread-safe as
  /// long as nothing is added.
  Result<std::vector<uint32_t>> NumbersOf(const DictionaryValues& values) const;

  size_t size() const { return count_; }
  /// The merged values, plain.
  const std::string& plain() const { return plain_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Slot {
    uint32_t tag = 0;
    uint32_t index = kNone;
  };

  bool LookUp(const DictionaryValues& values, std::vector<uint32_t>* mapping);
  void FetchValue(uint32_t index) const;
  uint32_t Find(std::string_view encoded, uint64_t hash) const;
  uint32_t Insert(std::string_view encoded, uint64_t hash);
  void Grow(size_t slots);
  bool IsAt(uint32_t index, std::string_view encoded) const;

  const ValueType type_;
  const size_t max_bytes_;
  std::string plain_;
  size_t count_ = 0;
  std::vector<size_t> offsets_;   // of byte arrays
  std::vector<uint64_t> hashes_;  // of the values that are looked up
  std::vector<Slot> slots_;       // a power of two
};

}  // namespace moraine::splice
