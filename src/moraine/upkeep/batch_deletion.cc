#include "moraine/upkeep/batch_deletion.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/base/log.h"
#include "moraine/io/file_copy.h"

namespace moraine::upkeep {
namespace {

constexpr size_t kBatch = 1000;
constexpr size_t kMoveBatch = 100;  ///< copies take long
constexpr int kTries = 4;
constexpr Millis kFirstWait{200};
constexpr size_t kCopiesAtOnce = 4;

bool IsWorthAnotherTry(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kExhausted;
}

size_t BatchSize(const BatchOptions& options, size_t most) {
  if (options.files_per_second <= 0) return most;
  return std::clamp<size_t>(static_cast<size_t>(options.files_per_second), 1, most);
}

bool IsOver(Call& call, const BatchOptions& options) {
  return options.until_ms > 0 && ToMillis(call.clock().Wall()) > options.until_ms;
}

/// Deletes one batch, and tries those again that may go yet.
Status DeleteBatch(Call& call, io::FileSystem& files, const iceberg::DeletionProof& proof,
                   std::vector<std::string> paths,
                   const std::unordered_map<std::string, int64_t>& sizes, BatchOutcome* out) {
  std::vector<std::pair<std::string, Status>> failed;
  Millis wait = kFirstWait;
  for (int tried = 0; !paths.empty(); ++tried) {
    if (tried > 1) {  // once more at once, then with pauses that grow
      call.clock().SleepFor(wait, call.stop());
      MORAINE_TRY(call.Check());
      wait *= 4;
    }
    MORAINE_ASSIGN(auto outcome, iceberg::DeleteFiles(call, files, proof, paths));
    std::unordered_map<std::string, int64_t> left;
    std::vector<std::string> again;
    for (auto& [path, status] : outcome.failed) {
      left.emplace(path, 0);
      if (tried + 1 < kTries && IsWorthAnotherTry(status)) {
        again.push_back(path);
      } else {
        failed.emplace_back(path, std::move(status));
      }
    }
    for (const std::string& path : paths) {
      if (left.contains(path)) continue;
      ++out->deleted;
      auto size = sizes.find(path);
      if (size != sizes.end()) out->bytes += size->second;
    }
    paths = std::move(again);
  }
  std::move(failed.begin(), failed.end(), std::back_inserter(out->failed));
  return {};
}

void LogBatch(Call& call, const iceberg::DeletionProof& proof, const BatchOptions& options,
              std::string_view what, std::string_view first, std::string_view last,
              const BatchOutcome& batch) {
  call.log().Info(what, {{"table", options.table},
                         {"proof", proof.ToString()},
                         {"files", batch.deleted},
                         {"bytes", batch.bytes},
                         {"failed", static_cast<int64_t>(batch.failed.size())},
                         {"first", std::string(first)},
                         {"last", std::string(last)}});
}

/// Not before as many files may be gone as the rate allows.
void Pace(Call& call, const BatchOptions& options, MonoTime begun, size_t done) {
  if (options.files_per_second <= 0) return;
  const std::chrono::nanoseconds due(static_cast<int64_t>(
      1e9 * static_cast<double>(done) / static_cast<double>(options.files_per_second)));
  const auto now = call.clock().Mono();
  if (begun + due > now) call.clock().SleepFor(begun + due - now, call.stop());
}

void Add(BatchOutcome batch, BatchOutcome* all) {
  all->deleted += batch.deleted;
  all->bytes += batch.bytes;
  all->left += batch.left;
  std::move(batch.failed.begin(), batch.failed.end(), std::back_inserter(all->failed));
}

/// As io::CopyFile. NotFound: the file itself is gone, and not just the bucket that it should go to
/// or a copy that was lost.
Status CopyOne(Call& call, io::FileSystem& files, const Move& move) {
  Status copied = io::CopyFile(call, files, move.from.location, move.to);
  if (copied.code() != Code::kNotFound) return copied;
  Status there = files.Stat(call, move.from.location).status();
  if (there.ok())
    return Unavailable(fmt::format("can't be moved to {}: {}", move.to, copied.message()));
  return there;
}

/// Those that have a copy now. A file that is gone was moved by a try before this one.
Result<std::vector<io::FileInfo>> CopyBatch(Call& call, io::FileSystem& files, ThreadPool& pool,
                                            std::span<const Move> moves,
                                            const BatchOptions& options, BatchOutcome* out) {
  std::mutex mutex;
  std::vector<io::FileInfo> copied;
  MORAINE_TRY(ForEach(pool, moves.size(), kCopiesAtOnce - 1, [&](size_t i) -> Status {
    Call own(call);
    MORAINE_TRY(own.Check());
    if (IsOver(own, options)) {
      std::lock_guard lock(mutex);
      ++out->left;
      return {};
    }
    Status status = CopyOne(own, files, moves[i]);
    std::lock_guard lock(mutex);
    if (status.code() == Code::kNotFound) {
      ++out->deleted;
    } else if (!status.ok()) {
      out->failed.emplace_back(moves[i].from.location, std::move(status));
    } else {
      copied.push_back(moves[i].from);
    }
    return {};
  }));
  return copied;
}

}  // namespace

Result<BatchOutcome> DeleteInBatches(Call& call, io::FileSystem& files,
                                     const iceberg::DeletionProof& proof,
                                     std::span<const io::FileInfo> what,
                                     const BatchOptions& options) {
  for (const io::FileInfo& file : what) MORAINE_TRY(proof.Covers(file.location));
  BatchOutcome all;
  const auto begun = call.clock().Mono();
  const size_t size = BatchSize(options, kBatch);
  for (size_t at = 0; at < what.size(); at += size) {
    MORAINE_TRY(call.Check());
    if (IsOver(call, options)) {
      all.left += static_cast<int64_t>(what.size() - at);
      break;
    }
    auto batch = what.subspan(at, std::min(size, what.size() - at));
    std::vector<std::string> paths;
    std::unordered_map<std::string, int64_t> sizes;
    for (const io::FileInfo& file : batch) {
      paths.push_back(file.location);
      sizes.emplace(file.location, file.size_bytes);
    }
    BatchOutcome outcome;
    Status status = DeleteBatch(call, files, proof, std::move(paths), sizes, &outcome);
    LogBatch(call, proof, options, "deleted files", batch.front().location, batch.back().location,
             outcome);
    MORAINE_TRY(status);
    Add(std::move(outcome), &all);
    if (options.done != nullptr) *options.done += static_cast<int64_t>(batch.size());
    Pace(call, options, begun, at + batch.size());
  }
  return all;
}

Result<BatchOutcome> MoveInBatches(Call& call, io::FileSystem& files,
                                   const iceberg::DeletionProof& proof, std::span<const Move> what,
                                   const BatchOptions& options) {
  for (const Move& move : what) MORAINE_TRY(proof.Covers(move.from.location));
  BatchOutcome all;
  ThreadPool pool({.name = "moves", .threads = kCopiesAtOnce});
  const auto begun = call.clock().Mono();
  const size_t size = BatchSize(options, kMoveBatch);
  for (size_t at = 0; at < what.size(); at += size) {
    auto batch = what.subspan(at, std::min(size, what.size() - at));
    MORAINE_ASSIGN(auto copied, CopyBatch(call, files, pool, batch, options, &all));
    // Asked once more: copies may have taken long.
    MORAINE_ASSIGN(auto outcome, DeleteInBatches(call, files, proof, copied,
                                                 {.table = options.table,
                                                  .files_per_second = 0,
                                                  .until_ms = options.until_ms}));
    Add(std::move(outcome), &all);
    if (options.done != nullptr) *options.done += static_cast<int64_t>(batch.size());
    Pace(call, options, begun, at + batch.size());
  }
  return all;
}

}  // namespace moraine::upkeep
