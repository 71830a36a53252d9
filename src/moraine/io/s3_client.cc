#include "moraine/io/s3_client.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/net/digest.h"
#include "moraine/net/sigv4.h"
#include "moraine/net/uri.h"

namespace moraine::io {
namespace {

constexpr char kWriterHeader[] = "x-amz-meta-moraine-writer";
constexpr size_t kHashedBytes = 64 << 10;  ///< larger bodies over TLS are not hashed again

bool IsTransientStatus(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

bool IsTransientCode(std::string_view code) {
  static constexpr std::string_view kCodes[] = {"InternalError",      "SlowDown",
                                                "ServiceUnavailable", "RequestTimeout",
                                                "OperationAborted",   "ConditionalRequestConflict",
                                                "ThrottlingException"};
  return std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
}

/// Whether the store says that it does not know the request.
bool IsUnknownToStore(int status, const S3Error& error) {
  return status == 501 || status == 405 || IsNotImplemented(error);
}

/// An answer of success says what was made. Errors: Corruption.
Status CheckCompleted(std::string_view body) {
  return ParseS3Field(body, "CompleteMultipartUploadResult", "ETag").status();
}

bool IsAddress(std::string_view host) {
  bool v4 = std::all_of(host.begin(), host.end(),
                        [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return v4 || host.find(':') != host.npos || host == "localhost";
}

enum class IfNew { kStoreRefuses, kAskedBefore };

/// The headers of a request that makes an object, put anew for each try.
net::Headers CreationHeaders(const std::string& writer_id, IfNew if_new) {
  net::Headers headers;
  headers.Set("Content-Type", "application/octet-stream");
  if (!writer_id.empty()) headers.Set(kWriterHeader, writer_id);
  if (if_new == IfNew::kStoreRefuses) headers.Set("If-None-Match", "*");
  return headers;
}

/// A bucket of another region says where it is, in answers that may have no body.
void AddRegion(const S3Options& options, const net::Headers& headers, S3Error* error) {
  std::string_view region = headers.Get("x-amz-bucket-region").value_or("");
  if (region.empty() || region.size() > 64 || region == options.region) return;
  error->message += fmt::format("{}the bucket is in region {}, s3.region is {}",
                                error->message.empty() ? "" : "; ", region, options.region);
}

/// Who is refused wants to know where, and what to set. HEAD is answered without a code.
void ExplainRefusal(const S3Options& options, const std::string& bucket, int status,
                    S3Error* error) {
  if (status != 401 && status != 403) return;
  if (error->code.empty()) error->code = "AccessDenied";
  error->message += fmt::format(
      "{}bucket {} of {}, {}", error->message.empty() ? "" : "; ", bucket,
      options.endpoint.empty() ? "Amazon S3 in " + options.region : options.endpoint,
      options.anonymous()
          ? "asked without keys: set s3.access-key-id and s3.secret-access-key"
          : "asked with keys that it refuses: look at s3.access-key-id, s3.secret-access-key and"
            " s3.session-token");
}

std::string WhereOf(const S3Location& at) { return at.before_key + at.key; }

bool IsCopy(const net::Request& request) {
  return request.headers.Get("x-amz-copy-source").has_value();
}

/// The MD5 of an object's bytes, if its ETag is that: not of parts, nor with keys of its own.
std::string Md5Of(const net::Headers& headers, std::string_view etag) {
  constexpr size_t kDigits = 32;
  if (etag.size() == kDigits + 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, kDigits);
  }
  const bool is_digest = etag.size() == kDigits &&
                         etag.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  const std::string_view encryption =
      headers.Get("x-amz-server-side-encryption").value_or("AES256");
  const bool own_key = headers.Get("x-amz-server-side-encryption-customer-algorithm").has_value();
  return is_digest && encryption == "AES256" && !own_key ? std::string(etag) : "";
}

}  // namespace

S3Address AddressOf(const S3Options& options, const std::string& bucket, std::string_view key) {
  std::string endpoint = options.endpoint.empty()
                             ? fmt::format("https://s3.{}.amazonaws.com", options.region)
                             : options.endpoint;
  std::string path = "/" + PercentEncode(key, "/");
  Result<net::Url> url = net::ParseUrl(endpoint);
  bool as_path = options.addressing == S3Options::Addressing::kPath ||
                 (options.addressing == S3Options::Addressing::kAuto && url.ok() &&
                  (IsAddress(url->host) || bucket.find('.') != bucket.npos));
  size_t host = endpoint.find("://");
  if (as_path || host == endpoint.npos) {
    return {endpoint, key.empty() ? "/" + bucket : "/" + bucket + path};
  }
  return {fmt::format("{}{}.{}", endpoint.substr(0, host + 3), bucket, endpoint.substr(host + 3)),
          path};
}

Status S3StatusOf(int http_status, const S3Error& error, std::string_view what,
                  std::string_view location) {
  std::string text = fmt::format("{}: HTTP {}{}{}{}: {}", what, http_status,
                                 error.code.empty() ? "" : " " + error.code,
                                 error.message.empty() ? "" : ": ", error.message, location);
  if (http_status == 404) return NotFound(std::move(text));
  if (http_status == 412) return AlreadyExists(std::move(text));
  if (http_status == 401 || http_status == 403 || error.code == "ExpiredToken" ||
      error.code == "InvalidToken" || error.code == "AccessDenied") {
    return PermissionDenied(std::move(text));
  }
  if (http_status == 429 || http_status == 507 || error.code == "SlowDown" ||
      error.code == "QuotaExceeded") {
    return Exhausted(std::move(text));
  }
  if (http_status == 501 || error.code == "NotImplemented") return Unsupported(std::move(text));
  if (IsTransientStatus(http_status) || IsTransientCode(error.code)) {
    return Unavailable(std::move(text));
  }
  if (http_status >= 300 && http_status < 500) return InvalidArgument(std::move(text));
  return Unavailable(std::move(text));
}

struct S3Client::Attempted {
  Status error;  ///< no answer came
  Reply reply;
  bool transient = false;
  bool may_be_done = false;
};

S3Client::S3Client(S3Options options, std::unique_ptr<net::HttpTransport> transport)
    : options_(std::move(options)), transport_(std::move(transport)) {}

net::Request S3Client::Make(net::Method method, const S3Location& at) const {
  net::Request request;
  request.method = method;
  request.path = AddressOf(options_, at.bucket, at.key).path;
  return request;
}

Status S3Client::Sign(Call& call, std::string_view base_url, net::Request* request) const {
  if (options_.anonymous()) return {};
  net::SigV4Options signing =
      net::S3Signing({options_.access_key_id, options_.secret_access_key, options_.session_token},
                     options_.region);
  if (base_url.starts_with("https://") && request->body.size() > kHashedBytes) {
    signing.payload = net::SigV4Options::Payload::kUnsigned;
  }
  return net::SignRequest(signing, call.clock().Wall(), base_url, request);
}

S3Client::Attempted S3Client::Attempt(Call& call, const std::string& base_url,
                                      net::Request& request, net::BodySink* sink) {
  Attempted out;
  out.error = Sign(call, base_url, &request);
  if (!out.error.ok()) return out;
  size_t mebibytes = (request.body.size() + (sink == nullptr ? 0 : sink->into.size())) >> 20;
  Call part(call, options_.attempt_timeout + std::chrono::seconds(mebibytes) +
                      (IsCopy(request) ? options_.copy_timeout : Millis(0)));
  Result<net::Response> response = transport_->SendInto(part, base_url, request, sink);
  if (!response.ok()) {
    out.error = std::move(response).status();
    Code code = out.error.code();
    bool timed_out = code == Code::kDeadline && call.Check().ok();
    out.may_be_done = code == Code::kCommitUnknown || timed_out;
    out.transient = out.may_be_done || code == Code::kUnavailable;
    return out;
  }
  out.reply.status = response->status;
  out.reply.headers = std::move(response->headers);
  if (response->body.size() == 1) {
    out.reply.body = std::move(response->body[0]);
  } else if (!response->body.empty()) {
    out.reply.body = std::make_shared<const std::string>(response->BodyText());
  }
  // Completing an upload, and copying, may answer 200 and an error.
  bool is_error = !out.reply.ok();
  if (is_error || request.method == net::Method::kPost || IsCopy(request)) {
    out.reply.error = ParseS3Error(out.reply.text());
    AddRegion(options_, out.reply.headers, &out.reply.error);
    if (!is_error && !out.reply.error.code.empty()) out.reply.status = 500;
  }
  out.transient = IsTransientStatus(out.reply.status) || IsTransientCode(out.reply.error.code);
  out.may_be_done = out.transient;
  return out;
}

bool S3Client::BackOff(Call& call, int attempt) const {
  auto wait = options_.backoff_first * (int64_t{1} << std::min(attempt, 20));
  wait = std::min<Millis>(wait, options_.backoff_last);
  auto half = std::chrono::duration_cast<std::chrono::microseconds>(wait) / 2;
  auto jitter = call.random().Below(static_cast<uint64_t>(half.count()) + 1);
  std::chrono::nanoseconds pause = half + std::chrono::microseconds(jitter);
  if (call.remaining() <= pause) return false;
  call.clock().SleepFor(pause, call.stop());
  return call.Check().ok();
}

Result<S3Client::Reply> S3Client::Send(Call& call, const std::string& bucket, net::Request& request,
                                       Tries tries, net::BodySink* sink) {
  const std::string base_url = AddressOf(options_, bucket, "").base_url;
  bool may_be_done = false;
  for (int attempt = 0;; ++attempt) {
    MORAINE_TRY(call.Check());
    Attempted tried = Attempt(call, base_url, request, sink);
    bool last = !tried.transient || tries == Tries::kOne || attempt + 1 >= options_.attempts ||
                !BackOff(call, attempt);
    if (last && tried.error.ok()) {
      ExplainRefusal(options_, bucket, tried.reply.status, &tried.reply.error);
      tried.reply.may_be_done = may_be_done || tried.may_be_done;
      return std::move(tried.reply);
    }
    if (last) {
      MORAINE_TRY(call.Check());
      // The table is not in question here, only a file.
      bool lost =
          tried.error.code() == Code::kCommitUnknown || tried.error.code() == Code::kDeadline;
      return lost ? std::move(tried.error).WithCode(Code::kUnavailable) : std::move(tried.error);
    }
    may_be_done = may_be_done || tried.may_be_done;
  }
}

Result<S3Client::Found> S3Client::Head(Call& call, const S3Location& at) {
  net::Request request = Make(net::Method::kHead, at);
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany));
  if (!reply.ok()) return S3StatusOf(reply.status, reply.error, "can't see the file", WhereOf(at));
  Found found;
  auto size = reply.headers.Get("Content-Length");
  Result<int64_t> bytes = ParseInt64(size.value_or(""));
  if (!bytes.ok() || *bytes < 0) {
    return Corruption(fmt::format("the store does not say how large a file is: {}", WhereOf(at)));
  }
  found.size_bytes = *bytes;
  MORAINE_ASSIGN(found.modified_ms, ParseS3Time(reply.headers.Get("Last-Modified").value_or("")));
  found.writer_id = reply.headers.Get(kWriterHeader).value_or("");
  found.etag = reply.headers.Get("ETag").value_or("");
  found.md5 = Md5Of(reply.headers, found.etag);
  return found;
}

Result<S3Client::Reply> S3Client::SendGet(Call& call, const S3Location& at, int64_t offset,
                                          int64_t length, net::BodySink* sink) {
  net::Request request = Make(net::Method::kGet, at);
  request.headers.Set("Range", fmt::format("bytes={}-{}", offset, offset + length - 1));
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany, sink));
  if (reply.ok() || reply.status == 416) return reply;
  return S3StatusOf(reply.status, reply.error, "can't read the file", WhereOf(at));
}

Result<S3Client::Piece> S3Client::Get(Call& call, const S3Location& at, int64_t offset,
                                      int64_t length) {
  MORAINE_ASSIGN(Reply reply, SendGet(call, at, offset, length, nullptr));
  Piece piece;
  MORAINE_ASSIGN(piece.object_size_bytes,
                 CheckPart(reply, at, offset, length, reply.text().size()));
  if (reply.status == 416) return piece;
  piece.bytes = std::move(reply.body);
  if (reply.status == 206 || piece.bytes == nullptr) return piece;
  // A store that does not know ranges sends all of it.
  int64_t some = std::clamp<int64_t>(piece.object_size_bytes - offset, 0, length);
  int64_t from = std::min(offset, piece.object_size_bytes);
  if (some < piece.object_size_bytes) {
    piece.bytes = std::make_shared<const std::string>(
        piece.bytes->substr(static_cast<size_t>(from), static_cast<size_t>(some)));
  }
  return piece;
}

Result<S3Client::Received> S3Client::Read(Call& call, const S3Location& at, int64_t offset,
                                          std::span<char> buffer) {
  net::BodySink sink{.into = buffer};
  auto length = static_cast<int64_t>(buffer.size());
  MORAINE_ASSIGN(Reply reply, SendGet(call, at, offset, length, &sink));
  size_t got = reply.body == nullptr ? sink.received : reply.body->size();
  Received out;
  MORAINE_ASSIGN(out.object_size_bytes, CheckPart(reply, at, offset, length, got));
  if (reply.status == 206) {
    out.bytes = std::min(got, buffer.size());
    // Not all stores say beforehand how much will come.
    if (reply.body != nullptr) std::memcpy(buffer.data(), reply.body->data(), out.bytes);
  } else if (reply.ok()) {  // all of it, in the sink if it is small
    std::string_view all = reply.body == nullptr ? std::string_view(buffer.data(), got)
                                                 : std::string_view(*reply.body);
    all.remove_prefix(std::min(static_cast<size_t>(offset), all.size()));
    out.bytes = std::min(all.size(), buffer.size());
    std::memmove(buffer.data(), all.data(), out.bytes);
  }
  return out;
}

/// The size of the whole object; Unavailable for an answer that was cut.
Result<int64_t> S3Client::CheckPart(const Reply& reply, const S3Location& at, int64_t offset,
                                    int64_t length, size_t got) {
  if (reply.status == 416) {
    Result<int64_t> size =
        ParseContentRangeSize(reply.headers.Get("Content-Range").value_or("bytes */0"));
    return size.ok() ? *size : 0;
  }
  if (reply.status != 206) return static_cast<int64_t>(got);
  std::string_view said = reply.headers.Get("Content-Range").value_or("");
  MORAINE_ASSIGN(ContentRange range, ParseContentRange(said));
  int64_t expected = std::clamp<int64_t>(range.size - offset, 0, length);
  if (range.first != offset || range.last != offset + expected - 1) {
    return Corruption(fmt::format("the store sent '{}' where {} bytes from {} were asked for: {}",
                                  PercentEncode(said, "/ -"), length, offset, WhereOf(at)));
  }
  if (static_cast<int64_t>(got) == expected) return range.size;
  return Unavailable(fmt::format("the store sent {} bytes where {} were asked for: {}", got,
                                 expected, WhereOf(at)));
}

bool S3Client::Gaps::Has(const std::string& bucket) const {
  std::lock_guard lock(mutex_);
  return buckets_.contains(bucket);
}

bool S3Client::Gaps::Add(const std::string& bucket) {
  std::lock_guard lock(mutex_);
  return buckets_.insert(bucket).second;
}

bool S3Client::AsksByHead(const S3Location& at) const {
  return options_.existing == S3Options::Existing::kHead || no_if_none_match_.Has(at.bucket);
}

void S3Client::NoteNoIfNoneMatch(Call& call, const S3Location& at, const Reply& reply) {
  if (!no_if_none_match_.Add(at.bucket)) return;
  call.env().log.Warn(
      "the store does not know If-None-Match: before a file is made, it is asked whether there is"
      " one of that name, and two writers of one name may not see each other",
      {{"bucket", at.bucket},
       {"endpoint", AddressOf(options_, at.bucket, "").base_url},
       {"status", std::to_string(reply.status)}});
}

Status S3Client::RefuseExisting(Call& call, const S3Location& at) {
  Result<Found> found = Head(call, at);
  if (found.ok()) return AlreadyExists(fmt::format("file exists: {}", WhereOf(at)));
  return found.status().code() == Code::kNotFound ? Status() : std::move(found).status();
}

Result<bool> S3Client::IsOurs(Call& call, const S3Location& at, const std::string& writer_id) {
  Result<Found> found = Head(call, at);
  if (found.status().code() == Code::kNotFound) return false;
  MORAINE_TRY(found.status());
  return found->writer_id == writer_id;
}

Status S3Client::PutOnce(Call& call, const S3Location& at, net::Request& request,
                         const std::string& writer_id) {
  bool by_head = AsksByHead(at);
  if (by_head) MORAINE_TRY(RefuseExisting(call, at));
  request.headers =
      CreationHeaders(writer_id, by_head ? IfNew::kAskedBefore : IfNew::kStoreRefuses);
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany));
  if (reply.ok()) return {};
  if (reply.may_be_done) {
    MORAINE_ASSIGN(bool ours, IsOurs(call, at, writer_id));
    if (ours) return {};
  }
  if (reply.status == 412) return AlreadyExists(fmt::format("file exists: {}", WhereOf(at)));
  if (!by_head && IsNotImplemented(reply.error)) {
    NoteNoIfNoneMatch(call, at, reply);
    return PutOnce(call, at, request, writer_id);
  }
  return S3StatusOf(reply.status, reply.error, "can't write the file", WhereOf(at));
}

Status S3Client::Put(Call& call, const S3Location& at, std::string bytes,
                     const std::string& writer_id) {
  net::Request request = Make(net::Method::kPut, at);
  request.body = std::move(bytes);
  return PutOnce(call, at, request, writer_id);
}

Result<std::string> S3Client::StartUpload(Call& call, const S3Location& at,
                                          const std::string& writer_id) {
  net::Request request = Make(net::Method::kPost, at);
  request.query.emplace_back("uploads", "");
  request.headers = CreationHeaders(writer_id, IfNew::kAskedBefore);
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany));
  if (!reply.ok()) {
    return S3StatusOf(reply.status, reply.error, "can't begin an upload", WhereOf(at));
  }
  return ParseS3Field(reply.text(), "InitiateMultipartUploadResult", "UploadId");
}

Result<std::string> S3Client::UploadPart(Call& call, const S3Location& at,
                                         const std::string& upload, size_t number,
                                         std::string bytes) {
  net::Request request = Make(net::Method::kPut, at);
  request.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload}};
  request.body = std::move(bytes);
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany));
  if (!reply.ok()) {
    return S3StatusOf(reply.status, reply.error, "can't write a part of the file", WhereOf(at));
  }
  std::string etag(reply.headers.Get("ETag").value_or(""));
  if (!etag.empty()) return etag;
  return Corruption(fmt::format("the store gave a part no ETag: {}", WhereOf(at)));
}

/// One try, cleared up: OK, Unavailable (not there: try again), or what it is.
Status S3Client::CompleteOnce(Call& call, const S3Location& at, net::Request& request,
                              const std::string& writer_id) {
  bool by_head = AsksByHead(at);
  request.headers = CreationHeaders("", by_head ? IfNew::kAskedBefore : IfNew::kStoreRefuses);
  Result<Reply> reply = Send(call, at.bucket, request, Tries::kOne);
  Status made = reply.ok() && reply->ok() ? CheckCompleted(reply->text()) : Status();
  if (reply.ok() && reply->ok() && made.ok()) return {};
  if (reply.ok() && !by_head && IsNotImplemented(reply->error)) {
    NoteNoIfNoneMatch(call, at, *reply);
    MORAINE_TRY(RefuseExisting(call, at));
    return CompleteOnce(call, at, request, writer_id);
  }
  // The outcome is unclear, or this is the answer to a try that has been carried out.
  bool unclear = !reply.ok() || !made.ok() || reply->may_be_done || reply->status == 404 ||
                 reply->status == 412;
  if (unclear) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(bool ours, IsOurs(call, at, writer_id));
    if (ours) return {};
  }
  if (!reply.ok()) return std::move(reply).status();
  if (!made.ok()) return std::move(made).Annotate(WhereOf(at)).WithCode(Code::kUnavailable);
  if (reply->status == 412) return AlreadyExists(fmt::format("file exists: {}", WhereOf(at)));
  return S3StatusOf(reply->status, reply->error, "can't finish an upload", WhereOf(at));
}

Status S3Client::CompleteUpload(Call& call, const S3Location& at, const std::string& upload,
                                const std::vector<std::string>& etags,
                                const std::string& writer_id) {
  net::Request request = Make(net::Method::kPost, at);
  request.query.emplace_back("uploadId", upload);
  request.body = S3CompleteBody(etags);
  if (AsksByHead(at)) MORAINE_TRY(RefuseExisting(call, at));
  for (int attempt = 0;; ++attempt) {
    Status done = CompleteOnce(call, at, request, writer_id);
    bool again = done.code() == Code::kUnavailable || done.code() == Code::kExhausted;
    if (!again || attempt + 1 >= options_.attempts || !BackOff(call, attempt)) return done;
  }
}

Status S3Client::AbortUpload(Call& call, const S3Location& at, const std::string& upload) {
  net::Request request = Make(net::Method::kDelete, at);
  request.query.emplace_back("uploadId", upload);
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany));
  if (reply.ok() || reply.status == 404) return {};
  return S3StatusOf(reply.status, reply.error, "can't abandon an upload", WhereOf(at));
}

Result<S3ListPage> S3Client::List(Call& call, const S3Location& at, const std::string& start_after,
                                  const std::string& token, size_t limit) {
  net::Request request = Make(net::Method::kGet, {at.before_key, at.bucket, ""});
  request.query = {{"list-type", "2"},
                   {"max-keys", std::to_string(std::min<size_t>(limit, 1000))},
                   {"prefix", at.key}};
  if (!token.empty()) {
    request.query.emplace_back("continuation-token", token);
  } else if (!start_after.empty()) {
    request.query.emplace_back("start-after", start_after);
  }
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany));
  if (!reply.ok()) return S3StatusOf(reply.status, reply.error, "can't list files", WhereOf(at));
  Result<S3ListPage> page = ParseS3ListPage(reply.text());
  if (!page.ok()) return std::move(page).status().Annotate(WhereOf(at));
  return page;
}

Status S3Client::DeleteOne(Call& call, const S3Location& bucket, const std::string& key) {
  S3Location at{bucket.before_key, bucket.bucket, key};
  net::Request request = Make(net::Method::kDelete, at);
  MORAINE_ASSIGN(Reply reply, Send(call, at.bucket, request, Tries::kMany));
  if (reply.ok() || (reply.status == 404 && reply.error.code != "NoSuchBucket")) return {};
  return S3StatusOf(reply.status, reply.error, "can't delete the file", WhereOf(at));
}

Status S3Client::DeleteBatch(Call& call, const S3Location& bucket,
                             const std::vector<std::string>& keys,
                             std::vector<S3Deleted>* deleted) {
  net::Request request = Make(net::Method::kPost, {bucket.before_key, bucket.bucket, ""});
  request.query.emplace_back("delete", "");
  request.body = S3DeleteBody(keys);
  request.headers.Set("Content-Type", "application/xml");
  // The one checksum that all stores know; the newer one where there is no other.
  if (std::optional<std::string> md5 = net::Md5(request.body)) {
    request.headers.Set("Content-MD5", Base64Encode(*md5));
  } else {
    request.headers.Set("x-amz-checksum-sha256", Base64Encode(net::Sha256(request.body)));
  }
  MORAINE_ASSIGN(Reply reply, Send(call, bucket.bucket, request, Tries::kMany));
  if (IsUnknownToStore(reply.status, reply.error)) no_delete_many_.Add(bucket.bucket);
  if (!reply.ok()) {
    return S3StatusOf(reply.status, reply.error, "can't delete files", bucket.before_key);
  }
  MORAINE_ASSIGN(*deleted, ParseS3Deleted(reply.text()));
  return {};
}

std::vector<Status> S3Client::Delete(Call& call, const S3Location& bucket,
                                     const std::vector<std::string>& keys) {
  std::map<std::string, Status, std::less<>> outcomes;
  std::vector<std::string> left = keys;
  for (int attempt = 0; !no_delete_many_.Has(bucket.bucket) && !left.empty(); ++attempt) {
    for (const std::string& key : left) {
      outcomes[key] = Unavailable(
          fmt::format("the store does not say whether it deleted: {}{}", bucket.before_key, key));
    }
    std::vector<S3Deleted> deleted;
    Status sent = DeleteBatch(call, bucket, left, &deleted);
    if (!sent.ok() && no_delete_many_.Has(bucket.bucket)) break;
    if (!sent.ok()) {
      for (const std::string& key : left) outcomes[key] = sent;
      left.clear();
      break;
    }
    left.clear();
    for (const S3Deleted& entry : deleted) {
      auto found = outcomes.find(entry.key);
      if (found == outcomes.end()) continue;
      bool gone = entry.error.code.empty() || entry.error.code == "NoSuchKey";
      found->second = gone ? Status()
                           : S3StatusOf(entry.error.code == "AccessDenied" ? 403 : 500, entry.error,
                                        "can't delete the file", bucket.before_key + entry.key);
      if (!gone && IsTransientCode(entry.error.code)) left.push_back(entry.key);
    }
    if (left.empty() || attempt + 1 >= options_.attempts || !BackOff(call, attempt)) left.clear();
  }
  for (const std::string& key : left) outcomes[key] = DeleteOne(call, bucket, key);
  std::vector<Status> out;
  for (const std::string& key : keys) out.push_back(outcomes[key]);
  return out;
}

}  // namespace moraine::io
