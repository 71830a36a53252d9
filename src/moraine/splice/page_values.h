#pragma once
// A data page taken apart: its levels, and its values as dictionary indices or plain
// (parquet-format, "Data pages", "Encodings").

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/splice/codec.h"
#include "moraine/splice/format.h"
#include "moraine/splice/value_stats.h"

namespace moraine::splice {

/// What is true of all pages of one column, in and out.
struct ColumnType {
  ValueType value;
  int16_t max_definition = 0;
  int16_t max_repetition = 0;
};

struct PageValues {
  int64_t num_levels = 0;
  int64_t num_rows = 0;
  /// Empty where they say nothing: no nulls on the page, no lists in the column.
  std::vector<uint32_t> definition;
  std::vector<uint32_t> repetition;

  size_t num_values = 0;  ///< without nulls
  bool is_dictionary = false;
  std::vector<uint32_t> indices;
  std::string plain;  ///< exactly num_values of them; a boolean is a byte
};

/// body: as stored, compressed with this codec. Errors: Corruption; Unsupported for an encoding
/// that is not known, and levels of the old packing.
Result<PageValues> DecodePage(const ColumnType& type, const PageHeader& header, int32_t codec,
                              std::string_view body, PageCodecs* codecs);

/// Rows that begin on the page, and whether it begins with one; reads only the levels.
struct PageRows {
  int64_t count = 0;
  bool starts_row = true;
};
Result<PageRows> CountRows(const ColumnType& type, const PageHeader& header, int32_t codec,
                           std::string_view body, PageCodecs* codecs);

/// A dictionary page's plain values.
Result<DictionaryValues> DecodeDictionary(const ValueType& type, const PageHeader& header,
                                          int32_t codec, std::string_view body, PageCodecs* codecs);

}  // namespace moraine::splice
