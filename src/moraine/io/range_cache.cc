#include "moraine/io/range_cache.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>

namespace moraine::io {
namespace {

/// One request's worth of bytes: planned, being fetched, there, or given up (read directly then).
struct Piece {
  enum class State { kPlanned, kFetching, kReady, kFailed };
  ByteRange range;
  /// Of what was announced, begin to end; when all has been read once, the piece goes. Readers read
  /// some bytes twice: their windows overlap.
  std::map<int64_t, int64_t> unread;
  bool stays = false;  ///< as long as its file is open
  State state = State::kPlanned;
  bool queued = false;
  std::shared_ptr<const std::string> bytes;
};

int64_t End(const ByteRange& range) { return range.offset + range.length; }

/// What of the ranges, which are sorted, lies in one.
std::map<int64_t, int64_t> Overlap(const std::vector<ByteRange>& ranges, const ByteRange& one) {
  std::map<int64_t, int64_t> parts;
  for (const ByteRange& range : ranges) {
    int64_t begin = std::max(range.offset, one.offset), end = std::min(End(range), End(one));
    if (begin >= end) continue;
    if (!parts.empty() && parts.rbegin()->second >= begin) {
      parts.rbegin()->second = std::max(parts.rbegin()->second, end);
    } else {
      parts.emplace_hint(parts.end(), begin, end);
    }
  }
  return parts;
}

/// Takes begin to end out of the parts.
void Remove(int64_t begin, int64_t end, std::map<int64_t, int64_t>* parts) {
  auto at = parts->upper_bound(begin);
  if (at != parts->begin() && std::prev(at)->second > begin) --at;
  while (at != parts->end() && at->first < end) {
    auto [first, last] = *at;
    at = parts->erase(at);
    if (first < begin) parts->emplace(first, begin);
    if (last > end) at = parts->emplace(end, last).first;
  }
}

/// What the cache and its requests under way share.
class Fetches : public std::enable_shared_from_this<Fetches> {
 public:
  Fetches(std::unique_ptr<RandomReader> inner, Executor& pool,
          std::shared_ptr<ReadAheadBudget> budget, const RangeCacheOptions& options)
      : options_(options), inner_(std::move(inner)), pool_(pool), budget_(std::move(budget)) {}

  ~Fetches() {
    for (const auto& [offset, piece] : pieces_) {
      if (piece->bytes != nullptr) budget_->Give(piece->range.length);
    }
  }

  int64_t size() const { return inner_->size(); }
  void Stop() { stop_.request_stop(); }

  void Announce(Call& call, std::span<const ByteRange> ranges) {
    std::vector<ByteRange> wanted(ranges.begin(), ranges.end());
    std::sort(wanted.begin(), wanted.end(),
              [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
    {
      std::lock_guard lock(mutex_);
      for (const ByteRange& range : PlanRequests(wanted, size(), options_)) {
        // Of small files all may be read again.
        Add(range, Overlap(wanted, range), /*stays=*/size() <= options_.small_file_bytes);
      }
    }
    StartMore(call);
  }

  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) {
    auto length = static_cast<int64_t>(buffer.size());
    bool is_inside = offset >= 0 && length <= size() && offset <= size() - length;
    if (!is_inside) return inner_->ReadAt(call, offset, buffer);
    if (length > 0) Widen({offset, length});
    while (!buffer.empty()) {
      int64_t some = static_cast<int64_t>(buffer.size());
      std::shared_ptr<Piece> piece = Covering(offset, &some);
      std::span<char> part = buffer.first(static_cast<size_t>(some));
      if (piece == nullptr || !TakeFrom(call, *piece, offset, part)) {
        MORAINE_TRY(inner_->ReadAt(call, offset, part));
      }
      if (piece != nullptr) Forget(call, piece, offset, offset + some);
      offset += some;
      buffer = buffer.subspan(static_cast<size_t>(some));
    }
    return {};
  }

 private:
  /// Plans more than a read that nobody announced asks for, where others are likely to follow.
  void Widen(const ByteRange& read) {
    std::lock_guard lock(mutex_);
    bool goes_on = read.offset == last_end_ && read.length < options_.window_bytes / 2;
    last_end_ = End(read);
    int64_t begin = 0, end = size();
    auto after = pieces_.upper_bound(read.offset);
    if (after != pieces_.end()) end = after->first;
    if (after != pieces_.begin()) begin = End(std::prev(after)->second->range);
    // Announced, or all that there is.
    if (read.offset < begin || read.length >= end - begin) return;
    bool first = reads_++ == 0;
    if (size() <= (first ? options_.tiny_file_bytes : options_.small_file_bytes)) {
      Add({begin, end - begin}, {}, /*stays=*/true);
    } else if (goes_on && End(read) <= end) {
      ByteRange window{read.offset, std::min(options_.window_bytes, end - read.offset)};
      Add(window, {{window.offset, End(window)}}, /*stays=*/false);
    }
  }

  /// Under the lock. A range that overlaps a piece which is there is left to direct reads.
  void Add(const ByteRange& range, std::map<int64_t, int64_t> unread, bool stays) {
    auto after = pieces_.lower_bound(range.offset);
    if (after != pieces_.end() && after->first < End(range)) return;
    if (after != pieces_.begin() && End(std::prev(after)->second->range) > range.offset) return;
    auto piece = std::make_shared<Piece>();
    piece->range = range;
    piece->unread = std::move(unread);
    piece->stays = stays;
    pieces_.emplace_hint(after, range.offset, std::move(piece));
  }

  /// The piece that holds the offset, or null; cuts *some to what it, or the gap before the next
  /// one, holds.
  std::shared_ptr<Piece> Covering(int64_t offset, int64_t* some) {
    std::lock_guard lock(mutex_);
    auto after = pieces_.upper_bound(offset);
    if (after != pieces_.begin()) {
      const auto& piece = std::prev(after)->second;
      if (End(piece->range) > offset) {
        *some = std::min(*some, End(piece->range) - offset);
        return piece;
      }
    }
    if (after != pieces_.end()) *some = std::min(*some, after->first - offset);
    return nullptr;
  }

  /// Fills part from the piece, which is fetched or waited for. False: read it directly.
  bool TakeFrom(Call& call, Piece& piece, int64_t offset, std::span<char> part) {
    std::shared_ptr<const std::string> bytes;
    {
      std::unique_lock lock(mutex_);
      if (piece.state == Piece::State::kPlanned) {
        lock.unlock();
        Fetch(call, piece);
        lock.lock();
      }
      while (piece.state == Piece::State::kFetching && call.Check().ok()) {
        call.clock().WaitUntil(lock, changed_, call.deadline(), call.stop());
      }
      bytes = piece.bytes;
    }
    if (bytes == nullptr) return false;
    std::memcpy(part.data(), bytes->data() + (offset - piece.range.offset), part.size());
    return true;
  }

  /// Fetches a planned piece on this thread; of no effect on one that another has taken.
  void Fetch(Call& call, Piece& piece) {
    {
      std::lock_guard lock(mutex_);
      if (piece.state != Piece::State::kPlanned) return;
      bool held = budget_->Take(piece.range.length);
      piece.state = held ? Piece::State::kFetching : Piece::State::kFailed;
      if (!held) return;
      ++under_way_;
    }
    std::shared_ptr<std::string> bytes;
    Status read;
    try {  // others wait for what becomes of it
      bytes = std::make_shared<std::string>(static_cast<size_t>(piece.range.length), '\0');
      read = inner_->ReadAt(call, piece.range.offset, *bytes);
    } catch (const std::exception& error) {
      read = Unavailable(error.what());
    }
    {
      std::lock_guard lock(mutex_);
      --under_way_;
      bool wanted = read.ok() && (piece.stays || !piece.unread.empty());
      piece.state = wanted ? Piece::State::kReady : Piece::State::kFailed;
      if (wanted) {
        piece.bytes = std::move(bytes);
      } else {
        budget_->Give(piece.range.length);
      }
    }
    changed_.notify_all();
  }

  /// Notes bytes as read; a piece that is read whole goes, and others may come.
  void Forget(Call& call, const std::shared_ptr<Piece>& piece, int64_t begin, int64_t end) {
    {
      std::lock_guard lock(mutex_);
      if (piece->stays) return;
      Remove(begin, end, &piece->unread);
      if (!piece->unread.empty()) return;
      auto found = pieces_.find(piece->range.offset);
      if (found == pieces_.end() || found->second != piece) return;
      if (piece->bytes != nullptr) budget_->Give(piece->range.length);
      piece->bytes.reset();
      pieces_.erase(found);
    }
    StartMore(call);
  }

  /// Queues planned pieces, as many as may be under way.
  void StartMore(const Call& call) {
    std::vector<std::shared_ptr<Piece>> starting;
    {
      std::lock_guard lock(mutex_);
      size_t busy = under_way_ + queued_;
      for (const auto& [offset, piece] : pieces_) {
        if (busy >= options_.at_once || budget_->free_bytes() < piece->range.length) break;
        if (piece->state != Piece::State::kPlanned || piece->queued) continue;
        piece->queued = true;
        ++queued_;
        ++busy;
        starting.push_back(piece);
      }
    }
    for (auto& piece : starting) {
      Call own(call.env(), call.remaining(), stop_.get_token());
      own.set_trace_id(call.trace_id());
      Status queued = pool_.Submit([self = shared_from_this(), piece, own]() mutable {
        {
          std::lock_guard lock(self->mutex_);
          --self->queued_;
        }
        if (self->stop_.stop_requested()) return;
        self->Fetch(own, *piece);
        self->StartMore(own);
      });
      if (!queued.ok()) {  // whoever reads it fetches it
        std::lock_guard lock(mutex_);
        --queued_;
      }
    }
  }

  const RangeCacheOptions options_;
  const std::unique_ptr<RandomReader> inner_;
  Executor& pool_;
  const std::shared_ptr<ReadAheadBudget> budget_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<int64_t, std::shared_ptr<Piece>> pieces_;  ///< by offset; none overlap
  int64_t reads_ = 0;                                 ///< that nobody announced
  int64_t last_end_ = 0;                              ///< of the last of them
  size_t under_way_ = 0;
  size_t queued_ = 0;
};

class RangeCache final : public AheadReader {
 public:
  explicit RangeCache(std::shared_ptr<Fetches> fetches) : fetches_(std::move(fetches)) {}
  ~RangeCache() override { fetches_->Stop(); }

  int64_t size() const override { return fetches_->size(); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    return fetches_->ReadAt(call, offset, buffer);
  }
  void WillRead(Call& call, std::span<const ByteRange> ranges) override {
    fetches_->Announce(call, ranges);
  }

 private:
  const std::shared_ptr<Fetches> fetches_;
};

}  // namespace

bool ReadAheadBudget::Take(int64_t bytes) {
  int64_t free = free_.load();
  while (free >= bytes) {
    if (free_.compare_exchange_weak(free, free - bytes)) return true;
  }
  return false;
}

void WillRead(Call& call, RandomReader& reader, std::span<const ByteRange> ranges) {
  if (auto* ahead = dynamic_cast<AheadReader*>(&reader)) ahead->WillRead(call, ranges);
}

std::vector<ByteRange> PlanRequests(std::vector<ByteRange> ranges, int64_t file_bytes,
                                    const RangeCacheOptions& options) {
  std::sort(ranges.begin(), ranges.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  std::vector<ByteRange> merged;
  for (ByteRange range : ranges) {
    if (range.offset < 0 || range.length <= 0 || range.offset >= file_bytes) continue;
    range.length = std::min(range.length, file_bytes - range.offset);
    if (!merged.empty() && range.offset - End(merged.back()) < options.gap_bytes) {
      merged.back().length = std::max(End(merged.back()), End(range)) - merged.back().offset;
    } else {
      merged.push_back(range);
    }
  }
  std::vector<ByteRange> requests;
  for (const ByteRange& range : merged) {
    // Pieces of the same size, so that the last is not a sliver.
    int64_t count = (range.length + options.request_bytes - 1) / options.request_bytes;
    int64_t each = (range.length + count - 1) / count;
    for (int64_t at = range.offset; at < End(range); at += each) {
      requests.push_back({at, std::min(each, End(range) - at)});
    }
  }
  return requests;
}

std::unique_ptr<AheadReader> MakeRangeCache(std::unique_ptr<RandomReader> inner, Executor& pool,
                                            std::shared_ptr<ReadAheadBudget> budget,
                                            const RangeCacheOptions& options) {
  return std::make_unique<RangeCache>(
      std::make_shared<Fetches>(std::move(inner), pool, std::move(budget), options));
}

}  // namespace moraine::io
