#pragma once
// Table metadata by metadata location: the raw bytes, sent to engines as they are, and the parsed
// form. A metadata file never changes, so an entry is never stale. Bounded in bytes, the least
// lately used go. What is too large to be kept is shared as long as somebody uses it, so that
// requests for one large table hold one copy between them.

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::catalog {

struct CachedMetadata {
  std::shared_ptr<const std::string> json;
  iceberg::TablePtr metadata;
};

/// Thread-safe.
class MetadataCache {
 public:
  explicit MetadataCache(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// The entry, or one with null pointers.
  CachedMetadata Find(const std::string& metadata_location);
  void Put(const std::string& metadata_location, CachedMetadata entry);

 private:
  /// Of an entry that is not kept.
  struct Borrowed {
    std::weak_ptr<const std::string> json;
    std::weak_ptr<const iceberg::TableMetadata> metadata;
    bool expired() const { return json.expired() || metadata.expired(); }
  };
  struct Entry {
    CachedMetadata content;
    int64_t bytes = 0;
    std::list<std::string>::iterator place;
  };

  const int64_t limit_bytes_;
  std::mutex mutex_;
  int64_t bytes_ = 0;
  std::list<std::string> recent_;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_map<std::string, Borrowed> borrowed_;
};

}  // namespace moraine::catalog
