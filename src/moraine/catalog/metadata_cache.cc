#include "moraine/catalog/metadata_cache.h"

namespace moraine::catalog {
namespace {

/// The parsed form takes about this many times its text.
constexpr int64_t kParsedFactor = 4;

}  // namespace

CachedMetadata MetadataCache::Find(const std::string& metadata_location) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(metadata_location);
  if (found == entries_.end()) {
    auto borrowed = borrowed_.find(metadata_location);
    if (borrowed == borrowed_.end()) return {};
    CachedMetadata content{borrowed->second.json.lock(), borrowed->second.metadata.lock()};
    return content.json && content.metadata ? content : CachedMetadata();
  }
  recent_.splice(recent_.begin(), recent_, found->second.place);
  return found->second.content;
}

void MetadataCache::Put(const std::string& metadata_location, CachedMetadata entry) {
  int64_t bytes = static_cast<int64_t>(entry.json->size()) * (1 + kParsedFactor);
  std::lock_guard lock(mutex_);
  if (bytes > limit_bytes_) {
    std::erase_if(borrowed_, [](const auto& item) { return item.second.expired(); });
    borrowed_[metadata_location] = {entry.json, entry.metadata};
    return;
  }
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
