#include "moraine/catalog/metadata_cache.h"

namespace moraine::catalog {
namespace {

/// The parsed form takes about this many times its text.
constexpr int64_t kParsedFactor = 4;

}  // namespace

CachedMetadata MetadataCache::Find(const std::string& metadata_location) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(metadata_location);
  if (found == entries_.end()) return {};
  recent_.splice(recent_.begin(), recent_, found->second.place);
  return found->second.content;
}

void MetadataCache::Put(const std::string& metadata_location, CachedMetadata entry) {
  int64_t bytes = static_cast<int64_t>(entry.json->size()) * (1 + kParsedFactor);
  if (bytes > limit_bytes_) return;
  std::lock_guard lock(mutex_);
  if (entries_.contains(metadata_location)) return;
  recent_.push_front(metadata_location);
  entries_.emplace(metadata_location, Entry{std::move(entry), bytes, recent_.begin()});
  bytes_ += bytes;
  while (bytes_ > limit_bytes_) {
    auto last = entries_.find(recent_.back());
    bytes_ -= last->second.bytes;
    entries_.erase(last);
    recent_.pop_back();
  }
}

}  // namespace moraine::catalog
