#pragma once
// What a ColumnSplice holds while it works. Internal to splice: column_splice.cc goes over the
// pages, column_dictionaries.cc before that over the dictionaries.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "moraine/splice/chunk_pages.h"
#include "moraine/splice/column_splice.h"
#include "moraine/splice/dictionary_merge.h"
#include "moraine/splice/index_page.h"

namespace moraine::splice {

inline bool IsFloat(const ValueType& type) {
  return type.physical == Physical::kFloat || type.physical == Physical::kDouble;
}

// Those whose NaN are counted: the format has no counts for items of lists.
inline bool CountsNans(const ColumnType& type) {
  return type.max_repetition == 0 && IsFloat(type.value);
}

struct ColumnSplice::Segment {
  ChunkInput input;
  bool has_dictionary = false;
  size_t dictionary_size = 0;
  bool is_merged = false;    // its indices become those of the merged dictionary,
  IndexMapping mapping;      // by this; empty: they are the same
  bool is_taken_in = false;  // so do its plain values
  std::shared_ptr<const DictionaryValues> values;  // when they become plain
  std::optional<ChunkPages> pages;
  ChunkIndexes indexes;
  std::optional<ValueRange> range;  // of the whole chunk, where no row is left out
  int64_t rows_seen = 0;
  size_t pages_seen = 0;
};

// A page that is made anew, or looked at.
struct ColumnSplice::Edit {
  std::shared_ptr<const Segment> segment;
  std::shared_ptr<const DictionaryValues> values;
  RawPage page;
  int64_t num_rows = 0;
  std::optional<std::vector<RowRange>> alive;
  std::optional<ValueRange> range;  // known, and good enough
};

struct ColumnSplice::Group {
  bool has_ranges = true;  // all edits have
  bool is_dictionary = false;
  int64_t bytes = 0;
  int64_t rows = 0;
  std::vector<Edit> edits;
  std::vector<OutPage> pages;  // the result
};

struct ColumnSplice::Totals {
  int64_t nulls = 0;
  int64_t nans = 0;
  ValueRange range;
  std::optional<bool> is_min_exact;  // nullopt: nobody says
  std::optional<bool> is_max_exact;

  void Add(const ValueType& type, const ValueRange& other, std::optional<bool> min_exact,
           std::optional<bool> max_exact) {
    const bool takes_min =
        other.min && (!range.min || CompareValues(type, *other.min, *range.min) < 0);
    const bool takes_max =
        other.max && (!range.max || CompareValues(type, *other.max, *range.max) > 0);
    if (takes_min) is_min_exact = min_exact;
    if (takes_max) is_max_exact = max_exact;
    ValueRange added = other;
    added.nans = 0;
    range.Add(type, added);
  }
};

}  // namespace moraine::splice
