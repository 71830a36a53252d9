#include "moraine/tasks/position_map_builder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <zstd.h>

#include "moraine/base/check.h"
#include "moraine/tasks/position_map_format.h"

namespace moraine::tasks {
namespace {

using namespace position_map;  // NOLINT: the format is this file's business

constexpr int kLevel = 1;
/// Rows of a span looked at together.
constexpr int64_t kSpanRows = int64_t{1} << 20;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

Result<std::string> Compress(std::string_view raw) {
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string stored(ZSTD_compressBound(raw.size()), '\0');
  const size_t size =
      ZSTD_compress2(context.get(), stored.data(), stored.size(), raw.data(), raw.size());
  if (ZSTD_isError(size)) return Internal(std::string("zstd: ") + ZSTD_getErrorName(size));
  stored.resize(size);
  return stored;
}

}  // namespace

PositionMapBuilder::PositionMapBuilder(io::FileSystem& files, std::string location)
    : files_(files), location_(std::move(location)), bytes_(kMagic, kHeaderBytes) {}
PositionMapBuilder::~PositionMapBuilder() = default;
PositionMapBuilder::PositionMapBuilder(PositionMapBuilder&&) noexcept = default;

int64_t PositionMapBuilder::output_rows(size_t output) const {
  return output < output_rows_.size() ? output_rows_[output] : 0;
}

Status PositionMapBuilder::CheckNext(size_t output, int64_t first_output_position) const {
  const int64_t next = output_rows(output);
  if (next == first_output_position) return {};
  return Internal(fmt::format("a position map: rows come at {} of output {}, which has {}",
                              first_output_position, output, next));
}

void PositionMapBuilder::Put(uint64_t op, uint64_t n) { PutVarint(n << kOpBits | op, &chunk_); }

void PositionMapBuilder::EndKeep() {
  if (keep_ > 0) Put(kKeep, static_cast<uint64_t>(keep_));
  keep_ = 0;
}

void PositionMapBuilder::BeginOutput(size_t output) {
  if (output >= output_rows_.size()) output_rows_.resize(output + 1);
  if (has_output_ && output == output_) return;
  EndKeep();
  Put(kOutput, output);
  output_ = output;
  has_output_ = true;
}

int64_t& PositionMapBuilder::Next(size_t input) {
  if (input >= next_.size()) next_.resize(input + 1);
  int64_t& next = next_[input];
  if (next == 0) touched_.push_back(input);
  return next;
}

Status PositionMapBuilder::AddRun(Call& call, const MappedRun& run) {
  MORAINE_TRY(CheckNext(run.output, run.first_output_position));
  if (run.count <= 0) return {};
  BeginOutput(run.output);
  if (run.input != input_) {
    EndKeep();
    Put(kInput, run.input);
    input_ = run.input;
  }
  int64_t& next = Next(run.input);
  if (run.first_position != next) {
    EndKeep();
    const bool is_ahead = run.first_position > next;
    const int64_t step = is_ahead ? run.first_position - next : next - run.first_position;
    Put(is_ahead ? kSkip : kBack, static_cast<uint64_t>(step));
  }
  next = run.first_position + run.count;
  keep_ += run.count;
  output_rows_[run.output] += run.count;
  return EndChunkIfFull(call);
}

Status PositionMapBuilder::AddRun(Call& call, const MappedRun& run,
                                  const iceberg::PositionSet& dead) {
  std::vector<uint8_t> keep;
  MappedRun part = run;
  for (int64_t done = 0; done < run.count; done += part.count) {
    part.first_position = run.first_position + done;
    part.count = std::min(kSpanRows, run.count - done);
    keep.assign(static_cast<size_t>((part.count + 7) / 8), 0xFF);
    const int64_t gone = dead.ClearKept(part.first_position, part.count, keep.data());
    MORAINE_TRY(gone == 0 ? AddRun(call, part) : AddKept(call, part, keep.data()));
    part.first_output_position += part.count - gone;
  }
  return {};
}

Status PositionMapBuilder::AddKept(Call& call, const MappedRun& run, const uint8_t* keep) {
  auto is_kept = [keep](int64_t row) { return (keep[row / 8] >> (row % 8) & 1) != 0; };
  MappedRun part = run;
  for (int64_t row = 0; row < run.count;) {
    if (!is_kept(row)) {
      ++row;
      continue;
    }
    int64_t end = row + 1;
    while (end < run.count && is_kept(end)) ++end;
    part.first_position = run.first_position + row;
    part.count = end - row;
    MORAINE_TRY(AddRun(call, part));
    part.first_output_position += part.count;
    row = end;
  }
  return {};
}

Status PositionMapBuilder::AddRows(Call& call, size_t output, int64_t first_output_position,
                                   std::span<const int32_t> inputs,
                                   std::span<const int64_t> positions) {
  MORAINE_CHECK(inputs.size() == positions.size(), "each row has an input and a position");
  MORAINE_TRY(CheckNext(output, first_output_position));
  for (size_t at = 0; at < inputs.size(); at += kMaxRowsAtOnce) {
    const size_t count = std::min<size_t>(kMaxRowsAtOnce, inputs.size() - at);
    BeginOutput(output);
    EndKeep();
    Put(kRows, count);
    for (size_t i = at; i < at + count; ++i) PutVarint(static_cast<uint64_t>(inputs[i]), &chunk_);
    for (size_t i = at; i < at + count; ++i) {
      int64_t& next = Next(static_cast<size_t>(inputs[i]));
      PutVarint(ZigZag(positions[i] - next), &chunk_);
      next = positions[i] + 1;
    }
    output_rows_[output] += static_cast<int64_t>(count);
    MORAINE_TRY(EndChunkIfFull(call));
  }
  return {};
}

Status PositionMapBuilder::EndChunkIfFull(Call& call) {
  // Room for the largest instruction, so that no chunk is larger than its limit.
  constexpr size_t kLargest = 16 + kMaxRowsAtOnce * 15;
  return chunk_.size() + kLargest + 16 > kMaxChunkBytes ? EndChunk(call) : Status();
}

Status PositionMapBuilder::EndChunk(Call& call) {
  EndKeep();
  if (chunk_.empty()) return {};
  MORAINE_TRY(Append(call, kRowsChunk, chunk_));
  ++chunks_;
  chunk_.clear();
  for (size_t input : touched_) next_[input] = 0;
  touched_.clear();
  input_ = 0;
  output_ = 0;
  has_output_ = false;
  return {};
}

Status PositionMapBuilder::Append(Call& call, char kind, std::string_view raw) {
  MORAINE_ASSIGN(const std::string stored, Compress(raw));
  bytes_.push_back(kind);
  for (int shift = 0; shift < 32; shift += 8)
    bytes_.push_back(static_cast<char>(stored.size() >> shift));
  bytes_ += stored;
  if (writer_ == nullptr) {
    if (static_cast<int64_t>(bytes_.size()) <= kMaxInlineMapBytes) return {};
    MORAINE_ASSIGN(writer_, files_.Create(call, location_));
  }
  MORAINE_TRY(writer_->Append(call, bytes_));
  bytes_.clear();
  return {};
}

Result<PositionMap> PositionMapBuilder::Finish(Call& call, size_t inputs, size_t outputs) {
  MORAINE_TRY(EndChunk(call));
  std::string end;
  PutVarint(static_cast<uint64_t>(chunks_), &end);
  PutVarint(inputs, &end);
  PutVarint(outputs, &end);
  MORAINE_TRY(Append(call, kEndChunk, end));
  PositionMap map;
  if (writer_ == nullptr) {
    map.bytes = std::move(bytes_);
    return map;
  }
  map.location = location_;
  map.size_bytes = writer_->bytes_written();
  MORAINE_TRY(writer_->Close(call));
  return map;
}

std::string PositionMapLocation(const std::string& output_prefix) {
  return output_prefix + "positions.map";
}

}  // namespace moraine::tasks
