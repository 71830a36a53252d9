#pragma once
// A new object of S3 being written: one PutObject if it is small, else parts of a multipart upload
// sent beside the writing, with bounded memory. Used by the S3 file system.

#include <memory>

#include "moraine/base/executor.h"
#include "moraine/io/file_system.h"
#include "moraine/io/s3_client.h"

namespace moraine::io {

/// client and pool are borrowed and outlive the writer. Memory: a part for the writer and one for
/// each part under way.
std::unique_ptr<Writer> MakeS3Writer(Call& call, S3Client& client, Executor& pool,
                                     const S3Location& at);

}  // namespace moraine::io
