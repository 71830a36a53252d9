#include "moraine/splice/pipeline.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace moraine::splice {
namespace {

constexpr size_t kMaxPieces = 1024;

}  // namespace

// Shared with the pool: a task may still be queued when its piece is long done.
struct Pipeline::Piece {
  int64_t bytes = 0;
  std::function<Status()> work;
  std::function<Status()> finish;
  std::atomic<bool> is_claimed{false};

  std::mutex mutex;
  std::condition_variable changed;
  bool is_done = false;
  Status status;

  // False: somebody else has it.
  bool Run() {
    if (is_claimed.exchange(true)) return false;
    Status result = RunWork();
    const std::lock_guard lock(mutex);
    work = nullptr;
    status = std::move(result);
    is_done = true;
    changed.notify_all();
    return true;
  }
  Status RunWork() {
    try {
      return work ? work() : Status();
    } catch (const std::bad_alloc&) {
      return Exhausted("there is no memory left");
    } catch (const std::exception& error) {
      return Internal(std::string("a piece of work threw: ") + error.what());
    }
  }
  bool IsDone() {
    const std::lock_guard lock(mutex);
    return is_done;
  }
  void Wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return is_done; });
  }
};

// The pieces that nobody has begun. A task of the pool takes one after the other, so that as many
// may wait as fit into memory, not into the pool's queue. May outlive the pipeline.
class Pipeline::Waiting {
 public:
  // True: a task is to be asked for, as none is on its way.
  bool Add(std::shared_ptr<Piece> piece) {
    const std::lock_guard lock(mutex_);
    while (!pieces_.empty() && pieces_.front()->is_claimed) pieces_.pop_front();
    pieces_.push_back(std::move(piece));
    return !std::exchange(is_asked_, true);
  }
  void SetNotAsked() {
    const std::lock_guard lock(mutex_);
    is_asked_ = false;
  }
  void Help() {
    SetNotAsked();  // the next piece may be for another thread
    while (const std::shared_ptr<Piece> piece = Take()) piece->Run();
  }

 private:
  std::shared_ptr<Piece> Take() {
    const std::lock_guard lock(mutex_);
    while (!pieces_.empty()) {
      std::shared_ptr<Piece> piece = std::move(pieces_.front());
      pieces_.pop_front();
      if (!piece->is_claimed) return piece;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::deque<std::shared_ptr<Piece>> pieces_;
  bool is_asked_ = false;
};

Pipeline::Pipeline(Executor* pool, int64_t max_bytes)
    : pool_(pool), max_bytes_(max_bytes), waiting_(std::make_shared<Waiting>()) {}

Pipeline::~Pipeline() {
  for (const std::shared_ptr<Piece>& piece : pieces_) {
    if (piece->is_claimed.exchange(true)) piece->Wait();
  }
}

Status Pipeline::FinishFirst() {
  const std::shared_ptr<Piece> first = pieces_.front();
  if (!first->Run()) {
    // While another thread works on it, so does this one, on what comes next.
    for (size_t i = 1; i < pieces_.size() && !first->IsDone(); ++i) pieces_[i]->Run();
    first->Wait();
  }
  pieces_.pop_front();
  bytes_ -= first->bytes;
  // A task of the pool may hold the piece for longer.
  const std::function<Status()> finish = std::move(first->finish);
  first->finish = nullptr;
  MORAINE_TRY(std::move(first->status));
  return finish();
}

Status Pipeline::MakeRoom(int64_t bytes) {
  while (!pieces_.empty() && (bytes_ + bytes > max_bytes_ || pieces_.size() >= kMaxPieces)) {
    MORAINE_TRY(FinishFirst());
  }
  bytes_ += bytes;
  return {};
}

Status Pipeline::Push(int64_t bytes, std::function<Status()> work, std::function<Status()> finish) {
  MORAINE_TRY(MakeRoom(bytes));
  auto piece = std::make_shared<Piece>();
  piece->bytes = bytes;
  piece->work = std::move(work);
  piece->finish = std::move(finish);
  pieces_.push_back(piece);
  if (pool_ != nullptr && waiting_->Add(piece)) {
    // A full queue is no error: this thread does it when its turn comes.
    const Status submitted = pool_->Submit([waiting = waiting_] { waiting->Help(); });
    if (!submitted.ok()) waiting_->SetNotAsked();
  }
  return {};
}

Status Pipeline::Push(int64_t bytes, std::function<Status()> finish) {
  if (pieces_.empty()) return finish();
  MORAINE_TRY(MakeRoom(bytes));
  auto piece = std::make_shared<Piece>();
  piece->bytes = bytes;
  piece->is_claimed = true;
  piece->is_done = true;
  piece->finish = std::move(finish);
  pieces_.push_back(std::move(piece));
  return {};
}

Status Pipeline::Drain() {
  while (!pieces_.empty()) MORAINE_TRY(FinishFirst());
  return {};
}

}  // namespace moraine::splice
