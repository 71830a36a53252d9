// Murmur3 x86 32-bit over the bytes that the spec's appendix B names for each type.

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "moraine/iceberg/types/calendar.h"
#include "moraine/iceberg/types/decimal.h"
#include "moraine/iceberg/types/transform.h"

namespace moraine::iceberg {
namespace {

uint32_t MixBlock(uint32_t block) { return std::rotl(block * 0xcc9e2d51u, 15) * 0x1b873593u; }

uint32_t Murmur3(std::string_view bytes) {
  uint32_t hash = 0;
  size_t blocks = bytes.size() / 4;
  for (size_t i = 0; i < blocks; ++i) {
    uint32_t block;
    std::memcpy(&block, bytes.data() + 4 * i, 4);
    hash = std::rotl(hash ^ MixBlock(block), 13) * 5 + 0xe6546b64u;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i > blocks * 4; --i) {
    tail = tail << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  hash ^= MixBlock(tail);
  hash ^= static_cast<uint32_t>(bytes.size());
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
  return hash ^ (hash >> 16);
}

int32_t HashLong(int64_t value) {
  char bytes[8];
  std::memcpy(bytes, &value, 8);
  return static_cast<int32_t>(Murmur3({bytes, 8}));
}

int32_t HashDouble(double value) {
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  if (value == 0) value = 0.0;  // -0.0 too
  return HashLong(std::bit_cast<int64_t>(value));
}

}  // namespace

int32_t BucketHash(const Type& type, const Value& value) {
  struct Hasher {
    const Type& type;
    int32_t operator()(std::monostate) const { return 0; }
    int32_t operator()(bool v) const { return HashLong(v ? 1 : 0); }
    int32_t operator()(int32_t v) const { return HashLong(v); }
    int32_t operator()(int64_t v) const {
      bool nanos = type.kind() == TypeKind::kTimestampNs || type.kind() == TypeKind::kTimestampTzNs;
      return HashLong(nanos ? FloorDiv(v, kNanosPerMicro) : v);
    }
    int32_t operator()(float v) const { return HashDouble(static_cast<double>(v)); }
    int32_t operator()(double v) const { return HashDouble(v); }
    int32_t operator()(Int128 v) const { return static_cast<int32_t>(Murmur3(DecimalToBytes(v))); }
    int32_t operator()(const std::string& v) const { return static_cast<int32_t>(Murmur3(v)); }
  };
  return std::visit(Hasher{type}, value);
}

}  // namespace moraine::iceberg
