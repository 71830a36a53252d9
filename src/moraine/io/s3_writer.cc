#include "moraine/io/s3_writer.h"

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/random.h"

namespace moraine::io {
namespace {

constexpr size_t kMaxParts = 10'000;
/// Parts double in size after each of these, so that ten thousand reach 250 GB with little memory
/// for files of usual size.
constexpr size_t kPartsOfOneSize = 2'000;
constexpr std::chrono::seconds kAbortLimit{10};

/// What the parts under way and the writer share; lives until both are done.
class Parts {
 public:
  explicit Parts(size_t limit) : limit_(limit) {}

  /// Waits until another part may begin. Errors: of a part that failed; Deadline, Cancelled.
  Status Begin(Call& call) { return Wait(call, limit_ - 1, 1); }
  /// Waits until none is under way.
  Status Finish(Call& call) { return Wait(call, 0, 0); }
  /// As Finish, for someone who gives up: whatever became of them.
  void Drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return under_way_ == 0; });
  }

  /// Never throws: whoever drains would wait for ever.
  void End(size_t number, Result<std::string> etag) noexcept {
    std::lock_guard lock(mutex_);
    --under_way_;
    try {
      Keep(number, std::move(etag));
    } catch (const std::bad_alloc&) {
      has_lost_one_ = true;
    }
    changed_.notify_all();
  }

  std::vector<std::string> TakeEtags() {
    std::lock_guard lock(mutex_);
    return std::move(etags_);
  }

 private:
  void Keep(size_t number, Result<std::string> etag) {
    if (!etag.ok()) {
      if (failure_.ok()) failure_ = etag.status();
      return;
    }
    if (etags_.size() < number) etags_.resize(number);
    etags_[number - 1] = std::move(*etag);
  }

  Status Wait(Call& call, size_t most, size_t begins) {
    std::unique_lock lock(mutex_);
    while (failure_.ok() && !has_lost_one_ && under_way_ > most) {
      MORAINE_TRY(call.Check());
      call.clock().WaitUntil(lock, changed_, call.deadline(), call.stop());
    }
    MORAINE_TRY(failure_);
    if (has_lost_one_) return Exhausted("no memory left to note the end of a part of a file");
    under_way_ += begins;
    return {};
  }

  const size_t limit_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  size_t under_way_ = 0;
  Status failure_;
  bool has_lost_one_ = false;  ///< how it ended could not be kept
  std::vector<std::string> etags_;
};

class S3Writer final : public Writer {
 public:
  S3Writer(Call& call, S3Client& client, Executor& pool, S3Location at)
      : env_(call.env()),
        client_(client),
        pool_(pool),
        at_(std::move(at)),
        writer_id_(MakeUuid(call.random())),
        parts_(std::make_shared<Parts>(std::max<size_t>(client.options().parts_under_way, 1))) {}

  ~S3Writer() override {
    stop_.request_stop();
    parts_->Drain();
    if (upload_.empty() || state_ == State::kDone) return;
    Call call(env_, kAbortLimit);
    Status aborted = client_.AbortUpload(call, at_, upload_);
    if (!aborted.ok()) {
      env_.log.Warn("an abandoned upload could not be removed; the store's lifecycle rule will",
                    {{"location", at_.before_key + at_.key}, {"error", aborted.ToString()}});
    }
  }

  Status Append(Call& call, std::string_view bytes) override {
    MORAINE_TRY(Usable(call));
    while (!bytes.empty()) {
      size_t some = std::min(bytes.size(), PartSize() - buffer_.size());
      // Most files are small: no part's worth of memory before there is need.
      buffer_.append(bytes.substr(0, some));
      bytes.remove_prefix(some);
      written_ += static_cast<int64_t>(some);
      if (buffer_.size() == PartSize()) MORAINE_TRY(Fail(SendPart(call)));
    }
    return {};
  }

  Status Close(Call& call) override {
    MORAINE_TRY(Usable(call));
    Status done =
        upload_.empty() ? client_.Put(call, at_, std::move(buffer_), writer_id_) : Complete(call);
    buffer_.clear();
    state_ = done.ok() ? State::kDone : State::kFailed;
    return done;
  }

  int64_t bytes_written() const override { return written_; }

 private:
  enum class State { kOpen, kDone, kFailed };

  Status Usable(Call& call) const {
    if (state_ != State::kOpen) {
      return Internal(fmt::format("writer is closed: {}{}", at_.before_key, at_.key));
    }
    return call.Check();
  }

  Status Fail(Status status) {
    if (!status.ok()) state_ = State::kFailed;
    return status;
  }

  size_t PartSize() const {
    return client_.options().part_size_bytes << ((next_part_ - 1) / kPartsOfOneSize);
  }

  /// Sends the buffer as the next part, on the pool if it has a thread, else here.
  Status SendPart(Call& call) {
    if (next_part_ > kMaxParts) {
      return Exhausted(
          fmt::format("file has more than {} parts: {}{}", kMaxParts, at_.before_key, at_.key));
    }
    if (upload_.empty()) {
      MORAINE_ASSIGN(upload_, client_.StartUpload(call, at_, writer_id_));
    }
    MORAINE_TRY(parts_->Begin(call));
    // Between Begin and End nothing may throw: whoever drains would wait for ever.
    try {
      Submit(call);
    } catch (const std::bad_alloc&) {
      parts_->End(next_part_, Exhausted("no memory left for a part of a file"));
    }
    ++next_part_;
    buffer_.reserve(PartSize());  // there is more to come, in all likelihood
    return {};
  }

  void Submit(Call& call) {
    Call part_call(call.env(), call.remaining(), stop_.get_token());
    part_call.set_trace_id(call.trace_id());
    auto bytes = std::make_shared<std::string>(std::exchange(buffer_, {}));
    const std::function<void()> send = [&client = client_, at = at_, upload = upload_,
                                        number = next_part_, bytes, part_call,
                                        parts = parts_]() mutable {
      parts->End(number, Upload(part_call, client, at, upload, number, *bytes));
    };
    Status queued = pool_.Submit(send);
    if (!queued.ok()) send();
  }

  static Result<std::string> Upload(Call& call, S3Client& client, const S3Location& at,
                                    const std::string& upload, size_t number, std::string& bytes) {
    try {
      return client.UploadPart(call, at, upload, number, std::exchange(bytes, {}));
    } catch (const std::bad_alloc&) {
      return Exhausted("no memory left while a part of a file was sent");
    } catch (const std::exception& error) {
      return Internal(error.what());
    }
  }

  Status Complete(Call& call) {
    if (!buffer_.empty()) MORAINE_TRY(SendPart(call));
    MORAINE_TRY(parts_->Finish(call));
    return client_.CompleteUpload(call, at_, upload_, parts_->TakeEtags(), writer_id_);
  }

  const Env env_;
  S3Client& client_;
  Executor& pool_;
  const S3Location at_;
  const std::string writer_id_;
  const std::shared_ptr<Parts> parts_;
  std::stop_source stop_;
  std::string buffer_;
  std::string upload_;  ///< the id of the multipart upload, once there is one
  size_t next_part_ = 1;
  int64_t written_ = 0;
  State state_ = State::kOpen;
};

}  // namespace

std::unique_ptr<Writer> MakeS3Writer(Call& call, S3Client& client, Executor& pool,
                                     const S3Location& at) {
  return std::make_unique<S3Writer>(call, client, pool, at);
}

}  // namespace moraine::io
