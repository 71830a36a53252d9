#pragma once
// The hybrid of runs and bit-packed groups that levels, dictionary indices and booleans are encoded
// with (parquet-format, "RLE / Bit-Packing Hybrid").

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::splice {

/// Bits that hold the numbers up to most.
int BitsFor(uint32_t most);

/// Fills values from bytes, which may hold more. Errors: Corruption when they hold less, or for
/// runs that are none.
Status DecodeHybrid(std::string_view bytes, int bit_width, std::span<uint32_t> values);

/// The same numbers, some at a time.
class HybridDecoder {
 public:
  /// Of count numbers; bytes outlive this.
  HybridDecoder(std::string_view bytes, int bit_width, size_t count);
  ~HybridDecoder();
  HybridDecoder(HybridDecoder&&) noexcept;

  /// The next values.size() numbers. Errors: Corruption, also behind the last one.
  Status Read(std::span<uint32_t> values);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether all count numbers are this one, told by a single run without unpacking.
bool IsOneRun(std::string_view bytes, int bit_width, int64_t count, uint32_t value);

/// Appends the first count indices with each replaced by numbers[index], at a width that all of
/// these have room in. Runs stay what they are. Errors: Corruption, also for an index that has no
/// number.
Status TranslateHybrid(std::string_view bytes, int bit_width, size_t count,
                       std::span<const uint32_t> numbers, int to_width, std::string* out);

/// Appends values, each below 2^bit_width.
void EncodeHybrid(std::span<const uint32_t> values, int bit_width, std::string* out);
/// Appends count times the same number.
void EncodeRun(int64_t count, uint32_t value, int bit_width, std::string* out);

}  // namespace moraine::splice
