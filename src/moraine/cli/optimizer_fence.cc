#include "moraine/cli/optimizer_fence.h"

#include <optional>

#include <fmt/format.h>

#include "moraine/io/allowed.h"
#include "moraine/io/routing_file_system.h"

namespace moraine::cli {

/// The files of the machine and of its store below the server's locations and below the narrower
/// ones, both.
class OptimizerFence::Files final : public io::FileSystem {
 public:
  Files(std::vector<std::string> narrower, io::S3Options s3)
      : narrower_(std::move(narrower)), s3_(std::move(s3)) {}

  Status Allow(const std::vector<std::string>& locations) {
    std::lock_guard lock(mutex_);
    if (!made_.empty() && locations == locations_) return {};
    auto files = io::MakeFileSystemFor(locations, s3_);
    if (!narrower_.empty()) {
      MORAINE_ASSIGN(files, io::MakeRestrictedFileSystem(std::move(files), narrower_));
    }
    MORAINE_ASSIGN(files, io::MakeRestrictedFileSystem(std::move(files), locations));
    locations_ = locations;
    made_.push_back(std::move(files));
    return {};
  }

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    MORAINE_ASSIGN(auto* files, Current(location));
    return files->Open(call, location, known_size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    MORAINE_ASSIGN(auto* files, Current(location));
    return files->Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    MORAINE_ASSIGN(auto* files, Current(location));
    return files->Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix,
                               const std::string& start_after, size_t limit) override {
    MORAINE_ASSIGN(auto* files, Current(prefix));
    return files->List(call, prefix, start_after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    auto files = Current(locations.empty() ? "" : locations.front());
    if (!files.ok()) return std::vector<Status>(locations.size(), files.status());
    return (*files)->DeleteMany(call, locations);
  }

 private:
  Result<io::FileSystem*> Current(const std::string& location) {
    std::lock_guard lock(mutex_);
    if (made_.empty()) {
      return PermissionDenied(
          fmt::format("the server has not said yet that files may be touched: {}", location));
    }
    return made_.back().get();
  }

  const std::vector<std::string> narrower_;
  const io::S3Options s3_;
  std::mutex mutex_;
  std::vector<std::string> locations_;
  // Old ones stay: writers that they made may still be open. One more only when a server comes back
  // with other locations.
  std::vector<std::unique_ptr<io::FileSystem>> made_;
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
    return reply;
  }
  Result<std::optional<tasks::HandedTask>> Poll(Call& call, const std::string& token,
                                                int32_t thread) override {
    auto task = inner_.Poll(call, token, thread);
    Judge(task.status());
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
    return inner_.Report(call, report);
  }
  Status Unregister(Call& call, const std::string& token) override {
    return inner_.Unregister(call, token);
  }

  Status outcome() const {
    std::lock_guard lock(mutex_);
    return outcome_;
  }

 private:
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
io::FileSystem& OptimizerFence::files() { return *files_; }
Status OptimizerFence::outcome() const { return transport_->outcome(); }

}  // namespace moraine::cli
