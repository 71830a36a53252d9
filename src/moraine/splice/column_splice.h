#pragma once
// One column chunk of an output row group from those of its inputs. Pages whose values need not
// change are copied as they are; dictionaries become one, and only indices are written anew; pages
// with rows that are left out, small pages, and pages in another codec are made again.
//
// Within a chunk, pages of indices stand before all others: no writer goes back to its dictionary,
// and vectorized readers (Spark 3.5) take values wrongly where one does.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/splice/codec.h"
#include "moraine/splice/file_output.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_builder.h"
#include "moraine/splice/pipeline.h"

namespace moraine::splice {

class DictionaryMerge;

/// A column chunk of an input row group.
struct ChunkInput {
  io::RandomReader* file = nullptr;
  const ChunkMetadata* chunk = nullptr;
  int64_t num_rows = 0;
  const std::vector<RowRange>* alive = nullptr;  ///< rows that stay, ascending; nullptr: all
  std::optional<int64_t> nans;                   ///< where they are known already
  /// Rows of its pages, where which pages are there rests on it; nullptr: on nothing. A page of
  /// another number of rows is Corruption.
  const std::vector<int64_t>* page_rows = nullptr;
};

struct SpliceOptions {
  PageOptions pages;
  int64_t small_page_bytes = int64_t{8} << 10;  ///< unpacked; smaller ones are joined
  int64_t dictionary_bytes = int64_t{2} << 20;
  int64_t max_page_bytes = int64_t{256} << 20;
  /// Dictionaries whose numbers would take more to translate are not merged.
  int64_t mapping_bytes = int64_t{32} << 20;
};

/// What the footer of the output does not tell.
struct ColumnCounts {
  int64_t nulls = 0;
  int64_t nans = 0;
};

/// The inputs of one output column chunk, with their dictionaries merged.
class ColumnSplice {
 public:
  ColumnSplice(ColumnType type, std::vector<ChunkInput> inputs, const SpliceOptions& options,
               PageCodecs* codecs);
  ~ColumnSplice();

  /// Reads and merges the dictionaries. May run on any thread. Errors: Corruption, Unsupported (see
  /// ChunkPages, DecodePage), as io.
  Status Prepare(Call& call);

  /// Reads the column's pages through the first pipeline and appends them to output through the
  /// second, after all that they hold already. Both must be drained in turn before this is
  /// destroyed. counts is complete when they are.
  Status Write(Call& call, Pipeline* reads, Pipeline* pipeline, FileOutput* output,
               ColumnCounts* counts);

 private:
  struct Segment;
  struct Edit;
  struct Totals;
  struct Group;

  Status PrepareSegment(Call& call, Segment* segment);
  Status TakeInPlainValues(Call& call);
  Status TakeInPages(Call& call, const Segment& segment, bool* all_fit);
  void DecideCounting();
  Status WriteDictionary(Call& call, Pipeline* pipeline, FileOutput* output);
  Status OpenSegment(Call& call, Segment* segment) const;
  Status WriteSegment(Call& call, const std::shared_ptr<Segment>& segment, Pipeline* pipeline,
                      FileOutput* output);
  Status WritePage(Call& call, const std::shared_ptr<Segment>& segment, Edit edit,
                   Pipeline* pipeline, FileOutput* output);
  Result<int64_t> RowsOfPage(const Segment& segment, const Edit& edit, size_t page_number) const;
  bool MustInspect(const Segment& segment, const PageStats& stats) const;
  Status Inspect(const Edit& edit, PageStats* stats) const;
  Result<ValueRange> RangeOfPart(const PageValues& values) const;
  Status CopyPage(Call& call, Edit edit, PageStats stats, Pipeline* pipeline, FileOutput* output);
  Status TranslateIndices(Call& call, Edit edit, PageStats stats, Pipeline* pipeline,
                          FileOutput* output);
  Status FlushGroup(Call& call, Pipeline* pipeline, FileOutput* output);
  Status ToIndices(PageValues* values) const;
  Status RunGroup(Group* group) const;
  Status AddEdit(const Edit& edit, bool to_dictionary, PageBuilder* builder) const;
  Status AddPart(const Edit& edit, int64_t first_row, bool to_dictionary, PageValues values,
                 PageBuilder* builder) const;
  Status TakePage(Call& call, const OutPage& page, std::string_view header, std::string_view body,
                  FileOutput* output);
  Status Finish(FileOutput* output, ColumnCounts* counts);

  const ColumnType type_;
  const SpliceOptions options_;
  PageCodecs* codecs_;
  std::unique_ptr<NumberTrials> trials_;
  std::vector<std::shared_ptr<Segment>> segments_;
  std::unique_ptr<DictionaryMerge> merge_;
  std::shared_ptr<DictionaryValues> dictionary_;  // merged
  bool is_past_dictionary_ = false;               // a page of plain values is written
  bool is_refusing_ = false;                      // dictionaries that are yet to come
  int64_t mapping_bytes_ = 0;
  bool knows_nulls_ = true;
  bool counts_nulls_ = false;  // page by page
  bool counts_nans_ = false;
  std::unique_ptr<Totals> totals_;
  std::shared_ptr<Group> group_;
};

}  // namespace moraine::splice
