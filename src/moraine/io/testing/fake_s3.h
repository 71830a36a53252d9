#pragma once
// An S3 store in memory, as a transport: the requests that the S3 file system makes, path style,
// with the faults of a real one. Tests look behind its back at objects, uploads and the log of
// requests.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/net/http_client.h"

namespace moraine::io {

/// One that befalls requests whose "METHOD /bucket/key?a=b" has the text in it.
struct S3Fault {
  enum class Kind {
    kRefused,      ///< not sent
    kLost,         ///< carried out, the answer is lost
    kTimedOut,     ///< carried out, no answer came in the time of one attempt
    kStatus,       ///< not carried out: this status and code
    kStatusAfter,  ///< carried out, and yet this status and code
    kGarbage,      ///< carried out; the answer's body is no XML
    kShort,        ///< carried out; the answer's body is cut in half
    kErrorInside,  ///< not carried out: status 200, and the error as the body
    kShifted,      ///< carried out; the bytes are those of a range that begins elsewhere
    kSameToken,    ///< carried out; the listing goes on with the code as the token
  };
  Kind kind = Kind::kStatus;
  std::string match;
  int skip = 0;   ///< so many matching requests pass first
  int count = 1;  ///< so many are hit
  int status = 503;
  std::string code = "SlowDown";
};

/// Thread-safe.
class FakeS3 {
 public:
  enum class IfNoneMatch { kKnown, kRefused, kIgnored };
  struct Options {
    IfNoneMatch if_none_match = IfNoneMatch::kKnown;
    bool knows_delete_many = true;
    bool knows_ranges = true;
    bool knows_start_after = true;
    bool knows_copies = true;
    size_t page_size = 1000;
    std::string access_key_id;  ///< empty: anonymous requests are taken
  };
  FakeS3() : FakeS3(Options{}) {}
  explicit FakeS3(Options options) : options_(std::move(options)) {}

  struct Object {
    std::string bytes;
    std::string writer_id;
    int64_t modified_ms = 0;
    std::string etag{};  ///< with its quotes; empty: that of the bytes
  };

  /// A transport to this store, which it must not outlive.
  std::unique_ptr<net::HttpTransport> Transport();

  void Add(S3Fault fault);
  void Put(const std::string& path, Object object);  ///< "bucket/key"
  std::map<std::string, Object> objects() const;     ///< by "bucket/key"
  size_t uploads() const;                            ///< begun and neither finished nor abandoned
  std::vector<std::string> log() const;              ///< "PUT /bucket/key?a=b"
  size_t CountOf(const std::string& part) const;     ///< requests whose text has this in it
  int64_t sent_bytes() const;                        ///< of objects, since the log begins
  void ForgetLog();
  /// Keys that can't be deleted, and the code that says why.
  void Protect(const std::string& path, std::string code, int times);

 private:
  friend class FakeS3Transport;
  struct Upload {
    std::string path;
    std::string writer_id;
    std::map<size_t, std::string> parts{};
  };

  Result<net::Response> Send(Call& call, const net::Request& request);
  net::Response Handle(const net::Request& request);
  net::Response Get(const net::Request& request, const std::string& path);
  net::Response List(const net::Request& request, const std::string& bucket);
  net::Response Copy(const net::Request& request, const std::string& path);
  net::Response Create(const net::Request& request, const std::string& path, Object object);
  net::Response Post(const net::Request& request, const std::string& path);
  net::Response Complete(const net::Request& request, const std::string& id);
  net::Response DeleteMany(const net::Request& request, const std::string& bucket);

  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;
  std::map<std::string, std::pair<std::string, int>> protected_;
  std::vector<S3Fault> faults_;
  std::vector<std::string> log_;
  int64_t sent_bytes_ = 0;
  int next_upload_ = 1;
};

}  // namespace moraine::io
