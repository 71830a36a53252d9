#include "moraine/rewrite/splice_pack.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/iceberg/data/parquet_shape.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/rewrite/encoded_columns.h"
#include "moraine/rewrite/splice_inputs.h"
#include "moraine/rewrite/written_fields.h"
#include "moraine/splice/chunk_pages.h"
#include "moraine/splice/column_splice.h"
#include "moraine/splice/file_output.h"
#include "moraine/splice/footer.h"
#include "moraine/splice/pipeline.h"

namespace moraine::rewrite {
namespace {

constexpr size_t kOpenFiles = 256;
constexpr size_t kFooterEnd = 8;  // length and magic
constexpr char kCreatedBy[] = "moraine version " MORAINE_VERSION " (build splice)";
/// About what a byte of a footer takes in memory.
constexpr int64_t kMemoryPerFooterByte = 6;
/// Columns whose dictionaries are merged ahead of the one whose pages are written.
constexpr size_t kColumnsAhead = 2;
/// Bytes that are read ahead, and of pages that are worked on. More would only take memory.
constexpr int64_t kMostReadAhead = int64_t{8} << 20;
constexpr int64_t kMostInWork = int64_t{16} << 20;

// Rows of an input row group that go into one output row group.
struct Segment {
  std::shared_ptr<const SpliceFile> file;
  size_t row_group = 0;
  int64_t first_position = 0;  // in the file, of the row group
  splice::RowRange span;       // of the row group
  int64_t alive = 0;
  std::vector<uint8_t> keep;                            // for the rows of the span; empty: all
  std::optional<std::vector<splice::RowRange>> ranges;  // in the row group; nullopt: all of it
  std::shared_ptr<const ChunkParts> parts;              // of its chunks; may be nullptr
  int64_t bytes = 0;
};

int64_t BytesOf(const splice::RowGroupMetadata& group) {
  int64_t bytes = 0;
  for (const splice::ChunkMetadata& chunk : group.columns) {
    bytes = iceberg::AddCapped(bytes, chunk.total_compressed_size);
  }
  return bytes;
}

class SplicePacking {
 public:
  SplicePacking(TaskRun* run, iceberg::WriteOptions write, iceberg::ParquetShape shape,
                splice::FileMetadata output)
      : run_(run),
        write_(std::move(write)),
        shape_(std::move(shape)),
        output_shape_(std::move(output)),
        inputs_(run, shape_, output_shape_),
        codecs_(shape_.codec, shape_.level) {}

  Status Run(Call& call);

 private:
  Status Survey(Call& call);
  Status AddFile(Call& call, size_t input);
  Status AddRowGroup(Call& call, const std::shared_ptr<const SpliceFile>& file, size_t row_group,
                     int64_t first_position, const DeadRows& dead);
  Segment MakeSegment(const std::shared_ptr<const SpliceFile>& file, size_t row_group,
                      int64_t first_position, splice::RowRange span, LiveRows live) const;
  Status AddSegment(Call& call, Segment segment);
  Status OpenOutput(Call& call);
  Status CloseOutput(Call& call);
  Status WriteRowGroup(Call& call);
  Status WriteColumns(Call& call, const EncodedGroup* encoded);
  std::vector<splice::ChunkInput> InputsOf(size_t leaf, const EncodedGroup* encoded) const;
  splice::ColumnType TypeOf(size_t leaf) const;
  Status CopyBloomFilter(Call& call, size_t leaf, const EncodedGroup& encoded);
  Status MapRows(Call& call);
  void Report(double share);
  bool TooManyFooters() const;

  TaskRun* run_;
  const iceberg::WriteOptions write_;
  const iceberg::ParquetShape shape_;
  const splice::FileMetadata output_shape_;
  SpliceInputs inputs_;
  splice::PageCodecs codecs_;
  std::vector<std::optional<size_t>> encoded_leaves_;  // by leaf of the output; nullopt: copied
  std::vector<size_t> leaf_in_field_;
  std::unique_ptr<EncodedColumns> encoded_;
  int64_t target_bytes_ = 0;     // of a file; 0: one file
  int64_t row_group_bytes_ = 0;  // of a row group

  std::vector<Segment> pending_;  // of the next row group
  int64_t pending_bytes_ = 0;
  size_t pending_files_ = 0;
  int64_t pending_memory_ = 0;  // that footers and row ranges take
  int64_t opened_bytes_ = 0;    // of files
  int64_t written_bytes_ = 0;   // of them in row groups that are written
  int64_t reported_bytes_ = 0;
  std::string location_;  // of the open output
  std::unique_ptr<splice::FileOutput> file_;
  std::vector<iceberg::LeafTotals> totals_;  // of it
};

Status SplicePacking::Survey(Call& call) {
  MORAINE_TRY(inputs_.Survey(call));
  if (inputs_.encoded_bytes() > inputs_.total_bytes() / 2) {
    return Unsupported("most of the inputs' bytes would be encoded anew");
  }
  const std::vector<iceberg::Field> fields = WrittenFields(run_->task());
  std::vector<iceberg::Field> encoded;
  size_t leaf_of_encoded = 0;
  encoded_leaves_.resize(shape_.leaves.size());
  leaf_in_field_.resize(shape_.leaves.size());
  for (size_t leaf = 0; leaf < shape_.leaves.size(); ++leaf) {
    const size_t field = shape_.leaves[leaf].field;
    const bool is_first = leaf == 0 || shape_.leaves[leaf - 1].field != field;
    leaf_in_field_[leaf] = is_first ? 0 : leaf_in_field_[leaf - 1] + 1;
    if (!inputs_.encoded()[field]) continue;
    if (is_first) encoded.push_back(fields[field]);
    encoded_leaves_[leaf] = leaf_of_encoded++;
  }
  if (!encoded.empty())
    encoded_ = std::make_unique<EncodedColumns>(run_, inputs_.files(), std::move(encoded));
  const int64_t target = run_->task().target_size_bytes;
  target_bytes_ = inputs_.total_bytes() < target ? 0 : target;
  row_group_bytes_ = shape_.row_group_bytes;
  if (target_bytes_ > 0) row_group_bytes_ = std::min(row_group_bytes_, target_bytes_);
  if (inputs_.encoded_bytes() > 0) {
    // What is encoded waits in memory until its row group is written.
    const int64_t most = run_->options().memory_bytes / 8;
    const int64_t share = std::max<int64_t>(1, inputs_.total_bytes() / inputs_.encoded_bytes());
    row_group_bytes_ = std::min(row_group_bytes_, iceberg::MultiplyCapped(most, share));
  }
  return {};
}

bool SplicePacking::TooManyFooters() const {
  return pending_memory_ > run_->options().memory_bytes / 4;
}

Segment SplicePacking::MakeSegment(const std::shared_ptr<const SpliceFile>& file, size_t row_group,
                                   int64_t first_position, splice::RowRange span,
                                   LiveRows live) const {
  const splice::RowGroupMetadata& group = file->metadata.row_groups[row_group];
  Segment segment;
  segment.file = file;
  segment.row_group = row_group;
  segment.first_position = first_position;
  segment.span = span;
  segment.alive = live.alive;
  segment.keep = std::move(live.keep);
  const bool is_part = span.end - span.begin < group.num_rows;
  if (!segment.keep.empty()) {
    segment.ranges = std::move(live.ranges);
    for (splice::RowRange& range : *segment.ranges) {
      range.begin += span.begin;
      range.end += span.begin;
    }
  } else if (is_part) {
    segment.ranges = {span};
  }
  const double share = static_cast<double>(live.alive) / static_cast<double>(group.num_rows);
  segment.bytes = static_cast<int64_t>(static_cast<double>(BytesOf(group)) * share);
  return segment;
}

Status SplicePacking::AddRowGroup(Call& call, const std::shared_ptr<const SpliceFile>& file,
                                  size_t row_group, int64_t first_position, const DeadRows& dead) {
  const splice::RowGroupMetadata& group = file->metadata.row_groups[row_group];
  if (group.num_rows == 0) return {};
  // A row group much larger than wanted is cut.
  const int64_t bytes = BytesOf(group);
  const bool is_large = bytes / 3 * 2 > row_group_bytes_;
  const int64_t parts = is_large ? (bytes + row_group_bytes_ - 1) / row_group_bytes_ : 1;
  for (int64_t part = 0; part < std::min(parts, group.num_rows); ++part) {
    const int64_t count = std::min(parts, group.num_rows);
    const splice::RowRange span = {
        group.num_rows / count * part,
        part + 1 < count ? group.num_rows / count * (part + 1) : group.num_rows};
    LiveRows live = FindLiveRows(dead, first_position + span.begin, span.end - span.begin);
    run_->output().rows_deleted += live.deleted;
    run_->output().rows_deduplicated += live.superseded;
    if (live.alive == 0) continue;
    Segment segment = MakeSegment(file, row_group, first_position, span, std::move(live));
    const auto* rows = segment.ranges ? &*segment.ranges : nullptr;
    MORAINE_ASSIGN(segment.parts, inputs_.Announce(call, *file, row_group, rows));
    MORAINE_TRY(AddSegment(call, std::move(segment)));
  }
  return {};
}

Status SplicePacking::AddSegment(Call& call, Segment segment) {
  pending_bytes_ += segment.bytes;
  if (pending_.empty() || pending_.back().file != segment.file) {
    ++pending_files_;
    pending_memory_ += segment.file->footer_bytes * kMemoryPerFooterByte;
  }
  pending_memory_ += static_cast<int64_t>(segment.keep.size());
  if (segment.parts != nullptr) pending_memory_ += segment.parts->memory_bytes;
  if (segment.ranges) {
    pending_memory_ += static_cast<int64_t>(segment.ranges->size() * sizeof(splice::RowRange));
  }
  pending_.push_back(std::move(segment));
  const int64_t written = file_ != nullptr ? file_->bytes() : 0;
  const bool ends_file = target_bytes_ > 0 && written + pending_bytes_ >= target_bytes_;
  if (ends_file || pending_bytes_ >= row_group_bytes_ || TooManyFooters()) {
    MORAINE_TRY(WriteRowGroup(call));
  }
  return ends_file ? CloseOutput(call) : Status();
}

Status SplicePacking::AddFile(Call& call, size_t input) {
  const tasks::InputFile& file = run_->task().rewrite[input];
  MORAINE_ASSIGN(const DeadRows dead, inputs_.FindDeadRows(call, input));
  MORAINE_ASSIGN(SpliceFile opened, inputs_.Open(call, input, pending_files_ < kOpenFiles));
  const auto shared = std::make_shared<const SpliceFile>(std::move(opened));
  int64_t first_position = 0;
  for (size_t i = 0; i < shared->metadata.row_groups.size(); ++i) {
    MORAINE_TRY(AddRowGroup(call, shared, i, first_position, dead));
    first_position += shared->metadata.row_groups[i].num_rows;
  }
  // Of a file without a row that lives, nothing is read any more.
  if (pending_.empty() || pending_.back().file != shared) inputs_.Forget(input);
  run_->output().rows_read += file.file.record_count;
  run_->output().bytes_read += file.file.file_size_in_bytes;
  run_->progress().rows_read += file.file.record_count;
  opened_bytes_ += file.file.file_size_in_bytes;
  return {};
}

splice::ColumnType SplicePacking::TypeOf(size_t leaf) const {
  const splice::Leaf& physical = output_shape_.leaves[leaf];
  const iceberg::ShapeLeaf& shape = shape_.leaves[leaf];
  splice::ColumnType type;
  type.value.physical = physical.type;
  type.value.length = physical.type_length;
  if (!shape.has_bounds || physical.type == splice::Physical::kInt96) {
    type.value.order = splice::Order::kNone;
  } else if (shape.is_decimal && physical.type == splice::Physical::kFixed) {
    type.value.order = splice::Order::kSignedBytes;
  }
  type.max_definition = physical.max_definition;
  type.max_repetition = physical.max_repetition;
  return type;
}

std::optional<int64_t> KnownNans(const iceberg::DataFile& file, int32_t id, bool is_whole) {
  for (const auto& [field, count] : file.nan_value_counts) {
    if (field == id && (count == 0 || is_whole)) return count;
  }
  return std::nullopt;
}

std::vector<splice::ChunkInput> SplicePacking::InputsOf(size_t leaf,
                                                        const EncodedGroup* encoded) const {
  const int32_t id = shape_.leaves[leaf].id;
  std::vector<splice::ChunkInput> inputs;
  if (encoded_leaves_[leaf]) {
    const size_t at = *encoded_leaves_[leaf];
    const bool is_whole = encoded->metadata.row_groups.size() == 1;
    for (const splice::RowGroupMetadata& group : encoded->metadata.row_groups) {
      inputs.push_back({encoded->reader.get(), &group.columns[at], group.num_rows, nullptr,
                        KnownNans(encoded->metrics, id, is_whole)});
    }
    return inputs;
  }
  for (const Segment& segment : pending_) {
    const SpliceFile& file = *segment.file;
    const splice::RowGroupMetadata& group = file.metadata.row_groups[segment.row_group];
    const int at = (*file.leaves)[shape_.leaves[leaf].field][leaf_in_field_[leaf]];
    const bool is_part = segment.parts && segment.parts->columns[static_cast<size_t>(at)];
    if (is_part) {
      const ChunkPart& part = *segment.parts->columns[static_cast<size_t>(at)];
      inputs.push_back({part.reader.get(), &part.chunk, part.num_rows, &part.alive,
                        KnownNans(run_->task().rewrite[file.input].file, id, /*is_whole=*/false),
                        &part.page_rows});
      continue;
    }
    inputs.push_back({file.reader.get(), &group.columns[static_cast<size_t>(at)], group.num_rows,
                      segment.ranges ? &*segment.ranges : nullptr,
                      KnownNans(run_->task().rewrite[file.input].file, id,
                                file.metadata.row_groups.size() == 1)});
  }
  return inputs;
}

// Of row groups that become one, a filter has the bits of all of theirs, if they are of one size.
Status SplicePacking::CopyBloomFilter(Call& call, size_t leaf, const EncodedGroup& encoded) {
  std::string merged;
  for (const splice::RowGroupMetadata& group : encoded.metadata.row_groups) {
    const splice::Extent& filter = group.columns[*encoded_leaves_[leaf]].bloom_filter;
    if (filter.size == 0) return {};
    std::string bytes(static_cast<size_t>(filter.size), '\0');
    MORAINE_TRY(encoded.reader->ReadAt(call, filter.offset, bytes));
    if (merged.empty()) merged = bytes;
    // Behind a short header that tells the size there are the bits, a power of two of bytes.
    const size_t header = bytes.size() - std::bit_floor(bytes.size());
    if (bytes.size() != merged.size() || bytes.compare(0, header, merged, 0, header) != 0)
      return {};
    for (size_t i = header; i < bytes.size(); ++i) {
      merged[i] = static_cast<char>(merged[i] | bytes[i]);
    }
  }
  if (!merged.empty()) file_->SetBloomFilter(std::move(merged));
  return {};
}

Status SplicePacking::WriteColumns(Call& call, const EncodedGroup* encoded) {
  splice::SpliceOptions options;
  options.pages = {shape_.version2, shape_.page_bytes, shape_.page_rows};
  options.dictionary_bytes = shape_.dictionary_bytes;
  options.max_page_bytes = splice::LargestPage(run_->options().memory_bytes);
  options.mapping_bytes = run_->options().memory_bytes / 32;
  const size_t count = shape_.leaves.size();
  std::vector<std::unique_ptr<splice::ColumnSplice>> columns(count);
  std::vector<splice::ColumnCounts> counts(count);
  // Destroyed first: what they have begun uses the columns.
  splice::Pipeline ahead(run_->helpers(), INT64_MAX);
  splice::Pipeline pages(run_->helpers(), std::min(kMostInWork, run_->options().memory_bytes / 8));
  splice::Pipeline reads(run_->helpers(),
                         std::min(kMostReadAhead, run_->options().memory_bytes / 32));
  size_t prepared = 0;
  for (size_t leaf = 0; leaf < count; ++leaf) {
    for (; prepared < count && prepared <= leaf + kColumnsAhead; ++prepared) {
      columns[prepared] = std::make_unique<splice::ColumnSplice>(
          TypeOf(prepared), InputsOf(prepared, encoded), options, &codecs_);
      MORAINE_TRY(ahead.Push(
          0,
          [column = columns[prepared].get(), own = Call(call)]() mutable {
            return column->Prepare(own);
          },
          [] { return Status(); }));
    }
    MORAINE_TRY(ahead.FinishFirst());
    MORAINE_TRY(columns[leaf]->Write(call, &reads, &pages, file_.get(), &counts[leaf]));
    const auto finish = [&, leaf]() -> Status {
      columns[leaf].reset();
      Report(static_cast<double>(leaf + 1) / static_cast<double>(count));
      if (!encoded_leaves_[leaf]) return {};
      return CopyBloomFilter(call, leaf, *encoded);
    };
    MORAINE_TRY(reads.Push(0, [&pages, finish] { return pages.Push(0, finish); }));
  }
  MORAINE_TRY(reads.Drain());
  MORAINE_TRY(pages.Drain());
  for (size_t leaf = 0; leaf < count; ++leaf) {
    totals_[leaf].nulls += counts[leaf].nulls;
    totals_[leaf].nans += counts[leaf].nans;
  }
  return {};
}

// Of the row group that is written, this share of its columns is done.
void SplicePacking::Report(double share) {
  const auto open = static_cast<double>(opened_bytes_ - written_bytes_);
  const int64_t done = written_bytes_ + static_cast<int64_t>(open * share);
  run_->progress().bytes_read += done - reported_bytes_;
  reported_bytes_ = done;
  if (share == 1) written_bytes_ = opened_bytes_;
}

Status SplicePacking::MapRows(Call& call) {
  const size_t output = run_->output().data_files.size();
  for (const Segment& segment : pending_) {
    const tasks::MappedRun mapped = {
        segment.file->input, segment.first_position + segment.span.begin,
        segment.span.end - segment.span.begin, output, run_->positions().output_rows(output)};
    MORAINE_TRY(segment.keep.empty()
                    ? run_->positions().AddRun(call, mapped)
                    : run_->positions().AddKept(call, mapped, segment.keep.data()));
  }
  return {};
}

Status SplicePacking::OpenOutput(Call& call) {
  location_ = run_->task().OutputPrefix() +
              fmt::format("{:05}{}.parquet", run_->output().data_files.size(),
                          tasks::FileMarks(run_->task().layout, run_->task().dedup));
  MORAINE_ASSIGN(auto writer, run_->files().Create(call, location_));
  splice::FileMetadata shape = output_shape_;
  shape.created_by = kCreatedBy;
  file_ = std::make_unique<splice::FileOutput>(std::move(writer), std::move(shape));
  totals_.assign(shape_.leaves.size(), iceberg::LeafTotals());
  return {};
}

Status SplicePacking::WriteRowGroup(Call& call) {
  if (pending_.empty()) return {};
  if (file_ == nullptr) MORAINE_TRY(OpenOutput(call));
  int64_t rows = 0;
  for (const Segment& segment : pending_) rows += segment.alive;
  std::optional<EncodedGroup> encoded;
  if (encoded_ != nullptr) {
    MORAINE_ASSIGN(encoded, encoded_->Next(call, rows));
  }
  MORAINE_TRY(file_->BeginRowGroup(call, rows));
  MORAINE_TRY(WriteColumns(call, encoded ? &*encoded : nullptr));
  MORAINE_TRY(MapRows(call));
  run_->output().rows_written += rows;
  run_->progress().rows_written += rows;
  pending_.clear();
  inputs_.Forget();
  pending_bytes_ = 0;
  pending_files_ = 0;
  pending_memory_ = 0;
  return {};
}

Status SplicePacking::CloseOutput(Call& call) {
  if (file_ == nullptr) return {};
  MORAINE_ASSIGN(const splice::FileMetadata metadata, file_->Close(call));
  std::string footer = splice::FooterBytes(metadata);
  footer.resize(footer.size() - kFooterEnd);
  MORAINE_ASSIGN(iceberg::DataFile file,
                 iceberg::DescribeParquetFile(write_, location_, file_->bytes(), footer, totals_));
  file.spec_id = run_->task().spec->spec_id;
  file.partition = run_->task().partition;
  run_->output().data_files.push_back(std::move(file));
  file_.reset();
  return {};
}

Status SplicePacking::Run(Call& call) {
  MORAINE_TRY(Survey(call));
  for (size_t i = 0; i < run_->task().rewrite.size(); ++i) {
    MORAINE_TRY(call.Check());
    MORAINE_TRY(AddFile(call, i));
  }
  MORAINE_TRY(WriteRowGroup(call));
  Report(1);
  return CloseOutput(call);
}

}  // namespace

Status SplicePack(Call& call, TaskRun* run) {
  const iceberg::WriteOptions write = run->MakeWriteOptions();
  MORAINE_ASSIGN(iceberg::ParquetShape shape, iceberg::MakeParquetShape(write));
  MORAINE_ASSIGN(splice::FileMetadata output, splice::ParseFileMetadata(shape.footer, INT64_MAX));
  SplicePacking packing(run, write, std::move(shape), std::move(output));
  return packing.Run(call);
}

}  // namespace moraine::rewrite
