#include "moraine/upkeep/path_sort.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <utility>

#include "moraine/io/spool_file.h"
#include "moraine/upkeep/record_block.h"

namespace moraine::upkeep {
namespace {

constexpr size_t kMaxChunkBytes = size_t{1} << 20;

/// A record in memory: the key, and the payload right behind it.
struct Record {
  const char* bytes;
  uint32_t key_size;
  uint32_t payload_size;

  std::string_view key() const { return {bytes, key_size}; }
  std::string_view payload() const { return {bytes + key_size, payload_size}; }
};

/// Bytes of records, and the records; freed together.
class RecordBuffer {
 public:
  explicit RecordBuffer(size_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  void Add(std::string_view key, std::string_view payload) {
    const size_t size = key.size() + payload.size();
    if (chunks_.empty() || used_ + size > chunk_size_) {
      chunk_size_ = std::max(chunk_bytes_, size);
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_size_));
      held_bytes_ += chunk_size_;
      used_ = 0;
    }
    char* to = chunks_.back().get() + used_;
    if (!key.empty()) std::memcpy(to, key.data(), key.size());
    if (!payload.empty()) std::memcpy(to + key.size(), payload.data(), payload.size());
    used_ += size;
    records_.push_back(
        {to, static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload.size())});
  }

  /// Sorts, and leaves of equal records one.
  void Sort() {
    std::vector<Keyed> keyed = WithHeads();
    std::sort(keyed.begin(), keyed.end(), [this](const Keyed& a, const Keyed& b) {
      if (a.head != b.head) return a.head < b.head;
      return Less(records_[a.index], records_[b.index]);
    });
    std::vector<Record> sorted;
    sorted.reserve(keyed.size());
    for (const Keyed& one : keyed) {
      const Record& record = records_[one.index];
      if (sorted.empty() || sorted.back().key() != record.key() ||
          sorted.back().payload() != record.payload()) {
        sorted.push_back(record);
      }
    }
    records_ = std::move(sorted);
  }

  void Clear() {
    chunks_.clear();
    records_ = {};
    held_bytes_ = used_ = chunk_size_ = 0;
  }

  const std::vector<Record>& records() const { return records_; }
  /// With what growing and sorting take beside the records.
  size_t held_bytes() const { return held_bytes_ + records_.size() * 4 * sizeof(Record); }

 private:
  struct Keyed {
    uint64_t head;  // the eight bytes behind what all keys share, as a number
    uint32_t index;
  };

  static bool Less(const Record& a, const Record& b) {
    const int order = a.key().compare(b.key());
    return order != 0 ? order < 0 : a.payload() < b.payload();
  }

  size_t SharedByAll() const {
    if (records_.empty()) return 0;
    std::string_view shared = records_.front().key();
    for (const Record& record : records_) {
      const std::string_view key = record.key();
      if (key.starts_with(shared)) continue;
      size_t i = 0;
      while (i < key.size() && key[i] == shared[i]) ++i;
      shared = shared.substr(0, i);
    }
    return shared.size();
  }

  std::vector<Keyed> WithHeads() const {
    const size_t shared = SharedByAll();
    std::vector<Keyed> keyed;
    keyed.reserve(records_.size());
    for (size_t i = 0; i < records_.size(); ++i) {
      const std::string_view rest = records_[i].key().substr(shared);
      uint64_t head = 0;
      for (size_t b = 0; b < 8; ++b) {
        head = head << 8 | (b < rest.size() ? static_cast<unsigned char>(rest[b]) : 0U);
      }
      keyed.push_back({head, static_cast<uint32_t>(i)});
    }
    return keyed;
  }

  size_t chunk_bytes_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::vector<Record> records_;
  size_t used_ = 0;
  size_t chunk_size_ = 0;
  size_t held_bytes_ = 0;
};

/// Sorted records on the disk: blocks, each behind its size.
class Run {
 public:
  explicit Run(io::SpoolFile file) : file_(std::move(file)) {}

  Status Add(std::string_view key, std::string_view payload, size_t block_bytes) {
    MORAINE_TRY(builder_.Add(key, payload));
    return builder_.raw_bytes() < block_bytes ? Status() : Flush();
  }
  Status Finish() {
    if (builder_.records() > 0) MORAINE_TRY(Flush());
    return file_.Finish();
  }
  const io::SpoolFile& file() const { return file_; }

 private:
  Status Flush() {
    MORAINE_ASSIGN(const std::string block, builder_.Finish());
    const auto size = static_cast<uint32_t>(block.size());
    char bytes[sizeof(size)];
    std::memcpy(bytes, &size, sizeof(size));
    MORAINE_TRY(file_.Append({bytes, sizeof(size)}));
    return file_.Append(block);
  }

  io::SpoolFile file_;
  BlockBuilder builder_;
};

class RunReader {
 public:
  explicit RunReader(const Run& run) : file_(&run.file()) {}

  Result<bool> Next() {
    for (;;) {
      MORAINE_ASSIGN(const bool more, block_.Next());
      if (more) return true;
      if (offset_ == file_->size()) return false;
      MORAINE_TRY(ReadBlock());
    }
  }
  std::string_view key() const { return block_.key(); }
  std::string_view payload() const { return block_.payload(); }

 private:
  Status ReadBlock() {
    uint32_t size = 0;
    char bytes[sizeof(size)];
    MORAINE_TRY(file_->ReadAt(offset_, bytes));
    std::memcpy(&size, bytes, sizeof(size));
    offset_ += sizeof(size);
    if (size > file_->size() - offset_) return Corruption("a temporary file's block is cut short");
    std::string block(size, '\0');
    MORAINE_TRY(file_->ReadAt(offset_, block));
    offset_ += size;
    MORAINE_ASSIGN(block_, BlockReader::Decode(block));
    return {};
  }

  const io::SpoolFile* file_;
  int64_t offset_ = 0;
  BlockReader block_;
};

/// Several runs as one.
class Merge {
  auto Later() const {
    return [this](size_t a, size_t b) {
      const int order = readers_[a].key().compare(readers_[b].key());
      return order != 0 ? order > 0 : readers_[a].payload() > readers_[b].payload();
    };
  }

 public:
  Status Begin(const std::deque<Run>& runs, size_t count) {
    for (size_t i = 0; i < count; ++i) readers_.emplace_back(runs[i]);
    for (size_t i = 0; i < count; ++i) {
      MORAINE_ASSIGN(const bool more, readers_[i].Next());
      if (more) Push(i);
    }
    return {};
  }

  Result<bool> Next() {
    for (;;) {
      if (current_ < readers_.size()) {
        last_key_.assign(readers_[current_].key());
        last_payload_.assign(readers_[current_].payload());
        MORAINE_ASSIGN(const bool more, readers_[current_].Next());
        if (more) Push(current_);
      }
      if (heap_.empty()) return false;
      std::pop_heap(heap_.begin(), heap_.end(), Later());
      const bool first = current_ >= readers_.size();
      current_ = heap_.back();
      heap_.pop_back();
      if (first || key() != last_key_ || payload() != last_payload_) return true;
    }
  }
  std::string_view key() const { return readers_[current_].key(); }
  std::string_view payload() const { return readers_[current_].payload(); }

 private:
  void Push(size_t i) {
    heap_.push_back(i);
    std::push_heap(heap_.begin(), heap_.end(), Later());
  }

  std::vector<RunReader> readers_;
  std::vector<size_t> heap_;  // of readers that stand at a record; the smallest on top
  size_t current_ = SIZE_MAX;
  std::string last_key_, last_payload_;
};

}  // namespace

struct PathSorter::State {
  explicit State(PathSortOptions given)
      : options(std::move(given)),
        buffer(std::clamp<size_t>(memory() / 16, 4 << 10, kMaxChunkBytes)) {
    options.max_runs = std::max<size_t>(options.max_runs, 2);
    block_bytes = std::clamp<size_t>(memory() / (4 * options.max_runs), 4 << 10, 256 << 10);
  }

  size_t memory() const { return static_cast<size_t>(std::max<int64_t>(options.memory_bytes, 0)); }

  Status Spill() {
    buffer.Sort();
    if (buffer.records().empty()) return {};
    MORAINE_ASSIGN(auto file, io::SpoolFile::Make(options.spill_folder));
    Run run(std::move(file));
    for (const Record& record : buffer.records()) {
      MORAINE_TRY(run.Add(record.key(), record.payload(), block_bytes));
    }
    MORAINE_TRY(run.Finish());
    spilled_bytes += run.file().size();
    runs.push_back(std::move(run));
    buffer.Clear();
    if (runs.size() >= 2 * options.max_runs) MORAINE_TRY(MergeFirst());
    return {};
  }

  /// The oldest runs become one.
  Status MergeFirst() {
    const size_t count = std::min(options.max_runs, runs.size());
    MORAINE_ASSIGN(auto file, io::SpoolFile::Make(options.spill_folder));
    Run merged(std::move(file));
    Merge merge;
    MORAINE_TRY(merge.Begin(runs, count));
    for (;;) {
      MORAINE_ASSIGN(const bool more, merge.Next());
      if (!more) break;
      MORAINE_TRY(merged.Add(merge.key(), merge.payload(), block_bytes));
    }
    MORAINE_TRY(merged.Finish());
    spilled_bytes += merged.file().size();
    runs.erase(runs.begin(), runs.begin() + static_cast<ptrdiff_t>(count));
    runs.push_back(std::move(merged));
    return {};
  }

  PathSortOptions options;
  size_t block_bytes = 0;
  RecordBuffer buffer;
  std::deque<Run> runs;
  int64_t added = 0;
  int64_t spilled_bytes = 0;
  bool sorted = false;
};

class PathCursor::Source {
 public:
  explicit Source(const std::vector<Record>& records) : records_(records) {}
  explicit Source(Merge merge) : merge_(std::make_unique<Merge>(std::move(merge))) {}

  Result<bool> Next() {
    if (merge_ != nullptr) return merge_->Next();
    if (at_ == records_.size()) return false;
    ++at_;
    return true;
  }
  std::string_view key() const { return merge_ ? merge_->key() : records_[at_ - 1].key(); }
  std::string_view payload() const {
    return merge_ ? merge_->payload() : records_[at_ - 1].payload();
  }

 private:
  std::span<const Record> records_;
  size_t at_ = 0;
  std::unique_ptr<Merge> merge_;  // null: in memory
};

PathCursor::PathCursor(std::unique_ptr<Source> source) : source_(std::move(source)) {}
PathCursor::PathCursor(PathCursor&&) noexcept = default;
PathCursor& PathCursor::operator=(PathCursor&&) noexcept = default;
PathCursor::~PathCursor() = default;

Result<bool> PathCursor::Next() { return source_->Next(); }
std::string_view PathCursor::key() const { return source_->key(); }
std::string_view PathCursor::payload() const { return source_->payload(); }

PathSorter::PathSorter(PathSortOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
PathSorter::PathSorter(PathSorter&&) noexcept = default;
PathSorter& PathSorter::operator=(PathSorter&&) noexcept = default;
PathSorter::~PathSorter() = default;

Status PathSorter::Add(std::string_view key, std::string_view payload) {
  if (state_->sorted) return Internal("a path is added to what was sorted");
  if (key.size() > kMaxRecordBytes || payload.size() > kMaxRecordBytes) {
    return InvalidArgument("a path is longer than 64 KiB: " + std::string(key.substr(0, 200)));
  }
  state_->buffer.Add(key, payload);
  ++state_->added;
  if (static_cast<int64_t>(state_->buffer.held_bytes()) < state_->options.memory_bytes) return {};
  return state_->Spill();
}

Result<PathCursor> PathSorter::Sort() {
  State& state = *state_;
  if (!state.sorted) {
    if (state.runs.empty()) {
      state.buffer.Sort();
    } else {
      MORAINE_TRY(state.Spill());
      while (state.runs.size() > state.options.max_runs) MORAINE_TRY(state.MergeFirst());
    }
    state.sorted = true;
  }
  if (state.runs.empty()) {
    return PathCursor(std::make_unique<PathCursor::Source>(state.buffer.records()));
  }
  Merge merge;
  MORAINE_TRY(merge.Begin(state.runs, state.runs.size()));
  return PathCursor(std::make_unique<PathCursor::Source>(std::move(merge)));
}

int64_t PathSorter::added() const { return state_->added; }
int64_t PathSorter::spilled_bytes() const { return state_->spilled_bytes; }

}  // namespace moraine::upkeep
