#include "moraine/iceberg/commit/snapshot_producer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/change_rules.h"
#include "moraine/iceberg/commit/conflict_check.h"
#include "moraine/iceberg/commit/manifest_counts.h"
#include "moraine/iceberg/commit/manifest_filter.h"
#include "moraine/iceberg/commit/manifest_merge.h"
#include "moraine/iceberg/commit/manifest_output.h"
#include "moraine/iceberg/commit/snapshot_summary.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/io/location.h"

namespace moraine::iceberg {

namespace {

using Kind = SnapshotOperation;

}  // namespace

struct SnapshotProducer::State {
  State(io::FileSystem& file_system, SnapshotChanges wanted)
      : out{file_system}, changes(std::move(wanted)) {}

  CommitFiles out;
  const SnapshotChanges changes;
  int attempt = 0;
  // What the caches below were made for.
  int format_version = 0;
  int32_t schema_id = 0;
  std::optional<std::vector<ManifestFile>> new_data;
  std::optional<std::vector<ManifestFile>> new_deletes;
  ManifestFilter data_filter, delete_filter;
  ManifestMerger data_merger, delete_merger;
  std::map<std::vector<std::string>, std::vector<ManifestFile>>
      rewritten;                                // kRewriteManifests, by input paths
  std::map<std::string, ManifestFile> counted;  // lines of others that had no counts, by path
  std::unordered_set<std::string> used;
};

/// One attempt on one base.
class SnapshotProducer::Attempt {
 public:
  Attempt(Call& call, State& state, const TableMetadata& base)
      : call_(call), state_(state), base_(base), changes_(state.changes) {}

  Result<PreparedCommit> Run() {
    MORAINE_TRY(FindParent());
    MORAINE_TRY(CheckChanges(changes_, base_));
    MORAINE_TRY(ValidateChanges(call_, state_.out.files, base_, parent_, changes_));
    if (parent_ != nullptr) {
      MORAINE_ASSIGN(before_, LoadManifests(call_, state_.out.files, base_, *parent_));
    }
    size_t written_before = state_.out.written.size();
    MORAINE_TRY(MakeManifests());
    MORAINE_ASSIGN(PreparedCommit prepared, MakeCommit());
    prepared.written.assign(state_.out.written.begin() + static_cast<ptrdiff_t>(written_before),
                            state_.out.written.end());
    return prepared;
  }

 private:
  Status FindParent() {
    auto ref = base_.refs.find(changes_.branch);
    if (ref != base_.refs.end()) {
      if (ref->second.type != SnapshotRef::Type::kBranch) {
        return InvalidArgument(fmt::format("{} is a tag, not a branch", changes_.branch));
      }
      head_ = parent_ = base_.FindSnapshot(ref->second.snapshot_id);
      if (parent_ == nullptr)
        return Corruption(fmt::format("the branch names no snapshot: {}", changes_.branch));
      return {};
    }
    parent_ = base_.CurrentSnapshot();
    if (changes_.branch == kMainBranch) head_ = parent_;
    return {};
  }

  Status MakeManifests() {
    switch (changes_.operation) {
      case Kind::kFastAppend: {
        MORAINE_ASSIGN(list_, NewManifests(ManifestContent::kData));
        for (const ManifestFile& manifest : before_) Keep(manifest, &list_);
        return {};
      }
      case Kind::kRewriteManifests:
        return RewriteManifests();
      default:
        return MergingCommit();
    }
  }

  /// Manifests of the added files of one content; written once, in the first attempt.
  Result<std::vector<ManifestFile>> NewManifests(ManifestContent content) {
    const bool data = content == ManifestContent::kData;
    std::optional<std::vector<ManifestFile>>& made = data ? state_.new_data : state_.new_deletes;
    for (const AddedFile& added : changes_.added) {
      if ((added.file.content == FileContent::kData) == data) summary_.Add(added.file);
    }
    if (made) return *made;
    std::map<int32_t, ManifestOutput> outputs;
    for (const AddedFile& added : changes_.added) {
      if ((added.file.content == FileContent::kData) != data) continue;
      auto at = outputs.find(added.file.spec_id);
      if (at == outputs.end()) {
        ManifestOutput output(state_.out, base_, base_.FindSpec(added.file.spec_id), content,
                              ManifestOutput::Rolling::kAtTargetSize);
        at = outputs.emplace(added.file.spec_id, std::move(output)).first;
      }
      ManifestEntry entry;
      entry.snapshot_id = state_.out.snapshot_id;
      if (base_.format_version >= 2) entry.sequence_number = added.data_sequence_number;
      entry.file = added.file;
      entry.file.first_row_id.reset();
      MORAINE_TRY(at->second.Add(call_, entry));
    }
    std::vector<ManifestFile> manifests;
    for (auto& [spec_id, output] : outputs) {
      MORAINE_ASSIGN(std::vector<ManifestFile> finished, output.Finish(call_));
      manifests.insert(manifests.end(), finished.begin(), finished.end());
    }
    made = manifests;
    return manifests;
  }

  void Keep(const ManifestFile& manifest, std::vector<ManifestFile>* to) const {
    if (manifest.has_live() || manifest.added_snapshot_id == state_.out.snapshot_id)
      to->push_back(manifest);
  }

  Status MergingCommit() {
    MORAINE_ASSIGN(std::vector<ManifestFile> data, NewManifests(ManifestContent::kData));
    MORAINE_ASSIGN(std::vector<ManifestFile> deletes, NewManifests(ManifestContent::kDeletes));
    MORAINE_TRY(FilterData(&data));
    MORAINE_TRY(FilterDeletes(data, &deletes));
    MORAINE_ASSIGN(list_, state_.data_merger.Apply(call_, state_.out, base_, data));
    MORAINE_ASSIGN(std::vector<ManifestFile> merged,
                   state_.delete_merger.Apply(call_, state_.out, base_, deletes));
    list_.insert(list_.end(), merged.begin(), merged.end());
    return {};
  }

  bool MustExist() const {
    return changes_.removed_must_exist || changes_.operation == Kind::kRewriteFiles;
  }

  Status FilterData(std::vector<ManifestFile>* data) {
    MORAINE_TRY(PrepareFilter());
    Removal removal;
    removal.content = ManifestContent::kData;
    removal.files = &changes_.removed_data;
    removal.filter = filter_ ? &*filter_ : nullptr;
    removal.partitions = replaced_.empty() ? nullptr : &replaced_;
    removal.must_exist = MustExist();
    MORAINE_ASSIGN(ManifestFilter::Outcome outcome,
                   state_.data_filter.Apply(call_, state_.out, base_, before_, removal));
    for (const ManifestFile& manifest : outcome.manifests) Keep(manifest, data);
    for (const DataFile* file : outcome.removed) {
      summary_.Remove(*file);
      gone_paths_.insert(file->file_path);
      gone_partitions_.insert({file->spec_id, file->partition});
    }
    for (int64_t i = 0; i < outcome.duplicates; ++i) summary_.CountDuplicate();
    if (changes_.operation == Kind::kRewriteFiles &&
        summary_.added_records() > summary_.removed_records()) {
      return InvalidArgument(fmt::format("a rewrite adds more records than it removes: {} and {}",
                                         summary_.added_records(), summary_.removed_records()));
    }
    return {};
  }

  /// The row filter, or the partitions to replace, on this base.
  Status PrepareFilter() {
    if (changes_.row_filter) {
      MORAINE_ASSIGN(filter_, TableFilter::Make(changes_.row_filter, base_, base_.CurrentSchema()));
    }
    if (changes_.operation != Kind::kReplacePartitions) return {};
    for (const AddedFile& added : changes_.added) {
      if (base_.FindSpec(added.file.spec_id)->is_unpartitioned()) {
        MORAINE_ASSIGN(filter_, TableFilter::Make(nullptr, base_, base_.CurrentSchema()));
      }
      replaced_.insert({added.file.spec_id, added.file.partition});
    }
    return {};
  }

  /// The lowest data sequence number of data files that this snapshot has: older deletes apply to
  /// nothing.
  int64_t LowestDataSequence(const std::vector<ManifestFile>& data) const {
    int64_t lowest = base_.last_sequence_number + 1;
    for (const ManifestFile& manifest : data) {
      if (!manifest.has_live()) continue;
      if (manifest.min_sequence_number == kUnassignedSequenceNumber) continue;
      lowest = std::min(lowest, manifest.min_sequence_number);
    }
    for (const AddedFile& added : changes_.added) {
      if (added.file.content == FileContent::kData && added.data_sequence_number) {
        lowest = std::min(lowest, *added.data_sequence_number);
      }
    }
    return lowest;
  }

  Status FilterDeletes(const std::vector<ManifestFile>& data, std::vector<ManifestFile>* deletes) {
    Removal removal;
    removal.content = ManifestContent::kDeletes;
    removal.files = &changes_.removed_deletes;
    removal.filter = filter_ ? &*filter_ : nullptr;
    removal.partitions = replaced_.empty() ? nullptr : &replaced_;
    removal.must_exist = MustExist();
    if (!gone_paths_.empty()) {
      removal.drop_below_sequence = LowestDataSequence(data);
      removal.gone_data_paths = &gone_paths_;
      if (base_.format_version >= 3) removal.gone_data_partitions = &gone_partitions_;
    }
    MORAINE_ASSIGN(ManifestFilter::Outcome outcome,
                   state_.delete_filter.Apply(call_, state_.out, base_, before_, removal));
    for (const ManifestFile& manifest : outcome.manifests) Keep(manifest, deletes);
    for (const DataFile* file : outcome.removed) summary_.Remove(*file);
    return {};
  }

  Status RewriteManifests() {
    std::unordered_set<std::string_view> wanted(changes_.rewrite_manifests.begin(),
                                                changes_.rewrite_manifests.end());
    std::vector<ManifestFile> chosen, kept;
    std::vector<std::string> key;
    for (const ManifestFile& manifest : before_) {
      bool is_chosen = manifest.content == ManifestContent::kData && manifest.has_live() &&
                       (wanted.empty() || wanted.contains(manifest.manifest_path));
      if (is_chosen) key.push_back(manifest.manifest_path);
      if (is_chosen) chosen.push_back(manifest);
      if (!is_chosen) Keep(manifest, &kept);
    }
    if (!wanted.empty() && chosen.size() < wanted.size()) {
      return Conflict("a manifest to rewrite is not in the current snapshot");
    }
    auto at = state_.rewritten.find(key);
    if (at == state_.rewritten.end()) {
      MORAINE_ASSIGN(std::vector<ManifestFile> written,
                     changes_.replacements.empty() ? WriteAgain(chosen) : Replacements(chosen));
      at = state_.rewritten.emplace(std::move(key), std::move(written)).first;
    }
    list_ = at->second;
    for (const ManifestFile& manifest : list_)
      entries_processed_ += manifest.existing_files_count.value_or(0);
    list_.insert(list_.end(), kept.begin(), kept.end());
    return {};
  }

  /// Manifests that others wrote, as lines of this snapshot.
  Result<std::vector<ManifestFile>> Replacements(const std::vector<ManifestFile>& chosen) const {
    int64_t files = 0, rows = 0;
    bool counted = true;
    for (const ManifestFile& one : chosen) {
      counted = counted && HasCounts(one);
      files += one.added_files_count.value_or(0) + one.existing_files_count.value_or(0);
      rows += one.added_rows_count.value_or(0) + one.existing_rows_count.value_or(0);
    }
    std::vector<ManifestFile> lines = changes_.replacements;
    for (ManifestFile& line : lines) {
      auto refuse = [&](std::string_view why) {
        return InvalidArgument(fmt::format("{}: {}", why, line.manifest_path));
      };
      if (!base_.FindSpec(line.partition_spec_id)) return refuse("a manifest of an unknown spec");
      if (!HasCounts(line) || line.added_files_count != 0 || line.deleted_files_count != 0)
        return refuse("a manifest that replaces others may only have existing entries");
      if (base_.format_version < 2) line.min_sequence_number = 0;
      if (line.content != ManifestContent::kData || line.min_sequence_number < 0)
        return refuse("a manifest that replaces others must be of data, with sequence numbers");
      files -= *line.existing_files_count;
      rows -= *line.existing_rows_count;
      line.added_snapshot_id = state_.out.snapshot_id;
      line.sequence_number = base_.format_version >= 2 ? kUnassignedSequenceNumber : 0;
      line.first_row_id.reset();
    }
    if (counted && (files != 0 || rows != 0)) {
      return InvalidArgument(
          fmt::format("the manifests that replace others lack {} files and {} rows", files, rows));
    }
    return lines;
  }

  Result<std::vector<ManifestFile>> WriteAgain(const std::vector<ManifestFile>& chosen) {
    std::map<int32_t, ManifestOutput> outputs;
    int64_t expected = 0, found = 0;
    bool counted = true;
    for (const ManifestFile& manifest : chosen) {
      MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(base_, manifest));
      auto at = outputs.find(spec->spec_id);
      if (at == outputs.end()) {
        ManifestOutput output(state_.out, base_, spec, ManifestContent::kData,
                              ManifestOutput::Rolling::kAtTargetSize);
        at = outputs.emplace(spec->spec_id, std::move(output)).first;
      }
      counted = counted && manifest.added_files_count && manifest.existing_files_count;
      expected += manifest.added_files_count.value_or(0);
      expected += manifest.existing_files_count.value_or(0);
      MORAINE_TRY(ReadManifest(call_, state_.out.files, manifest, *spec, base_.CurrentSchema(), {},
                               [&](ManifestEntry& entry) -> Status {
                                 ++found;
                                 return at->second.Add(call_, AsExisting(std::move(entry)));
                               }));
    }
    if (counted && expected != found) {
      return Corruption(
          fmt::format("manifests have {} live files, the manifest list says {}", found, expected));
    }
    std::vector<ManifestFile> written;
    for (auto& [spec_id, output] : outputs) {
      MORAINE_ASSIGN(std::vector<ManifestFile> finished, output.Finish(call_));
      written.insert(written.end(), finished.begin(), finished.end());
    }
    return written;
  }

  StringMap MakeSummary() const {
    StringMap summary = changes_.summary;
    StringMap counted = summary_.ToMap(base_, parent_);
    counted.merge(summary);
    summary = std::move(counted);
    summary["operation"] = OperationName(changes_);
    if (changes_.operation == Kind::kReplacePartitions) summary["replace-partitions"] = "true";
    std::unordered_set<std::string_view> after;
    int64_t created = 0;
    for (const ManifestFile& manifest : list_) {
      after.insert(manifest.manifest_path);
      if (manifest.added_snapshot_id == state_.out.snapshot_id) ++created;
    }
    auto replaced = std::count_if(
        before_.begin(), before_.end(),
        [&](const ManifestFile& manifest) { return !after.contains(manifest.manifest_path); });
    summary["manifests-created"] = std::to_string(created);
    summary["manifests-kept"] = std::to_string(static_cast<int64_t>(list_.size()) - created);
    summary["manifests-replaced"] = std::to_string(replaced);
    if (changes_.operation == Kind::kRewriteManifests) {
      summary["entries-processed"] = std::to_string(entries_processed_);
    }
    return summary;
  }

  /// Lists of version 1 may lack what later ones need; each such manifest is read once.
  Status FillCounts() {
    if (base_.format_version < 2) return {};
    for (ManifestFile& manifest : list_) {
      if (HasCounts(manifest)) continue;
      auto at = state_.counted.find(manifest.manifest_path);
      if (at == state_.counted.end()) {
        MORAINE_ASSIGN(ManifestFile counted, WithCounts(call_, state_.out.files, base_, manifest));
        at = state_.counted.emplace(manifest.manifest_path, std::move(counted)).first;
      }
      manifest = at->second;
    }
    return {};
  }

  Result<PreparedCommit> MakeCommit() {
    Snapshot snapshot;
    snapshot.snapshot_id = state_.out.snapshot_id;
    if (parent_ != nullptr) snapshot.parent_snapshot_id = parent_->snapshot_id;
    snapshot.sequence_number = base_.format_version >= 2 ? base_.last_sequence_number + 1 : 0;
    snapshot.timestamp_ms = std::max(ToMillis(call_.clock().Wall()), base_.last_updated_ms);
    snapshot.schema_id = base_.current_schema_id;
    snapshot.summary = MakeSummary();
    snapshot.manifest_list = io::JoinLocation(
        MetadataFolder(base_),
        fmt::format("snap-{}-{}-{}.avro", snapshot.snapshot_id, state_.attempt, state_.out.uuid));
    ManifestListOptions options;
    options.format_version = base_.format_version;
    MORAINE_ASSIGN(options.codec, ManifestCodec(base_));
    options.snapshot_id = snapshot.snapshot_id;
    options.parent_snapshot_id = snapshot.parent_snapshot_id;
    options.sequence_number = snapshot.sequence_number;
    if (base_.format_version >= 3) options.first_row_id = base_.next_row_id;
    MORAINE_TRY(FillCounts());
    state_.out.written.push_back(snapshot.manifest_list);
    MORAINE_ASSIGN(
        WrittenManifestList written,
        WriteManifestList(call_, state_.out.files, snapshot.manifest_list, list_, options));
    if (base_.format_version >= 3) {
      snapshot.first_row_id = base_.next_row_id;
      snapshot.added_rows = written.next_row_id.value_or(base_.next_row_id) - base_.next_row_id;
    }
    state_.used.clear();
    state_.used.insert(snapshot.manifest_list);
    for (const ManifestFile& manifest : list_) state_.used.insert(manifest.manifest_path);
    PreparedCommit prepared;
    prepared.request = MakeRequest(snapshot);
    prepared.snapshot = std::move(snapshot);
    prepared.changes_nothing = summary_.empty() && changes_.operation != Kind::kRewriteManifests;
    return prepared;
  }

  CommitRequest MakeRequest(const Snapshot& snapshot) const {
    SnapshotRef ref;
    if (auto at = base_.refs.find(changes_.branch); at != base_.refs.end()) ref = at->second;
    ref.snapshot_id = snapshot.snapshot_id;
    CommitRequest request;
    request.requirements.push_back(requirement::AssertTableUuid{base_.table_uuid});
    std::optional<int64_t> head;
    if (head_ != nullptr) head = head_->snapshot_id;
    request.requirements.push_back(requirement::AssertRefSnapshotId{changes_.branch, head});
    request.updates.push_back(update::AddSnapshot{snapshot});
    request.updates.push_back(update::SetSnapshotRef{changes_.branch, std::move(ref)});
    return request;
  }

  Call& call_;
  State& state_;
  const TableMetadata& base_;
  const SnapshotChanges& changes_;
  const Snapshot* parent_ = nullptr;
  const Snapshot* head_ = nullptr;  ///< of the branch; nullptr while the branch does not exist
  std::vector<ManifestFile> before_;
  std::vector<ManifestFile> list_;
  SnapshotSummary summary_;
  std::optional<TableFilter> filter_;
  PartitionSet replaced_;
  std::unordered_set<std::string_view> gone_paths_;  // owned by the filter's results
  PartitionSet gone_partitions_;
  int64_t entries_processed_ = 0;
};

SnapshotProducer::SnapshotProducer(io::FileSystem& files, SnapshotChanges changes)
    : state_(std::make_unique<State>(files, std::move(changes))) {}
SnapshotProducer::~SnapshotProducer() = default;
SnapshotProducer::SnapshotProducer(SnapshotProducer&&) noexcept = default;

Result<PreparedCommit> SnapshotProducer::Prepare(Call& call, const TablePtr& base) {
  State& state = *state_;
  ++state.attempt;
  if (state.out.snapshot_id == 0) {
    state.out.uuid = MakeUuid(call.random());
    do {
      state.out.snapshot_id = MakeSnapshotId(call.random());
    } while (base->FindSnapshot(state.out.snapshot_id) != nullptr);
  }
  if (state.format_version != base->format_version || state.schema_id != base->current_schema_id) {
    state.format_version = base->format_version;
    state.schema_id = base->current_schema_id;
    state.new_data.reset();
    state.new_deletes.reset();
    state.data_filter.Reset();
    state.delete_filter.Reset();
    state.data_merger.Reset();
    state.delete_merger.Reset();
    state.rewritten.clear();
  }
  return Attempt(call, state, *base).Run();
}

int64_t SnapshotProducer::snapshot_id() const { return state_->out.snapshot_id; }

std::vector<std::string> SnapshotProducer::written_files() const { return state_->out.written; }

std::vector<std::string> SnapshotProducer::unused_files() const {
  std::vector<std::string> unused;
  for (const std::string& path : state_->out.written) {
    if (!state_->used.contains(path)) unused.push_back(path);
  }
  return unused;
}

}  // namespace moraine::iceberg
