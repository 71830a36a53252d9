#include "moraine/io/cloud_file_system.h"

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <arrow/filesystem/azurefs.h>
#include <arrow/filesystem/gcsfs.h>
#include <arrow/filesystem/hdfs.h>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/arrow_file_system.h"
#include "moraine/io/arrow_status.h"
#include "moraine/io/current_files.h"
#include "moraine/io/local_file_system.h"

namespace moraine::io {
namespace {

using ArrowFilesPtr = std::shared_ptr<arrow::fs::FileSystem>;
/// What reaches one host; for stores without hosts its name is empty.
using Connect = std::function<Result<ArrowFilesPtr>(Call& call, const std::string& host)>;

constexpr double kRetrySeconds = 60;
constexpr int64_t kMostCredentialBytes = 64 << 10;

/// Connects when the first file of a host is asked for, and stays connected.
class Hosts {
 public:
  Hosts(CloudStore store, Connect connect) : store_(store), connect_(std::move(connect)) {}

  Result<std::shared_ptr<FileSystem>> Of(Call& call, const std::string& location) {
    MORAINE_ASSIGN(const CloudLocation parsed, ParseCloudPrefix(location));
    if (parsed.store != store_) {
      return InvalidArgument(fmt::format("location is in another store: {}", location));
    }
    std::lock_guard lock(mutex_);
    std::shared_ptr<FileSystem>& held = held_[parsed.host];
    if (held == nullptr) {
      MORAINE_ASSIGN(ArrowFilesPtr files, connect_(call, parsed.host));
      held =
          MakeArrowFileSystem(std::move(files), store_ == CloudStore::kHdfs ? StoreFolders::kMade
                                                                            : StoreFolders::kNone);
    }
    return held;
  }

 private:
  const CloudStore store_;
  const Connect connect_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<FileSystem>> held_;  // under mutex_
};

std::unique_ptr<FileSystem> MakeConnecting(CloudStore store, Connect connect) {
  auto hosts = std::make_shared<Hosts>(store, std::move(connect));
  return MakeCurrentFileSystem(
      [hosts](Call& call, const std::string& location) { return hosts->Of(call, location); });
}

Result<arrow::fs::GcsOptions> ToArrowOptions(Call& call, const GcsOptions& options) {
  arrow::fs::GcsOptions out = arrow::fs::GcsOptions::Anonymous();
  if (!options.token.empty()) {
    const Millis until{options.token_expires_ms.value_or(int64_t{1} << 42)};
    out = arrow::fs::GcsOptions::FromAccessToken(
        options.token, arrow::fs::TimePoint(std::chrono::nanoseconds(until)));
  } else if (!options.credentials_file.empty()) {
    auto local = MakeLocalFileSystem();
    auto json = ReadFile(call, *local, options.credentials_file, kMostCredentialBytes);
    if (!json.ok()) return std::move(json).status().Annotate("gcs.credentials-file");
    out = arrow::fs::GcsOptions::FromServiceAccountCredentials(*json);
  } else if (!options.anonymous) {
    out = arrow::fs::GcsOptions::Defaults();
  }
  out.retry_limit_seconds = kRetrySeconds;
  if (!options.project.empty()) out.project_id = options.project;
  if (!options.endpoint.empty()) {
    const size_t host = options.endpoint.find("://");
    out.scheme = options.endpoint.substr(0, host);
    out.endpoint_override = options.endpoint.substr(host + 3);
  }
  return out;
}

/// "account.dfs.core.windows.net" -> "account"
Result<std::string> AccountOf(const AdlsOptions& options, const std::string& host) {
  std::string account = host.substr(0, host.find('.'));
  if (options.account.empty() || options.account == account) return account;
  return InvalidArgument(
      fmt::format("the keys are for the account '{}' (adls.account-name), and the "
                  "location is in '{}'",
                  options.account, account));
}

Result<arrow::fs::AzureOptions> ToArrowOptions(const AdlsOptions& options,
                                               const std::string& host) {
  arrow::fs::AzureOptions out;
  MORAINE_ASSIGN(out.account_name, AccountOf(options, host));
  if (!options.blob_authority.empty()) out.blob_storage_authority = options.blob_authority;
  if (!options.blob_scheme.empty()) out.blob_storage_scheme = options.blob_scheme;
  if (!options.dfs_authority.empty()) out.dfs_storage_authority = options.dfs_authority;
  if (!options.dfs_scheme.empty()) out.dfs_storage_scheme = options.dfs_scheme;
  out.background_writes = false;  // threads are ours to bound
  if (!options.key.empty()) {
    MORAINE_TRY(out.ConfigureAccountKeyCredential(options.key));
  } else if (!options.sas_token.empty()) {
    MORAINE_TRY(out.ConfigureSASCredential(options.sas_token));
  } else if (!options.client_secret.empty()) {
    MORAINE_TRY(out.ConfigureClientSecretCredential(options.tenant_id, options.client_id,
                                                    options.client_secret));
  } else if (!options.client_id.empty()) {
    MORAINE_TRY(out.ConfigureManagedIdentityCredential(options.client_id));
  } else {
    MORAINE_TRY(out.ConfigureDefaultCredential());
  }
  return out;
}

Result<arrow::fs::HdfsOptions> ToArrowOptions(const HdfsOptions& options, const std::string& host) {
  arrow::fs::HdfsOptions out;
  const size_t colon = host.rfind(':');
  int64_t port = 0;  // a name service's, which has none
  if (colon != host.npos) {
    const Result<int64_t> told = ParseInt64(host.substr(colon + 1));
    if (!told.ok() || *told < 1 || *told > 65535) {
      return InvalidArgument(fmt::format("location names no port behind '{}:'", host));
    }
    port = *told;
  }
  out.ConfigureEndPoint(host.substr(0, colon), static_cast<int>(port));
  if (!options.user.empty()) out.ConfigureUser(options.user);
  if (!options.kerberos_ticket.empty()) {
    out.ConfigureKerberosTicketCachePath(options.kerberos_ticket);
  }
  return out;
}

}  // namespace

std::unique_ptr<FileSystem> MakeGcsFileSystem(GcsOptions options) {
  return MakeConnecting(
      CloudStore::kGcs,
      [options = std::move(options)](Call& call, const std::string&) -> Result<ArrowFilesPtr> {
        MORAINE_ASSIGN(const auto gcs, ToArrowOptions(call, options));
        MORAINE_ASSIGN(auto files, arrow::fs::GcsFileSystem::Make(gcs));
        return ArrowFilesPtr(std::move(files));
      });
}

std::unique_ptr<FileSystem> MakeAdlsFileSystem(AdlsOptions options) {
  return MakeConnecting(
      CloudStore::kAdls,
      [options = std::move(options)](Call&, const std::string& host) -> Result<ArrowFilesPtr> {
        MORAINE_ASSIGN(const auto adls, ToArrowOptions(options, host));
        MORAINE_ASSIGN(auto files, arrow::fs::AzureFileSystem::Make(adls));
        return ArrowFilesPtr(std::move(files));
      });
}

std::unique_ptr<FileSystem> MakeHdfsFileSystem(HdfsOptions options) {
  return MakeConnecting(
      CloudStore::kHdfs,
      [options = std::move(options)](Call&, const std::string& host) -> Result<ArrowFilesPtr> {
        MORAINE_ASSIGN(const auto hdfs, ToArrowOptions(options, host));
        auto files = arrow::fs::HadoopFileSystem::Make(hdfs);
        if (files.ok()) return ArrowFilesPtr(*files);
        return Unsupported(fmt::format(
            "hdfs://{} can't be reached; Hadoop's client is needed (HADOOP_HOME, JAVA_HOME and "
            "CLASSPATH lead to libhdfs, libjvm and its classes): {}",
            host, files.status().message()));
      });
}

Result<std::unique_ptr<FileSystem>> MakeCloudFileSystem(CloudStore store,
                                                        const StorageProperties& properties) {
  switch (store) {
    case CloudStore::kGcs: {
      MORAINE_ASSIGN(GcsOptions options, GcsOptionsOf(properties));
      return MakeGcsFileSystem(std::move(options));
    }
    case CloudStore::kAdls: {
      MORAINE_ASSIGN(AdlsOptions options, AdlsOptionsOf(properties));
      return MakeAdlsFileSystem(std::move(options));
    }
    case CloudStore::kHdfs: {
      MORAINE_ASSIGN(HdfsOptions options, HdfsOptionsOf(properties));
      return MakeHdfsFileSystem(std::move(options));
    }
  }
  return Internal("a store that there is not");
}

}  // namespace moraine::io
