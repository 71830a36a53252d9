#include "moraine/catalog/row_checks.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "moraine/catalog/rows_internal.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::Transaction;

/// More are told at once that nobody knows.
constexpr size_t kMaxQuestions = 10'000;
constexpr size_t kMaxAtOnce = 64;
constexpr Millis kLimit{5'000};

bool IsSame(const KnownRow& known, const TabularRow& row) {
  return row.version == known.version && row.warehouse_id == known.warehouse_id &&
         row.name == known.name;
}

}  // namespace

RowChecks::~RowChecks() {
  {
    std::lock_guard lock(mutex_);
    thread_.RequestStop();
    asked_.notify_all();
  }
  thread_.Join();
  for (const Question& question : questions_) question.done(false);
}

void RowChecks::Begin(const Env& env) {
  std::lock_guard lock(mutex_);
  env_.emplace(env);
}

void RowChecks::Ask(const KnownRow& row, std::function<void(bool)> done) {
  {
    std::lock_guard lock(mutex_);
    if (env_ && questions_.size() < kMaxQuestions) {
      if (!thread_.joinable()) {
        thread_ = Thread("row-checks", [this](std::stop_token stop) { Work(std::move(stop)); });
      }
      questions_.push_back({row, std::move(done)});
      if (questions_.size() == 1) asked_.notify_one();
      return;
    }
  }
  done(false);
}

void RowChecks::Work(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const Env env = *env_;
  while (!stop.stop_requested()) {
    if (questions_.empty()) {
      env.clock.WaitUntil(lock, asked_, MonoTime::max(), stop);
      continue;
    }
    std::vector<Question> some;
    size_t count = std::min(questions_.size(), kMaxAtOnce);
    auto end = questions_.begin() + static_cast<std::ptrdiff_t>(count);
    some.assign(std::make_move_iterator(questions_.begin()), std::make_move_iterator(end));
    questions_.erase(questions_.begin(), end);
    lock.unlock();
    Answer(env, stop, some);
    lock.lock();
  }
}

void RowChecks::Answer(const Env& env, std::stop_token stop,
                       const std::vector<Question>& questions) {
  std::vector<int64_t> ids;
  for (const Question& question : questions) ids.push_back(question.row.id);
  Call call(env, kLimit, std::move(stop));
  auto rows = store::RunFor(call, database_, Access::kRead,
                            [&](Transaction& t) { return TabularsOf(t, ids); });
  for (const Question& question : questions) {
    bool same = false;
    if (rows.ok()) {
      auto row = std::find_if(rows->begin(), rows->end(),
                              [&](const TabularRow& r) { return r.id == question.row.id; });
      same = row != rows->end() && IsSame(question.row, *row);
    }
    question.done(same);
  }
}

}  // namespace moraine::catalog
