#pragma once
// What an S3 store answers, as plain values: pages of listings, deletions, errors, times. Pure,
// over bytes from outside. Used inside io; the spec is the S3 API reference.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::io {

struct S3Listed {
  std::string key;
  int64_t size_bytes = 0;
  int64_t modified_ms = 0;
};

struct S3ListPage {
  std::vector<S3Listed> objects;  ///< as sent; markers of folders among them
  bool truncated = false;
  std::string next_token;
};

/// ListBucketResult. Errors: Corruption.
Result<S3ListPage> ParseS3ListPage(std::string_view body);

struct S3Error {
  std::string code;     ///< "NoSuchKey"; "" when the body is no <Error>
  std::string message;  ///< at most 200 bytes
};

/// Never fails: a body that can't be read is an error without a code.
S3Error ParseS3Error(std::string_view body);

struct S3Deleted {
  std::string key;
  S3Error error;  ///< no code: deleted
};

/// DeleteResult: one entry per key that the store names. Errors: Corruption.
Result<std::vector<S3Deleted>> ParseS3Deleted(std::string_view body);

/// The body of DeleteObjects.
std::string S3DeleteBody(const std::vector<std::string>& keys);

/// The body of CompleteMultipartUpload: the parts' ETags from part 1 on.
std::string S3CompleteBody(const std::vector<std::string>& etags);

/// Text of a root's child, as in <InitiateMultipartUploadResult><UploadId>. Errors: Corruption when
/// the root has another name, or the child is not there.
Result<std::string> ParseS3Field(std::string_view body, std::string_view root,
                                 std::string_view field);

/// "2009-10-12T17:50:30.000Z" (listings) or "Mon, 12 Oct 2009 17:50:30 GMT" (headers): ms since the
/// epoch. Errors: Corruption.
Result<int64_t> ParseS3Time(std::string_view text);

/// "bytes 0-9/1234": 1234. Errors: Corruption.
Result<int64_t> ParseContentRangeSize(std::string_view text);

struct ContentRange {
  int64_t first = 0;
  int64_t last = 0;
  int64_t size = 0;  ///< of the whole object
};
/// "bytes 0-9/1234". Errors: Corruption, also for a range that is not inside of the object.
Result<ContentRange> ParseContentRange(std::string_view text);

}  // namespace moraine::io
