#pragma once
// A data page taken apart a few rows at a time: writers like DuckDB make pages of 100 MB and of
// tens of millions of values, whose numbers would take many times the page's bytes. Called wherever
// pages are taken apart.

#include <cstdint>
#include <functional>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/splice/page_values.h"

namespace moraine::splice {

/// What a part should have at most; a row is always whole.
struct PartLimits {
  int64_t bytes = int64_t{1} << 20;  ///< about, of values
  int64_t rows = 20000;
};

/// Calls visit with the rows of the page in their order: all at once if it is small, or of a kind
/// that is only taken apart as a whole (lists, delta encodings). Holds the page's unpacked bytes
/// once. Errors: as DecodePage, and those of visit.
Status VisitPage(const ColumnType& type, const PageHeader& header, int32_t codec,
                 std::string_view body, PageCodecs* codecs, const PartLimits& limits,
                 const std::function<Status(PageValues)>& visit);

}  // namespace moraine::splice
