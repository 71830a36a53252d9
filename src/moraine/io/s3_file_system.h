#pragma once
// Files of an S3 store: s3://bucket/key, with s3a:// and s3n:// as other names of the same.
//
// Reading: one ranged GET a call, several at once for large ones; a file opened without a known
// size brings its first MiB along with the answer to "how large". Writing: see s3_writer.h; a name
// is taken once, by If-None-Match (S3Options::Existing). There are no folders; markers of folders
// ("data/") are not listed. A key is the text behind the bucket, byte for
// byte. Pages of listings are in the store's order: that of the keys' bytes at Amazon and most,
// folder by folder at some (SeaweedFS); a listing that fits into one page is sorted either way.

#include <memory>

#include "moraine/io/file_system.h"
#include "moraine/io/s3_options.h"

namespace moraine::net {
class HttpTransport;
}

namespace moraine::io {

/// Makes options.threads threads. Readers and writers must not outlive the file system.
std::unique_ptr<FileSystem> MakeS3FileSystem(const S3Options& options);
/// The same over another transport: for tests.
std::unique_ptr<FileSystem> MakeS3FileSystem(const S3Options& options,
                                             std::unique_ptr<net::HttpTransport> transport);

}  // namespace moraine::io
