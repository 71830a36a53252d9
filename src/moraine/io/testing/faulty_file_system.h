#pragma once
// Any file system, with faults. Operations, as FaultRule and EveryFault name them: "open", "read",
// "create", "append", "close", "stat", "list", "delete"; the subject is the location (of a deletion
// the first one).
//
// torn: an append that keeps half of its bytes; a close that leaves half of the file under its name
// (what HDFS may show and a local or object store never does); a deletion that did the first half
// of its list.

#include <memory>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/io/file_system.h"
#include "moraine/io/name_listing.h"

namespace moraine::io {

/// Thread-safe. The inner file system and the injector must outlive it and its files.
class FaultyFileSystem final : public FileSystem, public NameListing {
 public:
  FaultyFileSystem(FileSystem& inner, testing::FaultInjector& faults,
                   testing::SimClock* clock = nullptr)
      : inner_(inner), faults_(faults), clock_(clock) {}

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override;
  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override;
  Result<FileInfo> Stat(Call& call, const std::string& location) override;
  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override;
  Result<FileListing> ListNames(Call& call, const std::string& prefix,
                                const std::string& start_after, size_t limit) override;
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override;

 private:
  friend class FaultyReader;
  friend class FaultyWriter;
  /// The fault of this call that makes it fail; a slow one is served here.
  std::optional<testing::Fault> Next(std::string_view operation, const std::string& subject,
                                     testing::Effect effect);

  FileSystem& inner_;
  testing::FaultInjector& faults_;
  testing::SimClock* clock_;  // moved by slow faults; may be null
};

}  // namespace moraine::io
