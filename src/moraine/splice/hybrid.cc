#include "moraine/splice/hybrid.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "moraine/splice/packed_bits.h"

namespace moraine::splice {
namespace {

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

// The runs that count numbers of a width from 1 to 32 are encoded as.
class HybridRuns {
 public:
  struct Run {
    size_t count = 0;
    bool is_packed = false;
    uint32_t value = 0;       // of all numbers
    std::string_view packed;  // holds the numbers, if not all of their last group
  };

  HybridRuns(std::string_view bytes, int bit_width, size_t count)
      : bytes_(bytes), bit_width_(bit_width), left_(count) {}
  bool IsDone() const { return left_ == 0; }

  // Errors: Corruption.
  Result<Run> Next() {
    uint64_t header = 0;
    if (!ReadVarint(bytes_, &at_, &header)) return Corruption("levels or indices end too early");
    const uint64_t length = header >> 1;
    if (length == 0) return Corruption("a run of levels or indices is empty");
    Run run;
    run.is_packed = (header & 1) != 0;
    run.count = std::min<uint64_t>(run.is_packed ? length * kGroup : length, left_);
    left_ -= run.count;
    if (!run.is_packed) {
      if (!ReadRunValue(bytes_, bit_width_, &at_, &run.value)) {
        return Corruption("a run has no value");
      }
      return run;
    }
    const auto width = static_cast<size_t>(bit_width_);
    if (bytes_.size() - at_ < (run.count * width + 7) / 8) {
      return Corruption("levels or indices end too early");
    }
    run.packed = bytes_.substr(at_, std::min<uint64_t>(length * width, bytes_.size() - at_));
    at_ += run.packed.size();
    return run;
  }

 private:
  const std::string_view bytes_;
  const int bit_width_;
  size_t left_;
  size_t at_ = 0;
};

void Pack(std::span<const uint32_t> values, int bit_width, std::string* out) {
  const size_t groups = (values.size() + kGroup - 1) / kGroup;
  AppendVarint(groups << 1 | 1, out);
  const size_t begin = out->size();
  const size_t size = groups * static_cast<size_t>(bit_width);
  out->resize(begin + size + kSlackBytes);
  PackNumbers(values, bit_width, out->data() + begin);
  out->resize(begin + size);
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

// Packed groups whose numbers become others.
class GroupTranslation {
 public:
  GroupTranslation(std::span<const uint32_t> numbers, int bit_width, int to_width, size_t count)
      : numbers_(numbers), bit_width_(bit_width), to_width_(to_width) {
    const bool stays = bit_width == to_width && bit_width <= PackedTranslation::kMostTranslatedBits;
    if (stays && PackedTranslation::TableSize(bit_width) <= count) {
      packed_.emplace(numbers, bit_width);
    }
  }

  // False: an index has no number.
  bool Append(std::string_view from, size_t count, std::string* out) const {
    const size_t groups = (count + kGroup - 1) / kGroup;
    AppendVarint(groups << 1 | 1, out);
    const size_t begin = out->size();
    const size_t size = groups * static_cast<size_t>(to_width_);
    out->resize(begin + size + kSlackBytes);
    char* to = out->data() + begin;
    // What fills up the last group means nothing.
    const size_t whole = packed_ ? count / kGroup : 0;
    bool is_known = !packed_ || packed_->Run(from, whole, to);
    const size_t skipped = std::min(whole * static_cast<size_t>(bit_width_), from.size());
    is_known = Repack(from.substr(skipped), count - whole * kGroup,
                      to + whole * static_cast<size_t>(to_width_)) &&
               is_known;
    out->resize(begin + size);
    return is_known;
  }

 private:
  bool Repack(std::string_view from, size_t count, char* to) const {
    std::array<uint32_t, 128 * kGroup> block;
    bool is_known = true;
    for (size_t done = 0; done < count; done += block.size()) {
      const size_t size = std::min(block.size(), count - done);
      const size_t group = done / kGroup;
      UnpackNumbers(from.substr(group * static_cast<size_t>(bit_width_)), bit_width_, block.data(),
                    size);
      for (size_t i = 0; i < size; ++i) {
        const bool has_number = block[i] < numbers_.size();
        is_known = is_known && has_number;
        block[i] = numbers_[has_number ? block[i] : 0];
      }
      PackNumbers(std::span(block).first(size), to_width_,
                  to + group * static_cast<size_t>(to_width_));
    }
    return is_known;
  }

  const std::span<const uint32_t> numbers_;
  const int bit_width_;
  const int to_width_;
  std::optional<PackedTranslation> packed_;
};

}  // namespace

int BitsFor(uint32_t most) { return std::bit_width(most); }

Status DecodeHybrid(std::string_view bytes, int bit_width, std::span<uint32_t> values) {
  if (bit_width < 0 || bit_width > 32) return Corruption("indices of an impossible width");
  if (bit_width == 0) {
    std::fill(values.begin(), values.end(), 0);
    return {};
  }
  HybridRuns runs(bytes, bit_width, values.size());
  uint32_t* to = values.data();
  while (!runs.IsDone()) {
    MORAINE_ASSIGN(const HybridRuns::Run run, runs.Next());
    if (run.is_packed) {
      UnpackNumbers(run.packed, bit_width, to, run.count);
    } else {
      std::fill_n(to, run.count, run.value);
    }
    to += run.count;
  }
  return {};
}

struct HybridDecoder::State {
  HybridRuns runs;
  const int bit_width;
  HybridRuns::Run run;
  size_t used = 0;  // numbers of the run

  // Numbers of a packed run from used on, which need not be the start of a group.
  void Unpack(uint32_t* to, size_t count) const {
    const auto width = static_cast<size_t>(bit_width);
    const size_t group = used / kGroup;
    const size_t skipped = used % kGroup;
    const std::string_view from = run.packed.substr(group * width);
    if (skipped == 0) return UnpackNumbers(from, bit_width, to, count);
    std::array<uint32_t, kGroup> begun = {};
    const size_t in_group = std::min(kGroup, run.count - group * kGroup);
    UnpackNumbers(from, bit_width, begun.data(), in_group);
    const size_t some = std::min(count, in_group - skipped);
    std::copy_n(begun.data() + skipped, some, to);
    if (some == count) return;
    UnpackNumbers(from.substr(width), bit_width, to + some, count - some);
  }
};

HybridDecoder::HybridDecoder(std::string_view bytes, int bit_width, size_t count)
    : state_(std::make_unique<State>(
          State{HybridRuns(bytes, bit_width, count), bit_width, HybridRuns::Run(), 0})) {}
HybridDecoder::~HybridDecoder() = default;
HybridDecoder::HybridDecoder(HybridDecoder&&) noexcept = default;

Status HybridDecoder::Read(std::span<uint32_t> values) {
  State& state = *state_;
  if (state.bit_width < 0 || state.bit_width > 32) {
    return Corruption("indices of an impossible width");
  }
  if (state.bit_width == 0) {
    std::fill(values.begin(), values.end(), 0);
    return {};
  }
  while (!values.empty()) {
    if (state.used == state.run.count) {
      if (state.runs.IsDone()) return Corruption("levels or indices end too early");
      MORAINE_ASSIGN(state.run, state.runs.Next());
      state.used = 0;
    }
    const size_t count = std::min(values.size(), state.run.count - state.used);
    if (state.run.is_packed) {
      state.Unpack(values.data(), count);
    } else {
      std::fill_n(values.data(), count, state.run.value);
    }
    state.used += count;
    values = values.subspan(count);
  }
  return {};
}

Status TranslateHybrid(std::string_view bytes, int bit_width, size_t count,
                       std::span<const uint32_t> numbers, int to_width, std::string* out) {
  if (bit_width < 0 || bit_width > 32) return Corruption("indices of an impossible width");
  if (count == 0) return {};
  if (numbers.empty()) return Corruption("indices into an empty dictionary");
  if (bit_width == 0) {
    EncodeRun(static_cast<int64_t>(count), numbers[0], to_width, out);
    return {};
  }
  const GroupTranslation translation(numbers, bit_width, to_width, count);
  HybridRuns runs(bytes, bit_width, count);
  while (!runs.IsDone()) {
    MORAINE_ASSIGN(const HybridRuns::Run run, runs.Next());
    const bool is_known =
        run.is_packed ? translation.Append(run.packed, run.count, out) : run.value < numbers.size();
    if (!is_known) return Corruption("an index is not in the dictionary");
    if (run.is_packed) continue;
    EncodeRun(static_cast<int64_t>(run.count), numbers[run.value], to_width, out);
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
