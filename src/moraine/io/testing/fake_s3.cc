#include "moraine/io/testing/fake_s3.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/xml.h"
#include "moraine/net/digest.h"

namespace moraine::io {
namespace {

using net::Method;
using net::Request;
using net::Response;

constexpr int64_t kModified = 1'700'000'000'000;  // 2023-11-14T22:13:20Z

Response Xml(int status, std::string body) {
  Response response = Response::Text(status, std::move(body));
  response.headers.Set("Content-Type", "application/xml");
  return response;
}

Response Error(int status, std::string_view code) {
  return Xml(status,
             fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code>"
                         "<Message>the fake says so</Message></Error>",
                         code));
}

std::string TargetOf(const Request& request) {
  std::string text = fmt::format("{} {}", net::MethodName(request.method), request.path);
  for (size_t i = 0; i < request.query.size(); ++i) {
    text +=
        fmt::format("{}{}={}", i == 0 ? "?" : "&", request.query[i].first, request.query[i].second);
  }
  return text;
}

std::string EtagOf(std::string_view bytes) {
  return "\"" + HexEncode(net::Md5(bytes).value()) + "\"";
}

}  // namespace

class FakeS3Transport final : public net::HttpTransport {
 public:
  explicit FakeS3Transport(FakeS3& store) : store_(store) {}
  Result<Response> Send(Call& call, std::string_view, const Request& request) override {
    return store_.Send(call, request);
  }

 private:
  FakeS3& store_;
};

std::unique_ptr<net::HttpTransport> FakeS3::Transport() {
  return std::make_unique<FakeS3Transport>(*this);
}

void FakeS3::Add(S3Fault fault) {
  std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FakeS3::Put(const std::string& path, Object object) {
  std::lock_guard lock(mutex_);
  objects_[path] = std::move(object);
}

std::map<std::string, FakeS3::Object> FakeS3::objects() const {
  std::lock_guard lock(mutex_);
  return objects_;
}

size_t FakeS3::uploads() const {
  std::lock_guard lock(mutex_);
  return uploads_.size();
}

std::vector<std::string> FakeS3::log() const {
  std::lock_guard lock(mutex_);
  return log_;
}

size_t FakeS3::CountOf(const std::string& part) const {
  std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(
      log_.begin(), log_.end(), [&](const auto& line) { return line.find(part) != line.npos; }));
}

void FakeS3::ForgetLog() {
  std::lock_guard lock(mutex_);
  log_.clear();
  sent_bytes_ = 0;
}

int64_t FakeS3::sent_bytes() const {
  std::lock_guard lock(mutex_);
  return sent_bytes_;
}

void FakeS3::Protect(const std::string& path, std::string code, int times) {
  std::lock_guard lock(mutex_);
  protected_[path] = {std::move(code), times};
}

Result<Response> FakeS3::Send(Call& call, const Request& request) {
  MORAINE_TRY(call.Check());
  std::lock_guard lock(mutex_);
  std::string target = TargetOf(request);
  log_.push_back(target);
  S3Fault fault{.status = 0};
  for (S3Fault& armed : faults_) {
    if (armed.count <= 0 || target.find(armed.match) == target.npos || armed.skip-- > 0) continue;
    --armed.count;
    fault = armed;
    break;
  }
  using Kind = S3Fault::Kind;
  bool hit = fault.status != 0;
  if (hit && fault.kind == Kind::kRefused) return Unavailable("the fake refuses the connection");
  if (hit && fault.kind == Kind::kStatus) return Error(fault.status, fault.code);
  if (hit && fault.kind == Kind::kErrorInside) {
    // With the blanks that keep the connection awake.
    return Xml(200, "\n  \n" + Error(200, fault.code).BodyText());
  }
  Response response = Handle(request);
  if (request.method == Method::kGet) {
    sent_bytes_ += static_cast<int64_t>(response.BodyText().size());
  }
  if (!hit) return response;
  bool safe = request.method == Method::kGet || request.method == Method::kHead;
  switch (fault.kind) {
    case Kind::kLost:
      return safe ? Unavailable("the fake lost the answer")
                  : CommitUnknown("the fake lost the answer");
    case Kind::kTimedOut:
      return DeadlineExceeded("the fake is slow");
    case Kind::kStatusAfter:
      return Error(fault.status, fault.code);
    case Kind::kShifted: {
      auto range = request.headers.Get("Range").value_or("bytes=0-0").substr(6);
      size_t dash = range.find('-');
      Request shifted = request;
      shifted.headers.Set("Range",
                          fmt::format("bytes={}-{}", ParseInt64(range.substr(0, dash)).value() + 1,
                                      ParseInt64(range.substr(dash + 1)).value() + 1));
      return Handle(shifted);
    }
    case Kind::kSameToken:
      return Xml(200, fmt::format("<ListBucketResult><IsTruncated>true</IsTruncated>"
                                  "<NextContinuationToken>{}</NextContinuationToken>"
                                  "</ListBucketResult>",
                                  fault.code));
    case Kind::kGarbage:
      return Xml(response.status, "<html><p>hello");
    default: {
      std::string body = response.BodyText();
      response.body = {std::make_shared<const std::string>(body.substr(0, body.size() / 2))};
      return response;
    }
  }
}

Response FakeS3::Handle(const Request& request) {
  std::string path = PercentDecode(request.path).value().substr(1);
  size_t slash = path.find('/');
  bool is_bucket = slash == path.npos;
  if (!options_.access_key_id.empty()) {
    std::string_view hash = request.headers.Get("X-Amz-Content-Sha256").value_or("");
    bool is_signed =
        request.headers.Get("Authorization")
            .value_or("")
            .find("Credential=" + options_.access_key_id + "/") != std::string_view::npos;
    if (!is_signed) return Error(403, "AccessDenied");
    if (hash != HexEncode(net::Sha256(request.body)) && hash != "UNSIGNED-PAYLOAD") {
      return Error(400, "XAmzContentSHA256Mismatch");
    }
  }
  if (path.substr(0, slash) == "missing") return Error(404, "NoSuchBucket");
  switch (request.method) {
    case Method::kGet:
      return is_bucket ? List(request, path) : Get(request, path);
    case Method::kHead:
      return Get(request, path);
    case Method::kPost:
      return is_bucket ? DeleteMany(request, path) : Post(request, path);
    case Method::kDelete:
      if (auto upload = request.Query("uploadId")) {
        return uploads_.erase(std::string(*upload)) > 0 ? Response::Empty(204)
                                                        : Error(404, "NoSuchUpload");
      }
      objects_.erase(path);
      return Response::Empty(204);
    default:
      break;
  }
  if (request.headers.Get("x-amz-copy-source")) return Copy(request, path);
  if (auto id = request.Query("uploadId")) {
    auto upload = uploads_.find(std::string(*id));
    if (upload == uploads_.end()) return Error(404, "NoSuchUpload");
    auto number = ParseInt64(request.Query("partNumber").value_or(""));
    upload->second.parts[static_cast<size_t>(number.value())] = request.body;
    Response response = Response::Empty(200);
    response.headers.Set("ETag", EtagOf(request.body));
    return response;
  }
  return Create(
      request, path,
      {request.body, std::string(request.headers.Get("x-amz-meta-moraine-writer").value_or("")),
       kModified});
}

Response FakeS3::Copy(const Request& request, const std::string& path) {
  if (!options_.knows_copies) return Error(501, "NotImplemented");
  const auto from = PercentDecode(*request.headers.Get("x-amz-copy-source")).value().substr(1);
  auto found = objects_.find(from);
  if (found == objects_.end()) return Error(404, "NoSuchKey");
  const Object& source = found->second;
  const std::string etag = source.etag.empty() ? EtagOf(source.bytes) : source.etag;
  if (request.headers.Get("x-amz-copy-source-if-match").value_or(etag) != etag) {
    return Error(412, "PreconditionFailed");
  }
  auto id = request.Query("uploadId");
  if (!id) {
    Response made = Create(request, path, {source.bytes, source.writer_id, kModified});
    if (made.status != 200) return made;
    return Xml(200, fmt::format("<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>", etag));
  }
  auto upload = uploads_.find(std::string(*id));
  if (upload == uploads_.end()) return Error(404, "NoSuchUpload");
  auto range = request.headers.Get("x-amz-copy-source-range").value().substr(6);
  const size_t dash = range.find('-');
  const auto first = static_cast<size_t>(ParseInt64(range.substr(0, dash)).value());
  const auto last = static_cast<size_t>(ParseInt64(range.substr(dash + 1)).value());
  if (last >= source.bytes.size()) return Error(400, "InvalidArgument");
  const auto number = ParseInt64(request.Query("partNumber").value_or(""));
  std::string& part = upload->second.parts[static_cast<size_t>(number.value())];
  part = source.bytes.substr(first, last - first + 1);
  return Xml(200, fmt::format("<CopyPartResult><ETag>{}</ETag></CopyPartResult>", EtagOf(part)));
}

Response FakeS3::Get(const Request& request, const std::string& path) {
  auto found = objects_.find(path);
  if (found == objects_.end()) {
    return request.method == Method::kHead ? Response::Empty(404) : Error(404, "NoSuchKey");
  }
  const std::string& bytes = found->second.bytes;
  Response response = Response::Text(200, bytes);
  auto range = request.headers.Get("Range");
  if (range && options_.knows_ranges) {
    std::string_view text = range->substr(6);
    size_t dash = text.find('-');
    auto from = static_cast<size_t>(ParseInt64(text.substr(0, dash)).value());
    auto to = static_cast<size_t>(ParseInt64(text.substr(dash + 1)).value());
    if (from >= bytes.size()) {
      response = Error(416, "InvalidRange");
      response.headers.Set("Content-Range", fmt::format("bytes */{}", bytes.size()));
      return response;
    }
    to = std::min(to, bytes.size() - 1);
    response = Response::Text(206, bytes.substr(from, to - from + 1));
    response.headers.Set("Content-Range", fmt::format("bytes {}-{}/{}", from, to, bytes.size()));
  }
  if (request.method == Method::kHead) {
    response.body.clear();
    response.headers.Set("Content-Length", std::to_string(bytes.size()));
  }
  response.headers.Set("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT");
  response.headers.Set("x-amz-meta-moraine-writer", found->second.writer_id);
  response.headers.Set("ETag", found->second.etag.empty() ? EtagOf(bytes) : found->second.etag);
  return response;
}

Response FakeS3::List(const Request& request, const std::string& bucket) {
  std::string prefix = bucket + "/" + std::string(request.Query("prefix").value_or(""));
  std::string after;
  if (options_.knows_start_after) after = request.Query("start-after").value_or("");
  if (auto token = request.Query("continuation-token")) {
    after = token->substr(std::min<size_t>(token->size(), 6));
  }
  auto limit = static_cast<size_t>(ParseInt64(request.Query("max-keys").value_or("1000")).value());
  limit = std::min(limit, options_.page_size);
  std::string body = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/\">";
  size_t count = 0;
  std::string last;
  bool truncated = false;
  for (const auto& [path, object] : objects_) {
    std::string key = path.substr(std::min(bucket.size() + 1, path.size()));
    if (!path.starts_with(prefix) || (!after.empty() && key <= after)) continue;
    if (count == limit) {
      truncated = true;
      break;
    }
    ++count;
    last = key;
    body += fmt::format(
        "<Contents><Key>{}</Key><LastModified>{}</LastModified><Size>{}</Size>"
        "</Contents>",
        EscapeXml(key), FormatTime(FromMillis(object.modified_ms)), object.bytes.size());
  }
  body += fmt::format("<IsTruncated>{}</IsTruncated>", truncated);
  if (truncated) {
    body += fmt::format("<NextContinuationToken>token-{}</NextContinuationToken>", EscapeXml(last));
  }
  return Xml(200, body + "</ListBucketResult>");
}

Response FakeS3::Create(const Request& request, const std::string& path, Object object) {
  bool asked = request.headers.Get("If-None-Match") == "*";
  if (asked && options_.if_none_match == IfNoneMatch::kRefused) return Error(501, "NotImplemented");
  if (asked && options_.if_none_match == IfNoneMatch::kKnown && objects_.contains(path)) {
    return Error(412, "PreconditionFailed");
  }
  objects_[path] = std::move(object);
  return Response::Empty(200);
}

Response FakeS3::Post(const Request& request, const std::string& path) {
  if (request.Query("uploads")) {
    std::string id = fmt::format("upload-{}", next_upload_++);
    uploads_[id] = {
        path, std::string(request.headers.Get("x-amz-meta-moraine-writer").value_or("")), {}};
    return Xml(200, fmt::format("<InitiateMultipartUploadResult><UploadId>{}</UploadId>"
                                "</InitiateMultipartUploadResult>",
                                id));
  }
  return Complete(request, std::string(request.Query("uploadId").value_or("")));
}

Response FakeS3::Complete(const Request& request, const std::string& id) {
  auto upload = uploads_.find(id);
  if (upload == uploads_.end()) return Error(404, "NoSuchUpload");
  XmlElement body = ParseXml(request.body).value();
  std::string bytes;
  for (const XmlElement& part : body.children) {
    auto number = static_cast<size_t>(ParseInt64(part.TextOf("PartNumber")).value());
    auto found = upload->second.parts.find(number);
    if (found == upload->second.parts.end() || part.TextOf("ETag") != EtagOf(found->second)) {
      return Error(400, "InvalidPart");
    }
    bytes += found->second;
  }
  Response made =
      Create(request, upload->second.path,
             {bytes, upload->second.writer_id, kModified,
              fmt::format("\"{}-{}\"", EtagOf(bytes).substr(1, 32), upload->second.parts.size())});
  if (made.status != 200) return made;
  uploads_.erase(upload);
  return Xml(200, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
}

Response FakeS3::DeleteMany(const Request& request, const std::string& bucket) {
  if (!options_.knows_delete_many) return Error(501, "NotImplemented");
  if (request.headers.Get("Content-MD5") != Base64Encode(net::Md5(request.body).value())) {
    return Error(400, "InvalidDigest");
  }
  std::string body = "<DeleteResult>";
  for (const XmlElement& object : ParseXml(request.body).value().children) {
    std::string key(object.TextOf("Key"));
    auto held = protected_.find(bucket + "/" + key);
    if (held != protected_.end() && held->second.second-- > 0) {
      if (held->second.first.empty()) continue;  // says nothing about it
      body += fmt::format("<Error><Key>{}</Key><Code>{}</Code></Error>", EscapeXml(key),
                          held->second.first);
      continue;
    }
    objects_.erase(bucket + "/" + key);
    body += fmt::format("<Deleted><Key>{}</Key></Deleted>", EscapeXml(key));
  }
  return Xml(200, body + "</DeleteResult>");
}

}  // namespace moraine::io
