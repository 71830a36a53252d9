#include "moraine/compact/progress.h"

#include <algorithm>
#include <bit>

#include "moraine/iceberg/manifest/capped_sum.h"

namespace moraine::compact {

namespace {

double ShareOf(int64_t moved, int64_t all) {
  return all <= 0 ? 1.0 : static_cast<double>(std::min(moved, all)) / static_cast<double>(all);
}

/// As much as the inputs have; of those that it shares with other tasks a part.
int64_t BytesToWrite(const tasks::RewriteTask& task) {
  if (!task.range) return task.input_bytes();
  int64_t bytes = 0;
  for (size_t i = 0; i < task.rewrite.size(); ++i) {
    const int sharers = std::max(1, std::popcount(task.range->inputs[i]));
    bytes = iceberg::AddCapped(bytes, task.rewrite[i].file.file_size_in_bytes / sharers);
  }
  return bytes;
}

}  // namespace

ProgressFigures Progress::figures() const {
  ProgressFigures figures;
  figures.phase = phase_;
  std::lock_guard lock(mutex_);
  figures.tasks = static_cast<int64_t>(items_.size());
  for (const auto& item : items_) {
    figures.bytes += item->bytes;
    if (item->done) {
      ++figures.tasks_done;
      figures.bytes_done += item->bytes;
    } else {
      const double share =
          (ShareOf(item->moved.read, item->bytes) + ShareOf(item->moved.written, item->to_write)) /
          2;
      figures.bytes_done += static_cast<int64_t>(share * static_cast<double>(item->bytes));
    }
  }
  return figures;
}

void Progress::Begin(const std::vector<tasks::RewriteTask>& tasks) {
  std::lock_guard lock(mutex_);
  items_.clear();
  for (const auto& task : tasks) {
    items_.push_back(std::make_unique<Item>());
    items_.back()->bytes = task.input_bytes();
    items_.back()->to_write = BytesToWrite(task);
  }
}

MovedBytes* Progress::Of(size_t task) {
  std::lock_guard lock(mutex_);
  return &items_[task]->moved;
}

void Progress::Done(size_t task) {
  std::lock_guard lock(mutex_);
  items_[task]->done = true;
}

}  // namespace moraine::compact
