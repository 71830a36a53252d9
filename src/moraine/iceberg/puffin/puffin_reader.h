#pragma once
// Reads a Puffin file (Puffin spec): its footer and its blobs. Deletion vectors are read without
// the footer, by the range their manifest entry gives (iceberg/data). Used by tests and by whoever
// reads table statistics.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/puffin/puffin_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Used by one thread at a time.
class PuffinReader {
 public:
  /// Reads the footer; every blob lies inside the file. known_size is trusted. Errors: as io;
  /// Corruption, Unsupported (a flag or codec that is not known), Exhausted (a footer of over 64
  /// MiB); all name the file.
  static Result<PuffinReader> Open(Call& call, io::FileSystem& files, const std::string& location,
                                   std::optional<int64_t> known_size);

  const PuffinMetadata& metadata() const { return metadata_; }
  /// Footer magic, payload, size, flags and magic: file-footer-size-in-bytes of table metadata.
  int64_t footer_size_bytes() const { return footer_size_bytes_; }

  /// One of metadata().blobs, decompressed. Errors: Corruption, Exhausted over max_bytes, as io.
  Result<std::string> ReadBlob(Call& call, const PuffinBlob& blob, int64_t max_bytes);

 private:
  PuffinReader(std::string location, std::unique_ptr<io::RandomReader> file)
      : location_(std::move(location)), file_(std::move(file)) {}
  Status ReadFooter(Call& call);
  Status CheckBlobs() const;

  std::string location_;
  std::unique_ptr<io::RandomReader> file_;
  PuffinMetadata metadata_;
  int64_t footer_size_bytes_ = 0;
};

/// length bytes from offset on of an open file. Errors: Corruption when the range is not inside the
/// file, Exhausted over max_bytes, before anything is allocated; as io.
Result<std::string> ReadRange(Call& call, io::RandomReader& file, int64_t offset, int64_t length,
                              int64_t max_bytes);

}  // namespace moraine::iceberg
