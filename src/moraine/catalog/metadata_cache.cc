#include "moraine/catalog/metadata_cache.h"

#include <utility>

namespace moraine::catalog {
namespace {

/// The parsed form takes about this many times its text.
constexpr int64_t kParsedFactor = 4;

}  // namespace

MetadataCache::Content MetadataCache::FindAny(const std::string& metadata_location, Kind kind) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(metadata_location);
  if (found == entries_.end()) {
    auto borrowed = borrowed_.find(metadata_location);
    if (borrowed == borrowed_.end() || borrowed->second.kind != kind) return {};
    Content content{borrowed->second.json.lock(), borrowed->second.metadata.lock(), kind};
    return content.json && content.metadata ? content : Content();
  }
  if (found->second.content.kind != kind) return {};
  recent_.splice(recent_.begin(), recent_, found->second.place);
  return found->second.content;
}

void MetadataCache::PutAny(const std::string& metadata_location, Content content) {
  std::lock_guard lock(mutex_);
  Keep(metadata_location, std::move(content));
}

void MetadataCache::ReplaceAny(const std::string& metadata_location, Content content) {
  std::lock_guard lock(mutex_);
  if (auto found = entries_.find(metadata_location); found != entries_.end()) {
    bytes_ -= found->second.bytes;
    recent_.erase(found->second.place);
    entries_.erase(found);
  }
  borrowed_.erase(metadata_location);
  Keep(metadata_location, std::move(content));
}

void MetadataCache::Keep(const std::string& metadata_location, Content content) {
  int64_t bytes = static_cast<int64_t>(content.json->size()) * (1 + kParsedFactor);
  if (bytes > limit_bytes_) {
    std::erase_if(borrowed_, [](const auto& item) { return item.second.expired(); });
    borrowed_[metadata_location] = {content.json, content.metadata, content.kind};
    return;
  }
  if (entries_.contains(metadata_location)) return;
  recent_.push_front(metadata_location);
  entries_.emplace(metadata_location, Entry{std::move(content), bytes, recent_.begin()});
  bytes_ += bytes;
  while (bytes_ > limit_bytes_) {
    auto last = entries_.find(recent_.back());
    bytes_ -= last->second.bytes;
    entries_.erase(last);
    recent_.pop_back();
  }
}

CachedMetadata MetadataCache::Find(const std::string& metadata_location) {
  Content content = FindAny(metadata_location, Kind::kTable);
  return {std::move(content.json),
          std::static_pointer_cast<const iceberg::TableMetadata>(std::move(content.metadata))};
}

void MetadataCache::Put(const std::string& metadata_location, CachedMetadata entry) {
  PutAny(metadata_location, {std::move(entry.json), std::move(entry.metadata), Kind::kTable});
}

void MetadataCache::Replace(const std::string& metadata_location, CachedMetadata entry) {
  ReplaceAny(metadata_location, {std::move(entry.json), std::move(entry.metadata), Kind::kTable});
}

CachedView MetadataCache::FindView(const std::string& metadata_location) {
  Content content = FindAny(metadata_location, Kind::kView);
  return {std::move(content.json),
          std::static_pointer_cast<const iceberg::ViewMetadata>(std::move(content.metadata))};
}

void MetadataCache::PutView(const std::string& metadata_location, CachedView entry) {
  PutAny(metadata_location, {std::move(entry.json), std::move(entry.metadata), Kind::kView});
}

void MetadataCache::ReplaceView(const std::string& metadata_location, CachedView entry) {
  ReplaceAny(metadata_location, {std::move(entry.json), std::move(entry.metadata), Kind::kView});
}

}  // namespace moraine::catalog
