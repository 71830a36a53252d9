#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

#include "moraine/iceberg/deletes/portable_bitmap_internal.h"

namespace moraine::iceberg {
namespace {

constexpr uint32_t kCookieWithoutRuns = 12346;
constexpr uint32_t kCookie = 12347;  // the lower 16 bits; the upper ones are the count - 1
constexpr uint32_t kMaxContainers = 65536;
constexpr uint32_t kFewContainers = 4;  // fewer, with runs: no offsets
constexpr uint32_t kMaxArrayValues = 4096;
constexpr size_t kBitsetBytes = 8192;

// What is left; reading past the end gives nothing and remembers.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}

  std::string_view Take(size_t count) {
    if (count > bytes_.size() - at_) {
      ended_ = true;
      return {};
    }
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  uint32_t TakeInt(size_t width) { return Int(Take(width), 0, width); }
  static uint32_t Int(std::string_view bytes, size_t at, size_t width) {
    uint32_t value = 0;
    if (bytes.size() < at + width) return 0;
    for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  }
  bool ended() const { return ended_; }
  size_t at() const { return at_; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ended_ = false;
};

Status Broken(std::string_view problem, const Bytes& bytes) {
  return Corruption(fmt::format("a Roaring bitmap: {} (at byte {})", problem, bytes.at()));
}

bool Ascends(std::string_view values) {
  for (size_t i = 2; i < values.size(); i += 2) {
    if (Bytes::Int(values, i - 2, 2) >= Bytes::Int(values, i, 2)) return false;
  }
  return true;
}

uint32_t CountBits(std::string_view words) {
  uint32_t count = 0;
  for (size_t i = 0; i + 8 <= words.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, words.data() + i, sizeof(word));
    count += static_cast<uint32_t>(std::popcount(word));
  }
  return count;
}

// Pairs of the first value and how many follow it; apart from each other, inside 16 bits.
Status CheckRuns(std::string_view runs, uint32_t cardinality, const Bytes& bytes) {
  uint32_t count = 0;
  uint32_t behind = 0;
  for (size_t i = 0; i < runs.size(); i += 4) {
    const uint32_t first = Bytes::Int(runs, i, 2);
    const uint32_t end = first + Bytes::Int(runs, i + 2, 2) + 1;
    if ((i > 0 && first < behind) || end > 65536) return Broken("runs overlap", bytes);
    behind = end;
    count += end - first;
  }
  if (count != cardinality) return Broken("a container of another count of values", bytes);
  return {};
}

Status CheckContainer(bool is_run, uint32_t cardinality, Bytes* bytes) {
  if (is_run) {
    const std::string_view runs = bytes->Take(size_t{bytes->TakeInt(2)} * 4);
    if (bytes->ended()) return {};
    return CheckRuns(runs, cardinality, *bytes);
  }
  if (cardinality > kMaxArrayValues) {
    const std::string_view words = bytes->Take(kBitsetBytes);
    if (bytes->ended() || CountBits(words) == cardinality) return {};
    return Broken("a container of another count of values", *bytes);
  }
  if (!Ascends(bytes->Take(size_t{cardinality} * 2))) {
    return Broken("values that do not ascend", *bytes);
  }
  return {};
}

}  // namespace

Result<size_t> CheckPortableBitmap(std::string_view text) {
  Bytes bytes(text);
  const uint32_t cookie = bytes.TakeInt(4);
  const bool may_have_runs = (cookie & 0xFFFF) == kCookie;
  if (!may_have_runs && cookie != kCookieWithoutRuns) return Broken("unknown cookie", bytes);
  const uint32_t count = may_have_runs ? (cookie >> 16) + 1 : bytes.TakeInt(4);
  if (count > kMaxContainers) return Broken("too many containers", bytes);
  const std::string_view run_flags =
      may_have_runs ? bytes.Take((count + 7) / 8) : std::string_view();
  const std::string_view keys = bytes.Take(size_t{count} * 4);
  if (!may_have_runs || count >= kFewContainers) bytes.Take(size_t{count} * 4);  // offsets
  for (uint32_t i = 0; i < count && !bytes.ended(); ++i) {
    if (i > 0 && Bytes::Int(keys, i * 4 - 4, 2) >= Bytes::Int(keys, i * 4, 2)) {
      return Broken("keys that do not ascend", bytes);
    }
    const bool is_run =
        may_have_runs && (static_cast<unsigned char>(run_flags[i / 8]) >> (i % 8) & 1) != 0;
    MORAINE_TRY(CheckContainer(is_run, Bytes::Int(keys, i * 4 + 2, 2) + 1, &bytes));
  }
  if (bytes.ended()) return Broken("it ends early", bytes);
  return bytes.at();
}

}  // namespace moraine::iceberg
