#include "moraine/cli/optimizer_fence.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/io/allowed.h"
#include "moraine/io/current_files.h"
#include "moraine/io/location.h"
#include "moraine/io/routing_file_system.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/s3_options.h"

namespace moraine::cli {

namespace {

constexpr std::chrono::seconds kProbeLimit{10};
constexpr size_t kMostPlaces = 1'000;

bool HasKeys(const iceberg::StringMap& s3) {
  return s3.contains("s3.access-key-id") || s3.contains("s3.secret-access-key");
}

}  // namespace

/// The files of the machine and of its stores below the server's locations and below the narrower
/// ones, both. Each task brings the settings of its warehouse, and the locations where they hold:
/// tasks of warehouses in several stores may run at once.
class OptimizerFence::Files {
 public:
  Files(std::vector<std::string> narrower, iceberg::StringMap own)
      : narrower_(std::move(narrower)),
        own_(std::move(own)),
        view_(io::MakeCurrentFileSystem(
            [this](Call&, const std::string& location) { return Current(location); })) {}

  Status Allow(const std::vector<std::string>& locations) {
    std::map<std::string, Place> old;  // of another server; may end here, and not under the lock
    {
      std::lock_guard lock(mutex_);
      auto base = places_.find("");
      if (base != places_.end() && base->second.locations == locations) return {};
      old.swap(places_);
    }
    return Put("", locations, std::nullopt);
  }

  /// The storage as the server says now. What it can't be used for shows in the task.
  void Use(iceberg::StringMap sent, const std::vector<std::string>& locations) {
    std::vector<std::string> all;
    {
      std::lock_guard lock(mutex_);
      auto base = places_.find("");
      if (base == places_.end()) return;  // not registered
      all = base->second.locations;
    }
    if (locations.empty()) {
      (void)Put("", all, std::move(sent));  // an older server, which has one warehouse
      return;
    }
    (void)Put(fmt::format("{}", fmt::join(locations, "\n")), locations, std::move(sent));
  }

  bool sends_keys() const {
    std::lock_guard lock(mutex_);
    return std::any_of(places_.begin(), places_.end(),
                       [](const auto& place) { return HasKeys(place.second.sent); });
  }
  bool has_keys() const { return HasKeys(own_); }
  io::FileSystem& view() { return *view_; }

 private:
  using FilesPtr = std::shared_ptr<io::FileSystem>;
  struct Place {
    std::vector<std::string> locations;
    iceberg::StringMap sent;
    FilesPtr files;  ///< null with a problem
    Status problem;
  };

  /// Files that are open stay with the settings that opened them.
  Status Put(const std::string& key, const std::vector<std::string>& locations,
             std::optional<iceberg::StringMap> sent) {
    Place old;  // may end here, and not under the lock
    std::lock_guard lock(mutex_);
    auto found = places_.find(key);
    bool is_new = found == places_.end();
    Place next;
    next.locations = locations;
    next.sent = sent ? std::move(*sent) : is_new ? iceberg::StringMap() : found->second.sent;
    if (!is_new && next.locations == found->second.locations && next.sent == found->second.sent) {
      return found->second.problem;
    }
    auto files = Make(next.locations, next.sent);
    next.problem = files.status();
    if (files.ok()) next.files = std::move(*files);
    // Locations that are none change nothing; settings that are none show in the task.
    if (!files.ok() && is_new && key.empty()) return next.problem;
    if (!is_new) {
      old = std::move(found->second);
    } else if (places_.size() >= kMostPlaces) {
      auto victim = std::prev(places_.end());
      old = std::move(victim->second);
      places_.erase(victim);
    }
    Status problem = next.problem;
    places_[key] = std::move(next);
    return problem;
  }

  Result<FilesPtr> Make(const std::vector<std::string>& locations,
                        const iceberg::StringMap& sent) const {
    iceberg::StringMap properties = sent;
    io::OverlayS3Properties(own_, &properties);
    MORAINE_ASSIGN(auto files, io::MakeFileSystemFor(locations, properties));
    if (!narrower_.empty()) {
      MORAINE_ASSIGN(files, io::MakeRestrictedFileSystem(std::move(files), narrower_));
    }
    MORAINE_ASSIGN(files, io::MakeRestrictedFileSystem(std::move(files), locations));
    return FilesPtr(std::move(files));
  }

  static bool Holds(const Place& place, const std::string& location) {
    return std::any_of(place.locations.begin(), place.locations.end(),
                       [&](const std::string& each) { return io::IsInside(location, each); });
  }

  Result<FilesPtr> Current(const std::string& location) {
    std::lock_guard lock(mutex_);
    const Place* base = nullptr;
    for (const auto& [key, place] : places_) {
      if (key.empty()) {
        base = &place;
      } else if (Holds(place, location)) {
        MORAINE_TRY(place.problem);
        return place.files;
      }
    }
    if (base == nullptr) {
      return PermissionDenied(
          fmt::format("the server has not said yet that files may be touched: {}", location));
    }
    MORAINE_TRY(base->problem);
    return base->files;
  }

  const std::vector<std::string> narrower_;
  const iceberg::StringMap own_;
  mutable std::mutex mutex_;
  /// Under mutex_. By their locations; "": all that the server named when we registered.
  std::map<std::string, Place> places_;
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
    if (task.ok() && *task) files_.Use(std::exchange((*task)->storage, {}), (*task)->locations);
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
