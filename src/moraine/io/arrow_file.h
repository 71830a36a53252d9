#pragma once
// Our readers and writers as Arrow's files, for the Parquet, ORC and IPC readers and writers. Arrow
// may read from several of its threads at once; each read works on its own copy of the call.

#include <memory>

#include "moraine/base/call.h"
#include "moraine/io/file_system.h"

namespace arrow::io {
class OutputStream;
class RandomAccessFile;
}  // namespace arrow::io

namespace moraine::io {

/// Copies the call; what its Env points to must outlive the file.
std::shared_ptr<arrow::io::RandomAccessFile> ToArrowFile(const Call& call,
                                                         std::shared_ptr<RandomReader> reader);

/// Arrow's Close() is ours: it makes the file visible and durable. A stream that is dropped without
/// it abandons the file.
std::shared_ptr<arrow::io::OutputStream> ToArrowStream(const Call& call,
                                                       std::unique_ptr<Writer> writer);

}  // namespace moraine::io
