#include "moraine/cli/optimizer_fence.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/io/allowed.h"
#include "moraine/io/current_files.h"
#include "moraine/io/routing_file_system.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_options.h"

namespace moraine::cli {

namespace {

constexpr std::chrono::seconds kProbeLimit{10};

bool HasKeys(const iceberg::StringMap& s3) {
  return s3.contains("s3.access-key-id") || s3.contains("s3.secret-access-key");
}

}  // namespace

/// The files of the machine and of its store below the server's locations and below the narrower
/// ones, both.
class OptimizerFence::Files {
 public:
  Files(std::vector<std::string> narrower, iceberg::StringMap own)
      : narrower_(std::move(narrower)),
        own_(std::move(own)),
        view_(io::MakeCurrentFileSystem(
            [this](Call&, const std::string& location) { return Current(location); })) {}

  Status Allow(const std::vector<std::string>& locations) {
    FilesPtr old;  // may end here, and not under the lock
    std::lock_guard lock(mutex_);
    if (is_allowed_ && locations == locations_) return {};
    MORAINE_ASSIGN(auto files, Make(locations, sent_));
    locations_ = locations;
    is_allowed_ = true;
    old = std::exchange(files_, std::move(files));
    problem_ = Status();
    return {};
  }

  /// The storage as the server says now. What it can't be used for shows in the task.
  void Use(iceberg::StringMap sent) {
    FilesPtr old;
    std::lock_guard lock(mutex_);
    if (sent == sent_) return;
    sent_ = std::move(sent);
    if (!is_allowed_) return;
    auto files = Make(locations_, sent_);
    problem_ = files.status();
    old = std::exchange(files_, files.ok() ? *std::move(files) : nullptr);
  }

  bool sends_keys() const {
    std::lock_guard lock(mutex_);
    return HasKeys(sent_);
  }
  bool has_keys() const { return HasKeys(own_); }
  io::FileSystem& view() { return *view_; }

 private:
  using FilesPtr = std::shared_ptr<io::FileSystem>;

  Result<FilesPtr> Make(const std::vector<std::string>& locations,
                        const iceberg::StringMap& sent) const {
    iceberg::StringMap properties = sent;
    io::OverlayS3Properties(own_, &properties);
    MORAINE_ASSIGN(auto s3, io::S3OptionsOf(properties));
    auto files = io::MakeFileSystemFor(locations, s3);
    if (!narrower_.empty()) {
      MORAINE_ASSIGN(files, io::MakeRestrictedFileSystem(std::move(files), narrower_));
    }
    MORAINE_ASSIGN(files, io::MakeRestrictedFileSystem(std::move(files), locations));
    return FilesPtr(std::move(files));
  }

  Result<FilesPtr> Current(const std::string& location) {
    std::lock_guard lock(mutex_);
    if (!is_allowed_) {
      return PermissionDenied(
          fmt::format("the server has not said yet that files may be touched: {}", location));
    }
    MORAINE_TRY(problem_);
    return files_;
  }

  const std::vector<std::string> narrower_;
  const iceberg::StringMap own_;
  mutable std::mutex mutex_;
  bool is_allowed_ = false;
  std::vector<std::string> locations_;
  iceberg::StringMap sent_;
  FilesPtr files_;
  Status problem_;
  const std::unique_ptr<io::FileSystem> view_;
};

class OptimizerFence::Transport final : public tasks::TaskTransport {
 public:
  Transport(tasks::TaskTransport& inner, Options options, std::stop_source stop, Files& files)
      : inner_(inner), options_(std::move(options)), stop_(std::move(stop)), files_(files) {}

  Result<tasks::RegisterReply> Register(Call& call,
                                        const tasks::RegisterRequest& request) override {
    auto reply = inner_.Register(call, request);
    if (!reply.ok()) {
      Judge(reply.status());
      return reply;
    }
    if (!reply->allowed_locations && options_.allowed_locations.empty()) {
      return End(InvalidArgument(fmt::format(
          "{} does not say where its tables lie: give --allowed-location", options_.server)));
    }
    Status allowed = files_.Allow(reply->allowed_locations ? *reply->allowed_locations
                                                           : options_.allowed_locations);
    if (!allowed.ok()) return End(std::move(allowed).Annotate("locations of the server"));
    if (reply->allowed_locations) Probe(call, *reply->allowed_locations);
    return reply;
  }
  Result<std::optional<tasks::HandedTask>> Poll(Call& call, const std::string& token,
                                                int32_t thread) override {
    auto task = inner_.Poll(call, token, thread);
    Judge(task.status());
    // From here on nobody sees them.
    if (task.ok() && *task) files_.Use(std::exchange((*task)->storage, {}));
    return task;
  }
  Status Acknowledge(Call& call, const std::string& token, const tasks::TaskKey& key) override {
    return inner_.Acknowledge(call, token, key);
  }
  Result<tasks::HeartbeatReply> Heartbeat(Call& call,
                                          const tasks::HeartbeatRequest& request) override {
    auto reply = inner_.Heartbeat(call, request);
    Judge(reply.status());
    return reply;
  }
  Status Report(Call& call, const tasks::TaskReport& report) override {
    if (report.error_code != CodeName(Code::kPermissionDenied)) return inner_.Report(call, report);
    tasks::TaskReport explained = report;
    explained.error += WhoseKeys();
    return inner_.Report(call, explained);
  }
  Status Unregister(Call& call, const std::string& token) override {
    return inner_.Unregister(call, token);
  }

  Status outcome() const {
    std::lock_guard lock(mutex_);
    return outcome_;
  }

 private:
  /// For a task that was refused its files.
  std::string_view WhoseKeys() const {
    if (files_.has_keys()) {
      return " (the s3.* settings are this optimizer's own: --config and MORAINE_S3_*)";
    }
    if (files_.sends_keys()) return " (the s3.* settings are those of the server)";
    return " (the server sends no keys: set optimizer.send-storage-credentials there, or"
           " MORAINE_S3_ACCESS_KEY_ID and MORAINE_S3_SECRET_ACCESS_KEY for this optimizer)";
  }

  /// Says at once when the store refuses the keys that this process was given.
  void Probe(Call& call, const std::vector<std::string>& locations) {
    auto at = std::find_if(locations.begin(), locations.end(),
                           [](const std::string& location) { return io::IsS3Location(location); });
    if (!files_.has_keys() || at == locations.end() || is_probed_.exchange(true)) return;
    Call probing(call.env(), kProbeLimit, call.stop());
    std::string below = at->ends_with('/') ? *at : *at + "/";
    auto listed = files_.view().List(probing, below, "", 1);
    if (listed.ok() || listed.status().code() == Code::kNotFound) return;
    call.env().log.Warn(listed.status().code() == Code::kPermissionDenied
                            ? "the store refuses the s3.* settings of this optimizer"
                            : "the store can't be reached with the s3.* settings of this optimizer",
                        {{"location", *at}, {"error", listed.status().ToString()}});
  }

  /// What no second try can mend ends the optimizer.
  void Judge(const Status& status) {
    switch (status.code()) {
      case Code::kUnauthenticated:
        (void)End(Unauthenticated(
            options_.sends_token
                ? fmt::format("{} refused the bearer token of --token-file", options_.server)
                : fmt::format("{} asks for a bearer token: give the file that holds it with "
                              "--token-file FILE",
                              options_.server)));
        return;
      case Code::kPermissionDenied:
      case Code::kUnsupported:
        (void)End(status);
        return;
      default:
        return;
    }
  }

  Status End(Status why) {
    {
      std::lock_guard lock(mutex_);
      if (outcome_.ok()) outcome_ = why;
    }
    stop_.request_stop();
    return why;
  }

  tasks::TaskTransport& inner_;
  const Options options_;
  std::stop_source stop_;
  Files& files_;
  std::atomic<bool> is_probed_{false};
  mutable std::mutex mutex_;
  Status outcome_;
};

Status OptimizerFence::Check(const Options& options) {
  return io::MakeRestrictedFileSystem(io::MakeLocalFileSystem(), options.allowed_locations)
      .status();
}

OptimizerFence::OptimizerFence(tasks::TaskTransport& inner, Options options, std::stop_source stop)
    : files_(std::make_unique<Files>(options.allowed_locations, options.s3)),
      transport_(std::make_unique<Transport>(inner, std::move(options), std::move(stop), *files_)) {
}
OptimizerFence::~OptimizerFence() = default;

tasks::TaskTransport& OptimizerFence::transport() { return *transport_; }
io::FileSystem& OptimizerFence::files() { return files_->view(); }
Status OptimizerFence::outcome() const { return transport_->outcome(); }

}  // namespace moraine::cli
