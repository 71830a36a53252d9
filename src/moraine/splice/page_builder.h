#pragma once
// New data pages from the rows of old ones: some rows left out, indices renumbered, values taken
// from a dictionary, small pages joined.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/splice/codec.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_values.h"

namespace moraine::splice {

/// Rows begin .. end - 1.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// What is known of a page's values.
struct PageStats {
  std::optional<int64_t> null_count;
  std::optional<ValueRange> range;  ///< nullopt: not known
  bool is_exact = true;             ///< the bounds are values of the page
};

/// A page as it goes into a file.
struct OutPage {
  std::string header;
  std::string body;
  PageType type = PageType::kData;
  Encoding encoding = Encoding::kPlain;
  int64_t uncompressed_size = 0;
  int64_t num_values = 0;
  int64_t num_rows = 0;
  PageStats stats;
};

struct PageOptions {
  bool version2 = false;
  int64_t page_bytes = int64_t{1} << 20;  ///< a page ends when its values reach this,
  int64_t page_rows = 20000;              ///< or this many rows
  NumberTrials* trials = nullptr;         ///< of the column
};

/// Used by one thread at a time.
class PageBuilder {
 public:
  /// dictionary: what indices mean, ranked unless all sources bring their range; nullptr: pages
  /// have plain values.
  PageBuilder(const ColumnType& type, const PageOptions& options,
              const DictionaryValues* dictionary, PageCodecs* codecs)
      : type_(type), options_(options), dictionary_(dictionary), codecs_(codecs) {}

  /// How the values of a page become those of the output.
  struct Source {
    std::span<const uint32_t> mapping;           ///< indices to indices; empty: as they are
    size_t dictionary_size = 0;                  ///< of the source: indices are below it
    const DictionaryValues* values = nullptr;    ///< for indices that become plain
    std::optional<std::vector<RowRange>> alive;  ///< rows of the page; nullopt: all
    /// What is known of its values, to spare looking at them; nullptr: bounds are taken from them.
    const ValueRange* range = nullptr;
  };
  /// Errors: Corruption for an index that is not in its dictionary.
  Status Add(const PageValues& page, const Source& source);
  /// Ends the last page.
  Status Finish();
  std::vector<OutPage> TakePages() { return std::move(pages_); }

 private:
  Status AddRows(const PageValues& page, const Source& source);
  Status AddValues(const PageValues& page, const Source& source,
                   const std::vector<RowRange>& values);
  Status AddIndices(const PageValues& page, const Source& source, RowRange range);
  Status AddFromDictionary(const PageValues& page, const DictionaryValues& values, RowRange range);
  void AddAllLevels(const PageValues& page);
  std::vector<RowRange> AddLevels(const PageValues& page, const std::vector<RowRange>& alive);
  void PushLevel(const PageValues& page, size_t i);
  void SpellOutLevels(size_t count);
  struct Levels {
    std::string repetition;
    std::string definition;
  };
  Levels EncodeLevels() const;
  Status PackV1(const Levels& levels, std::string values, OutPage* page);
  Status PackV2(const Levels& levels, std::string_view values, PageHeader* header, OutPage* page);
  Status Flush();
  void StartPage();
  void SetRange(OutPage* page);
  std::string EncodeValues(OutPage* page);
  Status Compress(std::string_view values, OutPage* page);
  size_t value_bytes() const;

  const ColumnType type_;
  const PageOptions options_;
  const DictionaryValues* dictionary_;
  PageCodecs* codecs_;

  int64_t num_levels_ = 0;
  int64_t num_rows_ = 0;
  std::vector<uint32_t> definition_;  // empty while all are defined
  std::vector<uint32_t> repetition_;
  size_t num_values_ = 0;
  std::vector<uint32_t> indices_;
  std::string plain_;
  bool is_range_given_ = true;  // of all sources of the page
  ValueRange given_;
  std::vector<OutPage> pages_;
};

}  // namespace moraine::splice
