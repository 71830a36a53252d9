#pragma once
// Metadata of tables and views by metadata location: the raw bytes, sent to engines as they are,
// and the parsed form. A metadata file never changes, so an entry is never stale; what is
// registered was written by others, perhaps anew, and replaces its entry. Bounded in bytes, the
// least lately used go. What is too large to be kept is shared as long as somebody uses it, so that
// requests for one large table hold one copy between them.

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/view/view_metadata.h"

namespace moraine::catalog {

/// Of a table.
struct CachedMetadata {
  std::shared_ptr<const std::string> json;
  iceberg::TablePtr metadata;
};

struct CachedView {
  std::shared_ptr<const std::string> json;
  iceberg::ViewPtr metadata;
};

/// Thread-safe.
class MetadataCache {
 public:
  explicit MetadataCache(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// The entry, or one with null pointers.
  CachedMetadata Find(const std::string& metadata_location);
  void Put(const std::string& metadata_location, CachedMetadata entry);
  /// Of a file that was just read, whatever was kept of it before.
  void Replace(const std::string& metadata_location, CachedMetadata entry);
  /// The same of views: what is kept as a table is not found here.
  CachedView FindView(const std::string& metadata_location);
  void PutView(const std::string& metadata_location, CachedView entry);
  void ReplaceView(const std::string& metadata_location, CachedView entry);

 private:
  enum class Kind { kTable, kView };
  struct Content {
    std::shared_ptr<const std::string> json;
    std::shared_ptr<const void> metadata;  ///< of the kind
    Kind kind = Kind::kTable;
  };
  /// Of an entry that is not kept.
  struct Borrowed {
    std::weak_ptr<const std::string> json;
    std::weak_ptr<const void> metadata;
    Kind kind = Kind::kTable;
    bool expired() const { return json.expired() || metadata.expired(); }
  };
  struct Entry {
    Content content;
    int64_t bytes = 0;
    std::list<std::string>::iterator place;
  };

  Content FindAny(const std::string& metadata_location, Kind kind);
  void PutAny(const std::string& metadata_location, Content content);
  void ReplaceAny(const std::string& metadata_location, Content content);
  /// With the mutex held.
  void Keep(const std::string& metadata_location, Content content);

  const int64_t limit_bytes_;
  std::mutex mutex_;
  int64_t bytes_ = 0;
  std::list<std::string> recent_;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_map<std::string, Borrowed> borrowed_;
};

}  // namespace moraine::catalog
