#pragma once
// A page of dictionary indices with each replaced, as it goes into a chunk with another dictionary:
// levels and runs stay, nothing is unpacked that need not be.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/splice/codec.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_builder.h"
#include "moraine/splice/page_values.h"

namespace moraine::splice {

/// New numbers by the old ones of a dictionary.
class IndexMapping {
 public:
  IndexMapping() = default;
  explicit IndexMapping(std::vector<uint32_t> numbers);

  /// Indices stay as they are.
  bool empty() const { return numbers_.empty(); }
  std::span<const uint32_t> numbers() const { return numbers_; }
  /// Of the new numbers for indices of this width; not less than it.
  int WidthFor(int bit_width) const;

 private:
  std::vector<uint32_t> numbers_;
  std::array<uint8_t, 33> widths_ = {};  // by the width of the old ones
};

/// body: as stored, compressed with this codec. The page is of the same kind as before; its bounds
/// are not filled in. Errors: as DecodePage; Corruption for an index that has no new number.
Result<OutPage> TranslatePage(const ColumnType& type, const PageHeader& header, int32_t codec,
                              std::string_view body, const IndexMapping& mapping,
                              PageCodecs* codecs);

}  // namespace moraine::splice
