#include "moraine/catalog/pending_scan_usage.h"

#include <limits>

#include "moraine/catalog/scan_usage_rows.h"

namespace moraine::catalog {
namespace {

constexpr int64_t kWaitMs = 5'000;
constexpr size_t kMostWaiting = 500;
constexpr size_t kMostTaken = 8;  ///< one request does the work of others, but not of all

}  // namespace

void PendingScanUsage::Add(int64_t table_id, const iceberg::ScanUsage& usage, int64_t at_ms,
                           int64_t now_ms) {
  std::lock_guard lock(mutex_);
  const Key key(table_id, ScanDay(at_ms));
  auto [found, is_new] = waiting_.try_emplace(key);
  Waiting& waiting = found->second;
  if (is_new) {
    waiting = {{table_id, at_ms, usage}, now_ms};
    oldest_first_.emplace_back(key, now_ms);
  } else {
    waiting.sum.usage.Add(usage);
  }
}

std::vector<PendingScanUsage::Sum> PendingScanUsage::TakeDue(int64_t now_ms) {
  std::lock_guard lock(mutex_);
  std::vector<Sum> due;
  while (!oldest_first_.empty() && due.size() < kMostTaken) {
    const auto& [key, since_ms] = oldest_first_.front();
    auto found = waiting_.find(key);
    const bool is_there = found != waiting_.end() && found->second.since_ms == since_ms;
    // A clock that was set back makes nobody wait.
    const bool waits = now_ms >= since_ms && now_ms < since_ms + kWaitMs;
    if (is_there && waits && waiting_.size() <= kMostWaiting) break;
    if (is_there) {
      due.push_back(std::move(found->second.sum));
      waiting_.erase(found);
    }
    oldest_first_.pop_front();
  }
  return due;
}

std::vector<PendingScanUsage::Sum> PendingScanUsage::TakeOf(int64_t table_id) {
  std::lock_guard lock(mutex_);
  std::vector<Sum> all;
  auto at = waiting_.lower_bound({table_id, std::numeric_limits<int64_t>::min()});
  while (at != waiting_.end() && at->first.first == table_id) {
    all.push_back(std::move(at->second.sum));
    at = waiting_.erase(at);
  }
  return all;
}

std::vector<PendingScanUsage::Sum> PendingScanUsage::TakeAll() {
  std::lock_guard lock(mutex_);
  std::vector<Sum> all;
  for (auto& [key, waiting] : waiting_) all.push_back(std::move(waiting.sum));
  waiting_.clear();
  oldest_first_.clear();
  return all;
}

}  // namespace moraine::catalog
