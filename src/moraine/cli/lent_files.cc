#include "moraine/cli/lent_files.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/routing_file_system.h"
#include "moraine/io/s3_file_system.h"

namespace moraine::cli {
namespace {

constexpr Millis kRenewBefore{5 * 60'000};
constexpr Millis kTryAgain{30'000};
constexpr int64_t kLatestMs = 253'402'300'800'000;  // the year 10000

std::string_view SchemeOf(std::string_view location) {
  size_t colon = location.find(':');
  return colon == location.npos || location.starts_with('/') ? "file" : location.substr(0, colon);
}

class RenewingFileSystem final : public io::FileSystem {
 public:
  RenewingFileSystem(LentFileSystem first, std::function<Result<LentFileSystem>(Call&)> renew)
      : renew_(std::move(renew)) {
    Take(std::move(first), WallTime());
  }

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    return Current(call).Open(call, location, known_size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return Current(call).Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return Current(call).Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override {
    return Current(call).List(call, prefix, start_after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return Current(call).DeleteMany(call, locations);
  }

 private:
  /// Lives as long as this.
  io::FileSystem& Current(Call& call) {
    {
      std::lock_guard lock(mutex_);
      if (renewing_ || !renew_at_ || call.clock().Wall() < *renew_at_) return *all_.back();
      renewing_ = true;
    }
    auto fresh = renew_(call);
    std::lock_guard lock(mutex_);
    renewing_ = false;
    if (fresh.ok()) {
      Take(*std::move(fresh), call.clock().Wall());
    } else {
      renew_at_ = call.clock().Wall() + kTryAgain;
    }
    return *all_.back();
  }

  void Take(LentFileSystem lent, WallTime now) {
    all_.push_back(std::move(lent.files));
    renew_at_.reset();
    // Keys that end soon are not asked for at every call.
    if (lent.until) renew_at_ = std::max(*lent.until - kRenewBefore, now + kTryAgain);
  }

  const std::function<Result<LentFileSystem>(Call&)> renew_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<io::FileSystem>> all_;  // open files belong to older ones
  std::optional<WallTime> renew_at_;
  bool renewing_ = false;
};

}  // namespace

Result<LentFileSystem> OpenTableFiles(const iceberg::StringMap& catalog_properties,
                                      const catalog::RestTable& table) {
  const std::string& location = table.metadata->location;
  auto scheme = SchemeOf(location);
  LentFileSystem lent;
  if (scheme == "file") {
    lent.files = io::MakeLocalFileSystem();
    return lent;
  }
  if (scheme != "s3" && scheme != "s3a" && scheme != "s3n") {
    return Unsupported(
        fmt::format("the table lies at {}: only local files and S3 can be reached", location));
  }
  auto properties = catalog::FileProperties(catalog_properties, table, location);
  MORAINE_ASSIGN(auto options, io::S3OptionsOf(properties));
  lent.anonymous = options.anonymous();
  lent.files = io::MakeRoutingFileSystem(io::MakeLocalFileSystem(), io::MakeS3FileSystem(options));
  auto until = properties.find("s3.session-token-expires-at-ms");
  if (until != properties.end() && !options.session_token.empty()) {
    auto millis = ParseInt64(until->second);
    if (millis.ok() && *millis > 0 && *millis < kLatestMs) lent.until = FromMillis(*millis);
  }
  return lent;
}

std::unique_ptr<io::FileSystem> MakeRenewingFileSystem(
    LentFileSystem first, std::function<Result<LentFileSystem>(Call&)> renew) {
  return std::make_unique<RenewingFileSystem>(std::move(first), std::move(renew));
}

}  // namespace moraine::cli
