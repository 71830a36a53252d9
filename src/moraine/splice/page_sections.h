#pragma once
// The parts of a data page: levels, which may stand inside or before what is compressed, and values
// (parquet-format, "Data pages").

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/splice/codec.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_values.h"

namespace moraine::splice {

struct PageSections {
  std::string storage;  ///< what was compressed
  std::string_view repetition;
  std::string_view definition;
  std::string_view values;  ///< in storage, up to its end
};

/// body: as stored. Sections are parts of it and of their storage. Errors: Corruption; Unsupported
/// for levels of the old packing.
Status SplitPage(const ColumnType& type, const PageHeader& header, int32_t codec,
                 std::string_view body, PageCodecs* codecs, PageSections* out);

/// Takes levels off the front that come after their length. Errors: Corruption.
Result<std::string_view> TakeLevels(std::string_view* bytes);

/// Values that are not null. Errors: Corruption.
Result<size_t> CountValues(const ColumnType& type, const PageHeader& header,
                           const PageSections& sections);

}  // namespace moraine::splice
