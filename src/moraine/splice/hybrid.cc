#include "moraine/splice/hybrid.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace moraine::splice {
namespace {

constexpr size_t kGroup = 8;
// A run shorter than this costs more than its place in a packed group.
constexpr size_t kMinRun = 16;

bool ReadVarint(std::string_view bytes, size_t* at, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (*at >= bytes.size()) return false;
    const auto byte = static_cast<uint8_t>(bytes[(*at)++]);
    *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

bool ReadRunValue(std::string_view bytes, int bit_width, size_t* at, uint32_t* value) {
  const size_t width = static_cast<size_t>(bit_width + 7) / 8;
  if (bytes.size() - *at < width) return false;
  *value = 0;
  std::memcpy(value, bytes.data() + *at, width);
  *at += width;
  return bit_width == 32 || *value < (uint64_t{1} << bit_width);
}

uint64_t Load64(const char* bytes, size_t available) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, std::min(available, sizeof(word)));
  return word;
}

// bytes hold at least count values.
void Unpack(std::string_view bytes, int bit_width, uint32_t* values, size_t count) {
  const uint64_t mask = (uint64_t{1} << bit_width) - 1;
  size_t bit = 0;
  size_t i = 0;
  // While eight bytes can be loaded at once.
  const size_t width = static_cast<size_t>(bit_width);
  for (; i < count && bit / 8 + 8 <= bytes.size(); ++i, bit += width) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + bit / 8, sizeof(word));
    values[i] = static_cast<uint32_t>(word >> (bit % 8) & mask);
  }
  for (; i < count; ++i, bit += width) {
    const uint64_t word = Load64(bytes.data() + bit / 8, bytes.size() - bit / 8);
    values[i] = static_cast<uint32_t>(word >> (bit % 8) & mask);
  }
}

void Pack(std::span<const uint32_t> values, int bit_width, std::string* out) {
  const size_t groups = (values.size() + kGroup - 1) / kGroup;
  AppendVarint(groups << 1 | 1, out);
  const size_t begin = out->size();
  out->resize(begin + groups * static_cast<size_t>(bit_width));
  char* to = out->data() + begin;
  uint64_t word = 0;
  int bits = 0;
  for (uint32_t value : values) {
    word |= static_cast<uint64_t>(value) << bits;
    bits += bit_width;
    while (bits >= 32) {
      const auto low = static_cast<uint32_t>(word);
      std::memcpy(to, &low, sizeof(low));
      to += sizeof(low);
      word >>= 32;
      bits -= 32;
    }
  }
  for (; bits > 0; bits -= 8, word >>= 8) *to++ = static_cast<char>(word);
}

// Values from here on that are equal; at least 1.
size_t RunLength(std::span<const uint32_t> values, size_t from) {
  size_t end = from + 1;
  while (end < values.size() && values[end] == values[from]) ++end;
  return end - from;
}

bool IsOneValue(const uint32_t* group) {
  uint32_t differences = 0;
  for (size_t i = 1; i < kGroup; ++i) differences |= group[i] ^ group[0];
  return differences == 0;
}

}  // namespace

int BitsFor(uint32_t most) { return std::bit_width(most); }

Status DecodeHybrid(std::string_view bytes, int bit_width, std::span<uint32_t> values) {
  if (bit_width < 0 || bit_width > 32) return Corruption("indices of an impossible width");
  if (bit_width == 0) {
    std::fill(values.begin(), values.end(), 0);
    return {};
  }
  size_t at = 0;
  size_t done = 0;
  while (done < values.size()) {
    uint64_t header = 0;
    if (!ReadVarint(bytes, &at, &header)) return Corruption("levels or indices end too early");
    const uint64_t length = header >> 1;
    if (length == 0) return Corruption("a run of levels or indices is empty");
    if ((header & 1) == 0) {
      uint32_t value = 0;
      if (!ReadRunValue(bytes, bit_width, &at, &value)) return Corruption("a run has no value");
      const size_t count = std::min<uint64_t>(length, values.size() - done);
      std::fill_n(values.begin() + static_cast<ptrdiff_t>(done), count, value);
      done += count;
      continue;
    }
    const size_t count = std::min<uint64_t>(length * kGroup, values.size() - done);
    const size_t needed = (count * static_cast<size_t>(bit_width) + 7) / 8;
    if (bytes.size() - at < needed) return Corruption("levels or indices end too early");
    const size_t whole =
        std::min<uint64_t>(length * static_cast<size_t>(bit_width), bytes.size() - at);
    Unpack(bytes.substr(at, whole), bit_width, values.data() + done, count);
    at += whole;
    done += count;
  }
  return {};
}

bool IsOneRun(std::string_view bytes, int bit_width, int64_t count, uint32_t value) {
  size_t at = 0;
  uint64_t header = 0;
  uint32_t found = 0;
  if (!ReadVarint(bytes, &at, &header) || (header & 1) != 0) return false;
  if (static_cast<int64_t>(header >> 1) < count) return false;
  return ReadRunValue(bytes, bit_width, &at, &found) && found == value;
}

void EncodeRun(int64_t count, uint32_t value, int bit_width, std::string* out) {
  AppendVarint(static_cast<uint64_t>(count) << 1, out);
  out->append(reinterpret_cast<const char*>(&value), static_cast<size_t>(bit_width + 7) / 8);
}

void EncodeHybrid(std::span<const uint32_t> values, int bit_width, std::string* out) {
  if (values.empty()) return;
  if (bit_width == 0) return EncodeRun(static_cast<int64_t>(values.size()), 0, 0, out);
  size_t packed = 0;  // values before it are written
  size_t at = 0;      // whole groups behind packed: what follows a packed section begins there
  while (at + kGroup <= values.size()) {
    if (!IsOneValue(values.data() + at)) {
      at += kGroup;
      continue;
    }
    const size_t run = RunLength(values, at);
    if (run < kMinRun) {
      at += kGroup;
      continue;
    }
    if (at > packed) Pack(values.subspan(packed, at - packed), bit_width, out);
    EncodeRun(static_cast<int64_t>(run), values[at], bit_width, out);
    at += run;
    packed = at;
  }
  if (packed < values.size()) Pack(values.subspan(packed), bit_width, out);
}

}  // namespace moraine::splice
