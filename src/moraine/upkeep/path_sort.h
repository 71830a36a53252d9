#pragma once
// Sorting more paths than fit in memory: sorted runs go to the local disk (io/spool_file.h), and
// are merged while they are read. Used where what a table reaches is compared with what is there.
//
//   PathSorter reachable({.memory_bytes = 64 << 20, .spill_folder = options.spill_folder});
//   MORAINE_TRY(reachable.Add(key));                  // any number, any order, twice or not
//   MORAINE_ASSIGN(PathCursor at, reachable.Sort());
//   for (;;) { MORAINE_ASSIGN(bool more, at.Next()); if (!more) break; use(at.key()); }

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::upkeep {

struct PathSortOptions {
  int64_t memory_bytes = int64_t{64} << 20;  ///< held while adding, and while merging
  std::string spill_folder;                  ///< local; "": the system's for temporary files
  size_t max_runs = 64;                      ///< merged at the same time; at least 2
};

/// Reads the records in order: bytewise by key, then by payload; equal ones come once. Borrows from
/// the sorter, which must outlive it. Used by one thread.
class PathCursor {
 public:
  PathCursor(PathCursor&&) noexcept;
  PathCursor& operator=(PathCursor&&) noexcept;
  ~PathCursor();

  /// False at the end. Errors: Corruption, Unavailable (the temporary file).
  Result<bool> Next();
  /// Both valid until Next.
  std::string_view key() const;
  std::string_view payload() const;

 private:
  friend class PathSorter;
  class Source;
  explicit PathCursor(std::unique_ptr<Source> source);
  std::unique_ptr<Source> source_;
};

/// Used by one thread at a time.
class PathSorter {
 public:
  explicit PathSorter(PathSortOptions options);
  PathSorter(PathSorter&&) noexcept;
  PathSorter& operator=(PathSorter&&) noexcept;
  ~PathSorter();

  /// Errors: InvalidArgument (longer than 64 KiB), Exhausted (disk full), Unavailable.
  Status Add(std::string_view key, std::string_view payload = "");
  /// Ends the adding; may be called again, for another pass over the same records.
  Result<PathCursor> Sort();

  int64_t added() const;          ///< duplicates included
  int64_t spilled_bytes() const;  ///< written to the disk, merges included

 private:
  friend class PathCursor;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moraine::upkeep
