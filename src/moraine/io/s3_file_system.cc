#include "moraine/io/s3_file_system.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/io/file_copy.h"
#include "moraine/io/range_cache.h"
#include "moraine/io/s3_client.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_writer.h"
#include "moraine/net/http_client.h"

namespace moraine::io {
namespace {

constexpr int64_t kFirstBytes = 1 << 20;  ///< read along with the size of a file
constexpr int64_t kRangeBytes = 8 << 20;  ///< of one GET
constexpr size_t kRangesAtOnce = 4;
constexpr int64_t kReadAheadBytes = 128 << 20;  ///< of all files together
constexpr size_t kDeleteBatch = 1000;
constexpr size_t kMostListed = 10'000'000;
constexpr size_t kMostEmptyPages = 1000;
constexpr size_t kAnswerLimit = 64 << 20;  ///< the largest listing and the largest range

class S3Reader final : public RandomReader {
 public:
  S3Reader(S3Client& client, Executor& pool, S3Location at, int64_t size, net::SharedBytes first)
      : client_(client), pool_(pool), at_(std::move(at)), size_(size), first_(std::move(first)) {}

  int64_t size() const override { return size_; }

  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    MORAINE_TRY(call.Check());
    if (offset < 0 || static_cast<int64_t>(buffer.size()) > size_ ||
        offset > size_ - static_cast<int64_t>(buffer.size())) {
      return TooShort(size_, offset, buffer.size());
    }
    size_t have = first_ == nullptr ? 0 : first_->size();
    if (static_cast<size_t>(offset) < have) {
      size_t some = std::min(buffer.size(), have - static_cast<size_t>(offset));
      std::memcpy(buffer.data(), first_->data() + offset, some);
      buffer = buffer.subspan(some);
      offset += static_cast<int64_t>(some);
    }
    size_t ranges = (buffer.size() + kRangeBytes - 1) / kRangeBytes;
    if (ranges <= 1) return buffer.empty() ? Status() : ReadRange(call, offset, buffer);
    return ForEach(pool_, ranges, kRangesAtOnce - 1, [&](size_t i) {
      Call own(call);
      size_t begin = i * kRangeBytes;
      size_t length = std::min<size_t>(kRangeBytes, buffer.size() - begin);
      return ReadRange(own, offset + static_cast<int64_t>(begin), buffer.subspan(begin, length));
    });
  }

 private:
  Status TooShort(int64_t size, int64_t offset, size_t wanted) const {
    return Corruption(fmt::format("file ends too early: {}{} has {} bytes, {} expected from {}",
                                  at_.before_key, at_.key, size, wanted, offset));
  }

  Status ReadRange(Call& call, int64_t offset, std::span<char> buffer) {
    MORAINE_ASSIGN(S3Client::Received got, client_.Read(call, at_, offset, buffer));
    if (got.bytes == buffer.size()) return {};
    return TooShort(got.object_size_bytes, offset, buffer.size());
  }

  S3Client& client_;
  Executor& pool_;
  const S3Location at_;
  const int64_t size_;
  const net::SharedBytes first_;  ///< the beginning of the file, if it came along; may be null
};

class S3FileSystem final : public FileSystem, public StoreCopies {
 public:
  S3FileSystem(const S3Options& options, std::unique_ptr<net::HttpTransport> transport)
      : client_(options, std::move(transport)),
        pool_(
            {.name = "s3", .threads = std::max<size_t>(options.threads, 1), .queue_limit = 4096}) {}

  Result<std::unique_ptr<RandomReader>> Open(Call& call, const std::string& location,
                                             std::optional<int64_t> known_size) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(S3Location at, ParseFile(location));
    S3Client::Piece first;
    if (!known_size) {
      MORAINE_ASSIGN(first, client_.Get(call, at, 0, kFirstBytes));
    }
    int64_t size = known_size.value_or(first.object_size_bytes);
    bool all_here = first.bytes != nullptr && static_cast<int64_t>(first.bytes->size()) == size;
    std::unique_ptr<RandomReader> reader =
        std::make_unique<S3Reader>(client_, pool_, std::move(at), size, std::move(first.bytes));
    if (all_here) return reader;
    return std::unique_ptr<RandomReader>(
        MakeRangeCache(std::move(reader), pool_, read_ahead_, RangeCacheOptions{}));
  }

  Result<std::unique_ptr<Writer>> Create(Call& call, const std::string& location) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(S3Location at, ParseFile(location));
    return MakeS3Writer(call, client_, pool_, at);
  }

  Result<FileInfo> Stat(Call& call, const std::string& location) override {
    MORAINE_ASSIGN(S3Location at, ParseFile(location));
    MORAINE_ASSIGN(S3Client::Found found, client_.Head(call, at));
    return FileInfo{location, found.size_bytes, found.modified_ms};
  }

  Result<FileListing> List(Call& call, const std::string& prefix, const std::string& start_after,
                           size_t limit) override {
    MORAINE_ASSIGN(S3Location at, ParseS3Prefix(prefix));
    std::string after;
    if (!start_after.empty()) {
      MORAINE_ASSIGN(S3Location where, ParseS3Prefix(start_after));
      if (where.bucket != at.bucket) {
        return InvalidArgument(fmt::format("{} is in another bucket than {}", start_after, prefix));
      }
      after = std::move(where.key);
    }
    return ListFrom(call, at, after, limit);
  }

  Status Copy(Call& call, const std::string& from, const std::string& to) override {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(const S3Location source, ParseFile(from));
    MORAINE_ASSIGN(const S3Location place, ParseFile(to));
    return client_.Copy(call, source, place);
  }

  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<Status> outcomes(locations.size());
    std::map<std::string, std::vector<size_t>> by_bucket;
    std::vector<S3Location> places(locations.size());
    for (size_t i = 0; i < locations.size(); ++i) {
      Result<S3Location> at = ParseFile(locations[i]);
      if (!at.ok()) {
        outcomes[i] = std::move(at).status();
        continue;
      }
      places[i] = std::move(*at);
      by_bucket[places[i].bucket].push_back(i);
    }
    for (const auto& [bucket, indices] : by_bucket) {
      for (size_t begin = 0; begin < indices.size(); begin += kDeleteBatch) {
        size_t count = std::min(kDeleteBatch, indices.size() - begin);
        DeleteBatch(call, std::span(indices).subspan(begin, count), places, &outcomes);
      }
    }
    return outcomes;
  }

 private:
  static Result<S3Location> ParseFile(const std::string& location) {
    MORAINE_ASSIGN(S3Location at, ParseS3Location(location));
    if (at.key.empty() || at.key.ends_with('/')) {
      return InvalidArgument(fmt::format("a file's name is missing: {}", location));
    }
    return at;
  }

  static Status DoesNotGoOn(const S3Location& at) {
    return Corruption(
        fmt::format("the store's listing does not go on: {}{}", at.before_key, at.key));
  }

  Result<FileListing> ListFrom(Call& call, const S3Location& at, const std::string& after,
                               size_t limit) {
    FileListing listing;
    std::string token;
    std::set<std::string> tokens;  // a store that gives one again goes round in circles
    size_t without_files = 0;      // pages one behind the other
    limit = std::min(limit, kMostListed);
    for (;;) {
      // One more than asked for tells whether there is more.
      size_t wanted = limit + 1 - listing.files.size();
      size_t before = listing.files.size();
      MORAINE_ASSIGN(S3ListPage page, client_.List(call, at, after, token, wanted));
      for (S3Listed& object : page.objects) {
        if (object.key.ends_with('/')) continue;
        if (!object.key.starts_with(at.key)) {
          return Corruption(fmt::format("the store lists '{}', which is not in {}{}", object.key,
                                        at.before_key, at.key));
        }
        if (object.key == after) return DoesNotGoOn(at);
        if (listing.files.size() == limit) {
          listing.complete = false;
          return listing;
        }
        listing.files.push_back(
            {at.before_key + object.key, object.size_bytes, object.modified_ms});
      }
      if (!page.truncated) break;
      without_files = listing.files.size() == before ? without_files + 1 : 0;
      token = std::move(page.next_token);
      if (without_files > kMostEmptyPages || !tokens.insert(token).second) return DoesNotGoOn(at);
    }
    // A page has to end where the next one goes on, so only a whole listing can be put in order.
    if (after.empty()) {
      std::sort(listing.files.begin(), listing.files.end(),
                [](const FileInfo& a, const FileInfo& b) { return a.location < b.location; });
    }
    return listing;
  }

  void DeleteBatch(Call& call, std::span<const size_t> indices,
                   const std::vector<S3Location>& places, std::vector<Status>* outcomes) {
    std::vector<std::string> keys;
    for (size_t i : indices) keys.push_back(places[i].key);
    std::vector<Status> done = client_.Delete(call, places[indices.front()], keys);
    for (size_t i = 0; i < indices.size(); ++i) (*outcomes)[indices[i]] = std::move(done[i]);
  }

  S3Client client_;
  const std::shared_ptr<ReadAheadBudget> read_ahead_ =
      std::make_shared<ReadAheadBudget>(kReadAheadBytes);
  ThreadPool pool_;  // ends before the client that its tasks use
};

net::HttpClientOptions HttpOptions(const S3Options& options) {
  net::HttpClientOptions http;
  http.response_limit_bytes = kAnswerLimit;
  http.idle_connections = options.threads + 8;
  http.ca_file = options.ca_file;
  http.answers = net::HttpClientOptions::Answers::kAsStored;
  return http;
}

}  // namespace

std::unique_ptr<FileSystem> MakeS3FileSystem(const S3Options& options) {
  return MakeS3FileSystem(options, net::MakeHttpClient(HttpOptions(options)));
}

std::unique_ptr<FileSystem> MakeS3FileSystem(const S3Options& options,
                                             std::unique_ptr<net::HttpTransport> transport) {
  return std::make_unique<S3FileSystem>(options, std::move(transport));
}

}  // namespace moraine::io
