#pragma once
// Files that may be dead, by 64-bit hashes of their keys: a path takes some ten bytes more than its
// name, since folders are kept once, and nothing is allocated for each. Used by expired_files.cc.
// Filled first, then thinned out.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::upkeep {

/// Used by one thread.
class CandidateSet {
 public:
  struct Candidate {
    std::string path;
    int64_t bytes = 0;
    uint8_t kind = 0;
  };

  /// Nothing happens where the hash is there already.
  void Add(uint64_t hash, std::string_view path, int64_t bytes, uint8_t kind);
  /// Not for those that are added again.
  void Erase(uint64_t hash);
  /// Forgets those whose hashes are higher.
  void KeepUpTo(uint64_t hash);

  bool empty() const { return live_ == 0; }
  size_t size() const { return live_; }
  size_t held_bytes() const;
  /// In the order of paths. Errors: of visit.
  Status Visit(const std::function<Status(const Candidate&)>& visit) const;

 private:
  struct Item {
    uint64_t hash = 0;
    const char* name = nullptr;
    int64_t bytes = 0;
    uint32_t name_size = 0;
    uint32_t folder = 0;
    uint8_t kind = 0;
    bool is_live = true;
  };

  /// The slot of the hash, or the empty one where it belongs.
  size_t SlotOf(uint64_t hash) const;
  void Grow();
  uint32_t FolderOf(std::string_view folder);
  const char* Keep(std::string_view name);
  std::string_view NameOf(const Item& item) const { return {item.name, item.name_size}; }

  std::vector<Item> items_;
  std::vector<uint32_t> slots_;  // index of an item + 1; 0: empty. A power of two
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t chunk_size_ = 0;
  size_t used_ = 0;  // of the last chunk
  size_t chunk_bytes_ = 0;
  std::unordered_map<std::string, uint32_t> folder_ids_;
  std::vector<const std::string*> folders_;
  size_t folder_bytes_ = 0;
  size_t live_ = 0;
};

}  // namespace moraine::upkeep
