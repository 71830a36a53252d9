#include "moraine/iceberg/sketches/compact_sketch.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "moraine/iceberg/sketches/theta_hash.h"

namespace moraine::iceberg {
namespace {

// 8 bytes: longs before the hashes, serial version, family, two sizes of hash tables (none here),
// flags, hash of the seed. Then the number of hashes (4 bytes) and the sampling rate (a float, 1),
// if there is more than one hash or theta; then theta, if it is not 1.
constexpr uint8_t kSerialVersion = 3;
constexpr uint8_t kCompactFamily = 3;
constexpr uint8_t kBigEndian = 1;
constexpr uint8_t kReadOnly = 2;
constexpr uint8_t kEmpty = 4;
constexpr uint8_t kCompact = 8;
constexpr uint8_t kOrdered = 16;
constexpr uint8_t kSingleHash = 32;
constexpr size_t kHead = 8;
constexpr size_t kWord = 8;
constexpr uint64_t kTwoTo63 = uint64_t{1} << 63;

uint16_t SeedHash() {
  const uint64_t seed = kThetaSeed;
  char bytes[sizeof(seed)];
  std::memcpy(bytes, &seed, sizeof(seed));
  return static_cast<uint16_t>(MurmurHash({bytes, sizeof(bytes)}, 0));
}

template <typename Number>
void Append(Number number, std::string* out) {
  char bytes[sizeof(number)];
  std::memcpy(bytes, &number, sizeof(number));
  out->append(bytes, sizeof(bytes));
}

template <typename Number>
Number NumberAt(std::string_view bytes, size_t at) {
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  return number;
}

void AppendHead(size_t longs, uint8_t flags, uint16_t seed_hash, std::string* out) {
  const uint8_t head[] = {static_cast<uint8_t>(longs), kSerialVersion, kCompactFamily, 0, 0, flags};
  out->append(reinterpret_cast<const char*>(head), sizeof(head));
  Append(seed_hash, out);
}

Status CheckForm(std::string_view bytes) {
  const auto version = static_cast<uint8_t>(bytes[1]);
  const auto family = static_cast<uint8_t>(bytes[2]);
  const auto flags = static_cast<uint8_t>(bytes[5]);
  if (version != kSerialVersion)
    return Unsupported(fmt::format("a Theta sketch of serial version {}, expected 3", version));
  if (family != kCompactFamily || (flags & kCompact) == 0)
    return Unsupported(fmt::format("a sketch of family {}, expected 3 (compact)", family));
  if (flags & kBigEndian) return Unsupported("a Theta sketch in big-endian order");
  if ((flags & kEmpty) == 0 && NumberAt<uint16_t>(bytes, 6) != SeedHash())
    return Unsupported("a Theta sketch of another seed than 9001");
  return {};
}

Status TakeHashes(std::string_view bytes, bool is_ordered, CompactSketch* sketch) {
  sketch->hashes.resize(bytes.size() / kWord);
  if (!bytes.empty()) std::memcpy(sketch->hashes.data(), bytes.data(), bytes.size());
  auto& hashes = sketch->hashes;
  if (!is_ordered) std::sort(hashes.begin(), hashes.end());
  uint64_t last = 0;
  for (const uint64_t hash : hashes) {
    if (hash <= last || hash >= sketch->theta)
      return Corruption("a Theta sketch has hashes twice, out of order or out of range");
    last = hash;
  }
  return {};
}

}  // namespace

double CompactSketch::Estimate() const {
  const auto count = static_cast<double>(hashes.size());
  if (is_exact()) return count;
  return count * (static_cast<double>(kTwoTo63) / static_cast<double>(theta));
}

std::string SketchToBytes(const CompactSketch& sketch) {
  constexpr uint8_t kPlain = kReadOnly | kCompact | kOrdered;
  const size_t count = sketch.hashes.size();
  std::string bytes;
  if (count == 0 && sketch.is_exact()) {
    AppendHead(1, kPlain | kEmpty, 0, &bytes);
    return bytes;
  }
  const bool is_single = count == 1 && sketch.is_exact();
  const size_t longs = is_single ? 1 : sketch.is_exact() ? 2 : 3;
  bytes.reserve((longs + count) * kWord);
  AppendHead(longs, is_single ? kPlain | kSingleHash : kPlain, SeedHash(), &bytes);
  if (longs > 1) {
    Append(static_cast<uint32_t>(count), &bytes);
    Append(1.0F, &bytes);
  }
  if (longs > 2) Append(sketch.theta, &bytes);
  if (count > 0) bytes.append(reinterpret_cast<const char*>(sketch.hashes.data()), count * kWord);
  return bytes;
}

Result<CompactSketch> SketchFromBytes(std::string_view bytes) {
  if (bytes.size() < kHead)
    return Corruption(fmt::format("a Theta sketch of {} bytes, expected 8 at least", bytes.size()));
  MORAINE_TRY(CheckForm(bytes));
  const size_t longs = static_cast<uint8_t>(bytes[0]) & 0x3F;
  const auto flags = static_cast<uint8_t>(bytes[5]);
  CompactSketch sketch;
  if (flags & kEmpty) return sketch;
  if (longs < 1 || longs > 3 || bytes.size() < longs * kWord)
    return Corruption(fmt::format("a Theta sketch of {} bytes says that {} words come first",
                                  bytes.size(), longs));
  const uint64_t count = longs == 1 ? 1 : NumberAt<uint32_t>(bytes, kHead);
  if (bytes.size() != (longs + count) * kWord)
    return Corruption(fmt::format("a Theta sketch of {} hashes in {} bytes", count, bytes.size()));
  if (longs == 3) sketch.theta = NumberAt<uint64_t>(bytes, 2 * kWord);
  if (sketch.theta == 0 || sketch.theta > kAllHashes)
    return Corruption(fmt::format("a Theta sketch whose theta is {:#x}", sketch.theta));
  const bool is_ordered = longs == 1 || (flags & kOrdered) != 0;
  MORAINE_TRY(TakeHashes(bytes.substr(longs * kWord), is_ordered, &sketch));
  return sketch;
}

}  // namespace moraine::iceberg
