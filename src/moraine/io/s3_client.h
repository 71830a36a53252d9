#pragma once
// The S3 requests that the file system makes of, one function each: signed, tried again with
// back-off within the call, errors as our codes. Used inside io (s3_file_system, s3_writer).
//
// A request whose answer was lost may have been carried out. Reads, parts, deletes are simply sent
// again; what makes an object (Put, CompleteUpload) carries an id of its writer as metadata, and an
// unclear outcome is cleared up by asking for that id. Secrets stand in no error text and no log.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/s3_answers.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_options.h"
#include "moraine/net/http_client.h"

namespace moraine::io {

/// The base URL of a bucket and the path of an object in it, encoded.
struct S3Address {
  std::string base_url;
  std::string path;
};
S3Address AddressOf(const S3Options& options, const std::string& bucket, std::string_view key);

/// The code that an answer of the store means, in one sentence about the object.
Status S3StatusOf(int http_status, const S3Error& error, std::string_view what,
                  std::string_view location);
/// Whether the store says that it does not know a header of the request. Somebody on the way there
/// may answer 501, too: its word is not enough to write without the header.
inline bool IsNotImplemented(const S3Error& error) { return error.code == "NotImplemented"; }

/// Thread-safe. Errors of all calls: NotFound, PermissionDenied, InvalidArgument, Exhausted (the
/// store asks us to slow down, or is full), Unavailable, Unsupported, Corruption, Deadline,
/// Cancelled.
class S3Client {
 public:
  S3Client(S3Options options, std::unique_ptr<net::HttpTransport> transport);

  struct Found {
    int64_t size_bytes = 0;
    int64_t modified_ms = 0;
    std::string writer_id;  ///< of whoever made it; "" if it was not us
    std::string etag;       ///< as the store has it; may be empty
    std::string md5;        ///< of the bytes, where the ETag is known to be that
  };
  Result<Found> Head(Call& call, const S3Location& at);

  struct Piece {
    net::SharedBytes bytes;         ///< may be null for none
    int64_t object_size_bytes = 0;  ///< of the whole object
  };
  /// At most length bytes from offset on; fewer where the object ends. An empty object, and an
  /// offset behind its end, give no bytes. Errors also: Corruption for an answer with another range
  /// than was asked for.
  Result<Piece> Get(Call& call, const S3Location& at, int64_t offset, int64_t length);

  struct Received {
    size_t bytes = 0;               ///< fewer than asked for where the object ends
    int64_t object_size_bytes = 0;  ///< of the whole object
  };
  /// As Get, into the buffer.
  Result<Received> Read(Call& call, const S3Location& at, int64_t offset, std::span<char> buffer);

  /// Makes an object that must not exist. Errors also: AlreadyExists.
  Status Put(Call& call, const S3Location& at, std::string bytes, const std::string& writer_id);

  /// Begins a multipart upload; its id.
  Result<std::string> StartUpload(Call& call, const S3Location& at, const std::string& writer_id);
  /// Sends part number (from 1); its ETag.
  Result<std::string> UploadPart(Call& call, const S3Location& at, const std::string& upload,
                                 size_t number, std::string bytes);
  /// Makes the object of the parts. Only an answer that names what was made is believed. Errors
  /// also: AlreadyExists.
  Status CompleteUpload(Call& call, const S3Location& at, const std::string& upload,
                        const std::vector<std::string>& etags, const std::string& writer_id);
  Status AbortUpload(Call& call, const S3Location& at, const std::string& upload);

  /// The store makes an object of another one (s3_copy.cc); what it made is looked at. One that is
  /// there already and is the same counts as made. Errors also: AlreadyExists; Unsupported where
  /// the store does not know how, and nothing was made.
  Status Copy(Call& call, const S3Location& from, const S3Location& to);

  /// One page of at most 1000 objects whose key begins with at.key. token goes on where a page
  /// ended; start_after is a key.
  Result<S3ListPage> List(Call& call, const S3Location& at, const std::string& start_after,
                          const std::string& token, size_t limit);
  /// One status per key, in order; at most 1000. A key that is not there is deleted.
  std::vector<Status> Delete(Call& call, const S3Location& bucket,
                             const std::vector<std::string>& keys);

  const S3Options& options() const { return options_; }

 private:
  struct Reply {
    int status = 0;
    net::Headers headers;
    net::SharedBytes body;
    S3Error error;             ///< of a status that is none of success
    bool may_be_done = false;  ///< an earlier try of this request may have been carried out
    std::string_view text() const { return body ? std::string_view(*body) : ""; }
    bool ok() const { return status >= 200 && status < 300; }
  };
  enum class Tries { kMany, kOne };
  struct Attempted;

  Result<Reply> Send(Call& call, const std::string& bucket, net::Request& request, Tries tries,
                     net::BodySink* sink = nullptr);
  Attempted Attempt(Call& call, const std::string& base_url, net::Request& request,
                    net::BodySink* sink);
  Result<Reply> SendGet(Call& call, const S3Location& at, int64_t offset, int64_t length,
                        net::BodySink* sink);
  static Result<int64_t> CheckPart(const Reply& reply, const S3Location& at, int64_t offset,
                                   int64_t length, size_t got);
  Status Sign(Call& call, std::string_view base_url, net::Request* request) const;
  bool BackOff(Call& call, int attempt) const;
  net::Request Make(net::Method method, const S3Location& at) const;

  Status PutOnce(Call& call, const S3Location& at, net::Request& request,
                 const std::string& writer_id);
  Status CopyWhole(Call& call, const S3Location& from, const Found& source, const S3Location& to);
  Status CopyParts(Call& call, const S3Location& from, const Found& source, const S3Location& to);
  Result<std::string> CopyPart(Call& call, const S3Location& from, const S3Location& to,
                               net::Request& request);
  Status CompleteOnce(Call& call, const S3Location& at, net::Request& request,
                      const std::string& writer_id);
  Status RefuseExisting(Call& call, const S3Location& at);
  Result<bool> IsOurs(Call& call, const S3Location& at, const std::string& writer_id);
  /// What the stores of buckets turned out not to know, by bucket.
  class Gaps {
   public:
    bool Has(const std::string& bucket) const;
    /// True: it was not known before.
    bool Add(const std::string& bucket);

   private:
    mutable std::mutex mutex_;
    std::set<std::string> buckets_;
  };
  bool AsksByHead(const S3Location& at) const;
  void NoteNoIfNoneMatch(Call& call, const S3Location& at, const Reply& reply);
  Status DeleteBatch(Call& call, const S3Location& bucket, const std::vector<std::string>& keys,
                     std::vector<S3Deleted>* deleted);
  Status DeleteOne(Call& call, const S3Location& bucket, const std::string& key);

  const S3Options options_;
  const std::unique_ptr<net::HttpTransport> transport_;
  Gaps no_if_none_match_;
  Gaps no_delete_many_;
  Gaps no_copy_;
  Gaps no_copy_if_none_match_;
};

}  // namespace moraine::io
