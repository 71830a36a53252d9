// Copies that an S3 store makes by itself: CopyObject, and for large objects an upload whose parts
// are copied (UploadPartCopy). Part of S3Client.
//
// The source is named with its ETag, so that what is copied is what was looked at. However the
// store answers, a HEAD tells what was made: answers get lost, and success may hold an error.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/random.h"
#include "moraine/base/text.h"
#include "moraine/io/s3_client.h"

namespace moraine::io {
namespace {

constexpr Millis kAbortLimit{10'000};

std::string WhereOf(const S3Location& at) { return at.before_key + at.key; }

/// False: by size, or by what the bytes sum up to where the store says that.
bool MayBeSame(const S3Client::Found& a, const S3Client::Found& b) {
  return a.size_bytes == b.size_bytes && (a.md5.empty() || b.md5.empty() || a.md5 == b.md5);
}

bool IsSame(const S3Client::Found& a, const S3Client::Found& b) {
  return MayBeSame(a, b) && !a.etag.empty() && a.etag == b.etag;
}

net::Headers CopyHeaders(const S3Location& from, const S3Client::Found& source) {
  net::Headers headers;
  headers.Set("x-amz-copy-source", "/" + from.bucket + "/" + PercentEncode(from.key, "/"));
  if (!source.etag.empty()) headers.Set("x-amz-copy-source-if-match", source.etag);
  return headers;
}

}  // namespace

Status S3Client::Copy(Call& call, const S3Location& from, const S3Location& to) {
  if (no_copy_.Has(to.bucket)) return Unsupported("the store makes no copies: " + to.bucket);
  if (from.bucket == to.bucket && from.key == to.key) {
    return InvalidArgument("a file can't be copied to where it is: " + WhereOf(from));
  }
  MORAINE_ASSIGN(const Found source, Head(call, from));
  Result<Found> there = Head(call, to);
  if (there.ok() && IsSame(source, *there)) return {};
  if (there.ok() && MayBeSame(source, *there)) return Unsupported("bytes have to be compared");
  if (there.ok()) {
    return AlreadyExists(fmt::format("another file is where it should go: {}", WhereOf(to)));
  }
  if (there.status().code() != Code::kNotFound) return std::move(there).status();
  Status copied = source.size_bytes > options_.copy_limit_bytes ? CopyParts(call, from, source, to)
                                                                : CopyWhole(call, from, source, to);
  if (copied.code() == Code::kUnsupported) no_copy_.Add(to.bucket);
  if (!copied.ok() && copied.code() != Code::kAlreadyExists) return copied;
  Result<Found> looked = Head(call, to);
  // NotFound would say that the source is gone.
  if (looked.status().code() == Code::kNotFound) {
    return Unavailable("the store's copy is not there: " + WhereOf(to));
  }
  MORAINE_TRY(looked.status());
  const Found& made = *looked;
  if (copied.ok() ? MayBeSame(source, made) : IsSame(source, made)) return {};
  if (!copied.ok()) return copied;
  return Corruption(
      fmt::format("the store's copy is not what it was made of ({} bytes, {}; {} bytes, {}): {}",
                  made.size_bytes, PercentEncode(made.etag), source.size_bytes,
                  PercentEncode(source.etag), WhereOf(to)));
}

/// AlreadyExists: something is there now, perhaps by an earlier try.
Status S3Client::CopyWhole(Call& call, const S3Location& from, const Found& source,
                           const S3Location& to) {
  net::Request request = Make(net::Method::kPut, to);
  const bool asks = options_.existing == S3Options::Existing::kIfNoneMatch &&
                    !no_copy_if_none_match_.Has(to.bucket);
  request.headers = CopyHeaders(from, source);
  if (asks) request.headers.Set("If-None-Match", "*");
  MORAINE_ASSIGN(Reply reply, Send(call, to.bucket, request, Tries::kMany));
  if (reply.ok()) return {};
  if (asks && IsNotImplemented(reply.error)) {
    no_copy_if_none_match_.Add(to.bucket);
    return CopyWhole(call, from, source, to);
  }
  if (reply.status == 412) {
    Result<Found> there = Head(call, to);
    if (there.status().code() == Code::kNotFound) {
      return Unavailable(fmt::format("changed while it was copied: {}", WhereOf(from)));
    }
    return AlreadyExists(fmt::format("another file is where it should go: {}", WhereOf(to)));
  }
  return S3StatusOf(reply.status, reply.error, "can't copy the file", WhereOf(from));
}

Status S3Client::CopyParts(Call& call, const S3Location& from, const Found& source,
                           const S3Location& to) {
  const std::string writer_id = MakeUuid(call.random());
  MORAINE_ASSIGN(const std::string upload, StartUpload(call, to, writer_id));
  Status done;
  std::vector<std::string> etags;
  for (int64_t at = 0; done.ok() && at < source.size_bytes; at += options_.copy_part_bytes) {
    const int64_t last = std::min(at + options_.copy_part_bytes, source.size_bytes) - 1;
    net::Request request = Make(net::Method::kPut, to);
    request.query = {{"partNumber", std::to_string(etags.size() + 1)}, {"uploadId", upload}};
    request.headers = CopyHeaders(from, source);
    request.headers.Set("x-amz-copy-source-range", fmt::format("bytes={}-{}", at, last));
    Result<std::string> etag = CopyPart(call, from, to, request);
    done = etag.status();
    if (etag.ok()) etags.push_back(std::move(*etag));
  }
  if (done.ok()) done = CompleteUpload(call, to, upload, etags, writer_id);
  if (done.ok()) return {};
  Call cleaning(call.env(), kAbortLimit);  // also after a stop, or when time is over
  Status aborted = AbortUpload(cleaning, to, upload);
  if (!aborted.ok()) {
    call.log().Warn("an abandoned upload could not be removed; the store's lifecycle rule will",
                    {{"location", WhereOf(to)}, {"error", aborted.ToString()}});
  }
  return done;
}

Result<std::string> S3Client::CopyPart(Call& call, const S3Location& from, const S3Location& to,
                                       net::Request& request) {
  MORAINE_ASSIGN(Reply reply, Send(call, to.bucket, request, Tries::kMany));
  if (reply.ok()) return ParseS3Field(reply.text(), "CopyPartResult", "ETag");
  if (reply.status == 412) {
    return Unavailable(fmt::format("changed while it was copied: {}", WhereOf(from)));
  }
  return S3StatusOf(reply.status, reply.error, "can't copy a part of the file", WhereOf(from));
}

}  // namespace moraine::io
