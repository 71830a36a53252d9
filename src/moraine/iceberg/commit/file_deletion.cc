#include "moraine/iceberg/commit/file_deletion.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace moraine::iceberg {

namespace {
constexpr size_t kBatch = 1000;
constexpr std::string_view kQuarantineFolder = "/.quarantine/";
}  // namespace

Result<DeletionProof> DeletionProof::CommitRefused(const Status& refusal) {
  if (refusal.ok() || refusal.code() == Code::kCommitUnknown) {
    return Internal(fmt::format("this outcome of a commit does not prove that it was refused: {}",
                                refusal.ToString()));
  }
  return DeletionProof(Kind::kCommitRefused);
}

DeletionProof DeletionProof::AttemptRefused(std::string output_prefix) {
  DeletionProof proof(Kind::kAttemptRefused);
  proof.prefix_ = std::move(output_prefix);
  return proof;
}

DeletionProof DeletionProof::AttemptRefusedBut(std::string output_prefix, std::string keep) {
  DeletionProof proof = AttemptRefused(std::move(output_prefix));
  proof.keep_ = std::move(keep);
  return proof;
}

DeletionProof DeletionProof::MetadataLogTrimmed(TablePtr committed,
                                                std::string current_metadata_location) {
  DeletionProof proof(Kind::kMetadataLogTrimmed);
  proof.table_ = std::move(committed);
  proof.location_ = std::move(current_metadata_location);
  return proof;
}

DeletionProof DeletionProof::NotReachable(std::string table_uuid, int64_t table_version,
                                          int64_t listed_before_ms) {
  DeletionProof proof(Kind::kNotReachable);
  proof.location_ = std::move(table_uuid);
  proof.version_ = table_version;
  proof.time_ms_ = listed_before_ms;
  return proof;
}

DeletionProof DeletionProof::Quarantined(std::string folder) {
  DeletionProof proof(Kind::kQuarantined);
  proof.prefix_ = std::move(folder);
  return proof;
}

DeletionProof DeletionProof::TableGone(std::string table_uuid, int64_t table_version) {
  DeletionProof proof(Kind::kTableGone);
  proof.location_ = std::move(table_uuid);
  proof.version_ = table_version;
  return proof;
}

Status DeletionProof::Covers(const std::string& path) const {
  if (kind_ == Kind::kAttemptRefused) {
    // An empty or folder-like prefix would cover files of others.
    if (prefix_.empty() || prefix_.back() == '/' || !path.starts_with(prefix_)) {
      return PermissionDenied(
          fmt::format("not an output of the refused attempt {}: {}", prefix_, path));
    }
    if (!keep_.empty() && path.starts_with(keep_))
      return PermissionDenied(fmt::format("of the try that was committed: {}", path));
  }
  if (kind_ == Kind::kQuarantined) {
    const size_t at = prefix_.find(kQuarantineFolder);
    const bool is_one = at != prefix_.npos && prefix_.size() > at + kQuarantineFolder.size() &&
                        prefix_.back() != '/';
    if (!is_one || !path.starts_with(prefix_ + "/")) {
      return PermissionDenied(fmt::format("not in the quarantine {}: {}", prefix_, path));
    }
  }
  if (kind_ == Kind::kMetadataLogTrimmed) {
    const auto& log = table_->metadata_log;
    bool named = path == location_ ||
                 std::any_of(log.begin(), log.end(), [&](const MetadataLogEntry& entry) {
                   return entry.metadata_file == path;
                 });
    if (named)
      return PermissionDenied(fmt::format("the metadata log still names the file: {}", path));
  }
  return {};
}

std::string DeletionProof::ToString() const {
  switch (kind_) {
    case Kind::kCommitRefused:
      return "commit refused";
    case Kind::kAttemptRefused:
      return fmt::format("attempt refused: {}", prefix_);
    case Kind::kMetadataLogTrimmed:
      return fmt::format("metadata log trimmed: {}", location_);
    case Kind::kNotReachable:
      return fmt::format("not reachable: table {} at version {}, listed before {}", location_,
                         version_, time_ms_);
    case Kind::kQuarantined:
      return fmt::format("quarantined: {}", prefix_);
    case Kind::kTableGone:
      return fmt::format("table gone: {} at version {}", location_, version_);
  }
  return "";
}

Result<DeletionOutcome> DeleteFiles(Call& call, io::FileSystem& files, const DeletionProof& proof,
                                    std::span<const std::string> paths) {
  for (const std::string& path : paths) MORAINE_TRY(proof.Covers(path));
  DeletionOutcome outcome;
  for (size_t at = 0; at < paths.size(); at += kBatch) {
    std::span<const std::string> batch = paths.subspan(at, std::min(kBatch, paths.size() - at));
    std::vector<Status> statuses = files.DeleteMany(call, batch);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (i < statuses.size() && statuses[i].ok()) {
        ++outcome.deleted;
      } else {
        outcome.failed.emplace_back(
            batch[i], i < statuses.size() ? statuses[i] : Internal("no status for the file"));
      }
    }
  }
  return outcome;
}

Result<size_t> DeleteAttempt(Call& call, io::FileSystem& files, const std::string& output_prefix) {
  return DeleteAttemptBut(call, files, output_prefix, "");
}

Result<size_t> DeleteAttemptBut(Call& call, io::FileSystem& files, const std::string& output_prefix,
                                const std::string& keep) {
  auto proof = DeletionProof::AttemptRefusedBut(output_prefix, keep);
  size_t deleted = 0;
  std::string after;
  while (true) {
    MORAINE_ASSIGN(auto listing, files.List(call, output_prefix, after, kBatch));
    if (listing.files.empty()) return deleted;
    std::vector<std::string> paths;
    for (const auto& file : listing.files) {
      if (keep.empty() || !file.location.starts_with(keep)) paths.push_back(file.location);
    }
    after = listing.files.back().location;
    MORAINE_ASSIGN(auto outcome, DeleteFiles(call, files, proof, paths));
    deleted += outcome.deleted;
    if (!outcome.failed.empty()) return outcome.failed[0].second;
    if (listing.complete) return deleted;
  }
}

}  // namespace moraine::iceberg
