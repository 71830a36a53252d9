#include "moraine/cli/lent_files.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/cloud_location.h"
#include "moraine/io/cloud_options.h"
#include "moraine/io/current_files.h"
#include "moraine/io/routing_file_system.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_options.h"

namespace moraine::cli {
namespace {

constexpr Millis kRenewBefore{5 * 60'000};
constexpr Millis kTryAgain{30'000};
constexpr int64_t kLatestMs = 253'402'300'800'000;  // the year 10000

std::string_view SchemeOf(std::string_view location) {
  size_t colon = location.find(':');
  return colon == location.npos || location.starts_with('/') ? "file" : location.substr(0, colon);
}

/// The keys that are lent now. Thread-safe.
class Lender {
 public:
  Lender(LentFileSystem first, std::function<Result<LentFileSystem>(Call&)> renew)
      : renew_(std::move(renew)) {
    Take(std::move(first), WallTime());
  }

  std::shared_ptr<io::FileSystem> Current(Call& call) {
    {
      std::lock_guard lock(mutex_);
      if (renewing_ || !renew_at_ || call.clock().Wall() < *renew_at_) return files_;
      renewing_ = true;
    }
    auto fresh = renew_(call);
    std::shared_ptr<io::FileSystem> old;  // may end here, and not under the lock
    std::lock_guard lock(mutex_);
    renewing_ = false;
    if (fresh.ok()) {
      old = files_;
      Take(*std::move(fresh), call.clock().Wall());
    } else {
      renew_at_ = call.clock().Wall() + kTryAgain;
    }
    return files_;
  }

 private:
  void Take(LentFileSystem lent, WallTime now) {
    files_ = std::move(lent.files);
    renew_at_.reset();
    // Keys that end soon are not asked for at every call.
    if (lent.until) renew_at_ = std::max(*lent.until - kRenewBefore, now + kTryAgain);
  }

  const std::function<Result<LentFileSystem>(Call&)> renew_;
  std::mutex mutex_;
  std::shared_ptr<io::FileSystem> files_;
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
  if (!io::IsS3Location(location) && !io::CloudStoreOf(location)) {
    return Unsupported(
        fmt::format("the table lies at {}: only local files, S3, Google Cloud Storage, Azure Data "
                    "Lake Storage and HDFS can be reached",
                    location));
  }
  auto properties = catalog::FileProperties(catalog_properties, table, location);
  io::ChooseSasToken(location, &properties);
  if (io::IsS3Location(location)) {
    MORAINE_ASSIGN(auto options, io::S3OptionsOf(properties));
    lent.anonymous = options.anonymous();
  }
  MORAINE_ASSIGN(lent.files, io::MakeFileSystemFor({location}, properties));
  const auto ends = io::StorageKeysEndMs(location, properties);
  if (ends && *ends < kLatestMs) lent.until = FromMillis(*ends);
  return lent;
}

std::unique_ptr<io::FileSystem> MakeRenewingFileSystem(
    LentFileSystem first, std::function<Result<LentFileSystem>(Call&)> renew) {
  auto lender = std::make_shared<Lender>(std::move(first), std::move(renew));
  return io::MakeCurrentFileSystem(
      [lender](Call& call, const std::string&) -> Result<std::shared_ptr<io::FileSystem>> {
        return lender->Current(call);
      });
}

}  // namespace moraine::cli
