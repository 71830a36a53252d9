#include "moraine/base/random.h"

#include <atomic>
#include <random>

#include <fmt/format.h>

namespace moraine {
namespace {

/// SplitMix64 over an atomic counter: thread-safe without a lock.
class SplitMix final : public Random {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    uint64_t z =
        state_.fetch_add(0x9e3779b97f4a7c15ULL, std::memory_order_relaxed) + 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::atomic<uint64_t> state_;
};

std::string FormatUuid(uint64_t high, uint64_t low) {
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffffULL);
}

}  // namespace

Random& SystemRandom() {
  static SplitMix random([] {
    std::random_device device;
    return (static_cast<uint64_t>(device()) << 32) | device();
  }());
  return random;
}

std::string MakeUuid(Random& random) {
  uint64_t high = (random.Next() & ~0xf000ULL) | 0x4000ULL;
  uint64_t low = (random.Next() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  return FormatUuid(high, low);
}

std::string MakeOrderedUuid(Random& random, WallTime now) {
  auto millis = static_cast<uint64_t>(ToMillis(now));
  uint64_t high = (millis << 16) | 0x7000ULL | (random.Next() & 0xfff);
  uint64_t low = (random.Next() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  return FormatUuid(high, low);
}

int64_t MakeSnapshotId(Random& random) {
  int64_t id = 0;
  while (id == 0) id = static_cast<int64_t>(random.Next() >> 1);
  return id;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-'
             : std::string_view("0123456789abcdefABCDEF").find(text[i]) == std::string_view::npos)
      return false;
  }
  return true;
}

}  // namespace moraine
