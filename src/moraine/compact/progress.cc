#include "moraine/compact/progress.h"

#include <algorithm>

namespace moraine::compact {

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
      figures.bytes_done += (std::min(item->bytes, item->moved.read.load()) +
                             std::min(item->bytes, item->moved.written.load())) /
                            2;
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
