#pragma once
// List files: locations with size and time, any number of them in a file that is written and read
// in bounded memory. What is to be deleted, was moved aside or is to be counted stands in one; it
// is the record of a run, too. Written by worker tasks (find-orphans, unreachable files of expired
// snapshots), read in chunks by delete-files.
//
// Layout: 8 bytes "MRNLIST1", blocks (record_block.h), a footer (entries, bytes, and for each block
// its offset, size and first entry), the footer's offset and size (8 bytes each, little-endian),
// "MRNLIST1" again. A file that was cut short has no end and is Corruption.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/upkeep/record_block.h"

namespace moraine::upkeep {

/// Writes a new list in the order given. The file is there when Close returned OK.
class FileListWriter {
 public:
  /// Errors: AlreadyExists (also at Close); as io.
  static Result<FileListWriter> Make(Call& call, io::FileSystem& files, std::string location);

  Status Add(Call& call, const io::FileInfo& file);
  Status Close(Call& call);

  const std::string& location() const { return location_; }
  int64_t entries() const { return entries_; }
  int64_t bytes() const { return bytes_; }  ///< of the files that it names

 private:
  struct Block {
    int64_t offset = 0;
    int64_t size = 0;
    int64_t first = 0;
  };
  friend class FileListReader;

  FileListWriter(std::unique_ptr<io::Writer> writer, std::string location)
      : writer_(std::move(writer)), location_(std::move(location)) {}
  Status Flush(Call& call);

  std::unique_ptr<io::Writer> writer_;
  std::string location_;
  BlockBuilder block_;
  std::vector<Block> blocks_;
  int64_t offset_ = 0;
  int64_t entries_ = 0;
  int64_t bytes_ = 0;
};

/// Reads a list from its beginning, or from any entry on. Used by one thread. Errors of all:
/// Corruption; as io.
class FileListReader {
 public:
  static Result<FileListReader> Open(Call& call, io::FileSystem& files,
                                     const std::string& location);

  int64_t entries() const { return entries_; }
  int64_t bytes() const { return bytes_; }
  /// Next() gives this entry (from 0), then those behind it.
  Status Seek(Call& call, int64_t entry);
  /// False at the end.
  Result<bool> Next(Call& call, io::FileInfo* file);
  /// The entries from first on, at most count of them.
  Result<std::vector<io::FileInfo>> Read(Call& call, int64_t first, int64_t count);

 private:
  using Block = FileListWriter::Block;
  Status ReadFooter(Call& call);
  Status ReadBlock(Call& call);

  std::unique_ptr<io::RandomReader> reader_;
  std::string location_;
  std::vector<Block> blocks_;
  int64_t entries_ = 0;
  int64_t bytes_ = 0;
  size_t next_block_ = 0;
  BlockReader block_;
};

}  // namespace moraine::upkeep
