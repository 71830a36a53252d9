#include "moraine/tasks/position_map.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <zstd.h>

#include "moraine/base/text.h"
#include "moraine/tasks/position_map_format.h"

namespace moraine::tasks {
namespace {

using namespace position_map;  // NOLINT: the format is this file's business
using Visit = std::function<Status(const MappedRun&)>;
using WantedPositions = std::map<size_t, const iceberg::PositionSet*>;

Status Broken(std::string_view why) { return Corruption(fmt::format("a position map: {}", why)); }

/// The encoded bytes from front to back.
class ByteSource {
 public:
  static ByteSource Of(std::string_view bytes) {
    ByteSource source;
    source.bytes_ = bytes;
    return source;
  }
  static Result<ByteSource> Open(Call& call, io::FileSystem& files, const PositionMap& map) {
    if (map.location.empty()) return Of(map.bytes);
    ByteSource source;
    MORAINE_ASSIGN(source.file_, files.Open(call, map.location, map.size_bytes));
    return source;
  }

  bool at_end() const { return at_ == size(); }

  Status Read(Call* call, size_t count, std::string* to) {
    if (static_cast<int64_t>(count) > size() - at_) return Broken("it ends too early");
    to->resize(count);
    if (file_ == nullptr) {
      bytes_.copy(to->data(), count, static_cast<size_t>(at_));
    } else {
      MORAINE_TRY(file_->ReadAt(*call, at_, std::span<char>(to->data(), count)));
    }
    at_ += static_cast<int64_t>(count);
    return {};
  }

 private:
  int64_t size() const {
    return file_ != nullptr ? file_->size() : static_cast<int64_t>(bytes_.size());
  }

  std::string_view bytes_;
  std::unique_ptr<io::RandomReader> file_;
  int64_t at_ = 0;
};

/// Varints of a chunk.
class Varints {
 public:
  explicit Varints(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return at_ == bytes_.size(); }

  Result<uint64_t> Next() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (empty()) return Broken("a number ends too early");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return Broken("a number is too long");
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

Result<std::string> Uncompress(std::string_view stored) {
  const unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (size > kMaxChunkBytes) return Broken("a chunk without its size, or too large");
  std::string raw(size, '\0');
  const size_t got = ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(got) || got != raw.size()) return Broken("a damaged chunk");
  return raw;
}

/// Rows of the inputs that were mapped, a bit for each; nothing of inputs with too many rows.
class MappedRows {
 public:
  explicit MappedRows(const MapShape& shape) : input_rows_(shape.input_rows) {
    int64_t rows = 0;
    for (int64_t count : input_rows_)
      rows = __builtin_add_overflow(rows, count, &rows) ? INT64_MAX : rows;
    if (rows <= kMaxCheckedRows) words_.resize(input_rows_.size());
  }

  /// False if one of them was there before.
  bool Add(size_t input, int64_t first, int64_t count) {
    if (words_.empty()) return true;
    std::vector<uint64_t>& words = words_[input];
    if (words.empty()) words.resize(static_cast<size_t>(input_rows_[input] / kBits + 1));
    const int64_t end = first + count;
    for (int64_t at = first; at < end;) {
      const int64_t word_end = std::min(end, (at / kBits + 1) * kBits);
      const auto length = static_cast<int>(word_end - at);
      const uint64_t mask = (~uint64_t{0} >> (kBits - length)) << (at % kBits);
      uint64_t& word = words[static_cast<size_t>(at / kBits)];
      if ((word & mask) != 0) return false;
      word |= mask;
      at = word_end;
    }
    return true;
  }

 private:
  static constexpr int64_t kBits = 64;
  const std::vector<int64_t>& input_rows_;
  std::vector<std::vector<uint64_t>> words_;  // by input, made when it is first mapped from
};

/// Follows the instructions, and that they stay within the shape.
class Decoder {
 public:
  Decoder(const MapShape& shape, const Visit& visit)
      : shape_(shape),
        visit_(visit),
        mapped_(shape),
        output_rows_(shape.output_rows.size()),
        input_rows_(shape.input_rows.size()) {}

  Status Rows(std::string_view raw) {
    ++chunks_;
    next_.assign(shape_.input_rows.size(), 0);
    input_ = 0;
    output_.reset();
    Varints in(raw);
    while (!in.empty()) {
      MORAINE_ASSIGN(const uint64_t code, in.Next());
      MORAINE_TRY(Follow(code & ((1 << kOpBits) - 1), code >> kOpBits, &in));
    }
    return {};
  }

  Status End(std::string_view raw) const {
    Varints in(raw);
    MORAINE_ASSIGN(const uint64_t chunks, in.Next());
    MORAINE_ASSIGN(const uint64_t inputs, in.Next());
    MORAINE_ASSIGN(const uint64_t outputs, in.Next());
    if (chunks != chunks_) return Broken("a chunk is missing");
    if (inputs != shape_.input_rows.size() || outputs != shape_.output_rows.size() || !in.empty()) {
      return Broken(fmt::format("it is of {} inputs and {} outputs, not of {} and {}", inputs,
                                outputs, shape_.input_rows.size(), shape_.output_rows.size()));
    }
    for (size_t i = 0; i < output_rows_.size(); ++i) {
      if (output_rows_[i] == shape_.output_rows[i]) continue;
      return Broken(fmt::format("output {} has {} rows, {} were mapped", i, shape_.output_rows[i],
                                output_rows_[i]));
    }
    return {};
  }

 private:
  Status Follow(uint64_t op, uint64_t n, Varints* in) {
    switch (op) {
      case kOutput:
        if (n >= shape_.output_rows.size()) return Broken(fmt::format("no output {}", n));
        output_ = n;
        return {};
      case kInput:
        if (n >= shape_.input_rows.size()) return Broken(fmt::format("no input {}", n));
        input_ = n;
        return {};
      case kKeep:
        return Keep(input_, n);
      case kSkip:
      case kBack:
        return Step(op, n);
      case kRows:
        return EachRow(n, in);
      default:
        return Broken(fmt::format("no instruction {}", op));
    }
  }

  Status Step(uint64_t op, uint64_t n) {
    if (next_.empty()) return Broken("no input 0");
    int64_t& next = next_[input_];
    const int64_t room = op == kSkip ? shape_.input_rows[input_] - next : next;
    if (room < 0 || n > static_cast<uint64_t>(room)) return OutOfInput(input_);
    next += op == kSkip ? static_cast<int64_t>(n) : -static_cast<int64_t>(n);
    return {};
  }

  Status OutOfInput(size_t input) const {
    return Broken(
        fmt::format("input {} has no such row, only {} rows", input, shape_.input_rows[input]));
  }

  Status Keep(size_t input, uint64_t n) {
    if (input >= next_.size() || !output_) return Broken("rows of no file");
    int64_t& next = next_[input];
    const int64_t mapped = input_rows_[input];
    const int64_t room = shape_.input_rows[input] - std::max(next, mapped);
    if (room < 0 || n > static_cast<uint64_t>(room)) return OutOfInput(input);
    int64_t& rows = output_rows_[*output_];
    if (n > static_cast<uint64_t>(std::max<int64_t>(0, shape_.output_rows[*output_] - rows))) {
      return Broken(
          fmt::format("output {} has only {} rows", *output_, shape_.output_rows[*output_]));
    }
    const auto count = static_cast<int64_t>(n);
    if (!mapped_.Add(input, next, count))
      return Broken(fmt::format("a row of input {} from {} on is mapped twice", input, next));
    MORAINE_TRY(visit_({input, next, count, *output_, rows}));
    next += count;
    rows += count;
    input_rows_[input] += count;
    return {};
  }

  Status EachRow(uint64_t n, Varints* in) {
    if (n > kMaxRowsAtOnce) return Broken("too many rows in one instruction");
    std::vector<size_t> inputs(n);
    for (size_t& input : inputs) {
      MORAINE_ASSIGN(const uint64_t index, in->Next());
      if (index >= next_.size()) return Broken(fmt::format("no input {}", index));
      input = index;
    }
    for (const size_t input : inputs) {
      MORAINE_ASSIGN(const uint64_t step, in->Next());
      int64_t position = 0;
      if (__builtin_add_overflow(next_[input], UnZigZag(step), &position) || position < 0 ||
          position > shape_.input_rows[input]) {
        return OutOfInput(input);
      }
      next_[input] = position;
      MORAINE_TRY(Keep(input, 1));
    }
    return {};
  }

  const MapShape& shape_;
  const Visit& visit_;
  MappedRows mapped_;
  uint64_t chunks_ = 0;
  std::vector<int64_t> output_rows_;  // mapped so far
  std::vector<int64_t> input_rows_;
  // Of the chunk.
  std::vector<int64_t> next_;
  size_t input_ = 0;
  std::optional<size_t> output_;
};

Status Decode(Call* call, ByteSource* source, const MapShape& shape, const Visit& visit) {
  std::string header, stored;
  MORAINE_TRY(source->Read(call, kHeaderBytes, &header));
  if (header != std::string_view(kMagic, kHeaderBytes)) return Broken("another format or version");
  Decoder decoder(shape, visit);
  while (true) {
    if (call != nullptr) MORAINE_TRY(call->Check());
    MORAINE_TRY(source->Read(call, kChunkHeaderBytes, &header));
    size_t size = 0;
    for (size_t i = 0; i < 4; ++i) size |= size_t{static_cast<uint8_t>(header[1 + i])} << (8 * i);
    if (size > ZSTD_compressBound(kMaxChunkBytes)) return Broken("a chunk is too large");
    MORAINE_TRY(source->Read(call, size, &stored));
    MORAINE_ASSIGN(const std::string raw, Uncompress(stored));
    if (header[0] == kEndChunk) {
      MORAINE_TRY(decoder.End(raw));
      return source->at_end() ? Status() : Broken("it goes on behind its end");
    }
    if (header[0] != kRowsChunk) return Broken("a chunk of no known kind");
    MORAINE_TRY(decoder.Rows(raw));
  }
}

/// The rows of a run that are in a set of its input, as positions of the output.
class RunMapper {
 public:
  RunMapper(const WantedPositions& positions, int64_t max_bytes)
      : positions_(positions), max_bytes_(max_bytes) {}

  Status Add(const MappedRun& run) {
    const auto wanted = positions_.find(run.input);
    if (wanted == positions_.end()) return {};
    for (int64_t done = 0; done < run.count; done += kSpanRows) {
      const int64_t first = run.first_position + done;
      within_.clear();
      wanted->second->AppendWithin(first, std::min(kSpanRows, run.count - done), &within_);
      if (within_.empty()) continue;
      for (int64_t& position : within_) position += run.first_output_position - run.first_position;
      mapped_[run.output].AddMany(within_);
      unchecked_ += within_.size();
      if (unchecked_ >= kBetweenChecks) MORAINE_TRY(CheckMemory());
    }
    return {};
  }

  Result<PositionsByFile> Finish() {
    MORAINE_TRY(CheckMemory());
    return std::move(mapped_);
  }

 private:
  static constexpr int64_t kSpanRows = int64_t{1} << 16;
  static constexpr size_t kBetweenChecks = size_t{1} << 18;

  Status CheckMemory() {
    unchecked_ = 0;
    int64_t bytes = 0;
    for (const auto& [output, set] : mapped_) bytes += set.memory_bytes();
    if (bytes <= max_bytes_) return {};
    return Exhausted("mapped deletes do not fit in memory: needed " + FormatByteSize(bytes) +
                     ", allowed " + FormatByteSize(max_bytes_));
  }

  const WantedPositions& positions_;
  const int64_t max_bytes_;
  PositionsByFile mapped_;
  std::vector<int64_t> within_;
  size_t unchecked_ = 0;
};

}  // namespace

Status position_map::CheckInstructions(std::string_view chunk, const MapShape& shape) {
  const Visit ignore = [](const MappedRun&) { return Status(); };
  return Decoder(shape, ignore).Rows(chunk);
}

Status VisitPositionMap(Call& call, io::FileSystem& files, const PositionMap& map,
                        const MapShape& shape, const Visit& visit) {
  MORAINE_ASSIGN(ByteSource source, ByteSource::Open(call, files, map));
  Status status = Decode(&call, &source, shape, visit);
  if (status.ok() || map.location.empty()) return status;
  return std::move(status).Annotate(map.location);
}

Status CheckPositionMap(const PositionMap& map, const MapShape& shape) {
  ByteSource source = ByteSource::Of(map.bytes);
  return Decode(nullptr, &source, shape, [](const MappedRun&) { return Status(); });
}

Result<PositionsByFile> MapPositions(Call& call, io::FileSystem& files, const PositionMap& map,
                                     const MapShape& shape, const WantedPositions& positions,
                                     int64_t max_bytes) {
  RunMapper mapper(positions, max_bytes);
  MORAINE_TRY(VisitPositionMap(call, files, map, shape,
                               [&](const MappedRun& run) { return mapper.Add(run); }));
  return mapper.Finish();
}

}  // namespace moraine::tasks
