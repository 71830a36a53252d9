#include "moraine/scanning/table_scan.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/scanning/content_file_json.h"
#include "moraine/scanning/page_deletes.h"

namespace moraine::scanning {

using iceberg::DataFile;
using iceberg::DeleteIndex;
using iceberg::EntryStatus;
using iceberg::ExpressionPtr;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::ManifestReadOptions;
using iceberg::NameCase;
using iceberg::PartitionSpecPtr;
using iceberg::Schema;
using iceberg::SchemaPtr;
using iceberg::TableFilter;
using iceberg::TypePtr;

namespace {

/// Of a filter's JSON; and-chains lean to one side.
constexpr int kMaxFilterDepth = 1'000;
constexpr char kPageIsFull[] = "the page is full";

/// Where a manifest's line does not say how many files it holds.
int64_t FilesOf(const ManifestFile& manifest) {
  constexpr int64_t kBytesPerEntry = 100;
  if (!manifest.added_files_count || !manifest.existing_files_count) {
    return manifest.manifest_length / kBytesPerEntry + 1;
  }
  return int64_t{*manifest.added_files_count} + *manifest.existing_files_count;
}

int64_t BytesOf(const DataFile& file) {
  size_t bytes = sizeof(ManifestEntry) + file.file_path.size() +
                 file.split_offsets.size() * sizeof(int64_t) +
                 (file.value_counts.size() + file.column_sizes.size() +
                  file.null_value_counts.size() + file.nan_value_counts.size()) *
                     16;
  for (const auto* bounds : {&file.lower_bounds, &file.upper_bounds}) {
    for (const auto& [column, bound] : *bounds) bytes += 40 + bound.size();
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace

/// What is left of the filter in a partition; neighbouring files mostly share one.
class TableScan::Residuals {
 public:
  explicit Residuals(const TableScan& scan)
      : scan_(scan), unchanged_(MakeResidual(scan.filter_.bound())) {}

  /// Valid until the next call.
  const Residual& For(const DataFile& file) {
    if (!scan_.filter_.residual_depends_on_partition(file.spec_id)) return unchanged_;
    if (!key_ || key_->spec_id != file.spec_id ||
        !iceberg::SameTuple(key_->tuple, file.partition)) {
      key_ = iceberg::PartitionKey{file.spec_id, file.partition};
      last_ = MakeResidual(scan_.filter_.ResidualOf(file));
    }
    return last_;
  }

 private:
  Residual MakeResidual(ExpressionPtr expression) const {
    std::string text = RestFilterToJson(expression, scan_.opaque_, *scan_.schema_);
    return {std::move(expression), std::make_shared<const std::string>(std::move(text))};
  }

  const TableScan& scan_;
  const Residual unchanged_;
  std::optional<iceberg::PartitionKey> key_;
  Residual last_;
};

Result<TableScan> TableScan::Make(io::FileSystem& files, iceberg::TablePtr metadata, ScanSpec scan,
                                  ScanManifestsPtr manifests, const PageLimits& limits) {
  SchemaPtr schema = metadata->FindSchema(scan.schema_id);
  if (schema == nullptr) {
    return NotFound(fmt::format("The schema of the scan is gone: {}", scan.schema_id));
  }
  TableScan result(files, std::move(metadata), std::move(schema), std::move(scan),
                   std::move(manifests), limits);
  ExpressionPtr known;
  if (!result.scan_.filter.empty()) {
    MORAINE_ASSIGN(Json json, Json::Parse(result.scan_.filter, kMaxFilterDepth));
    MORAINE_ASSIGN(auto filter,
                   ReadRestFilter(JsonCursor(json), *result.schema_,
                                  result.scan_.case_sensitive ? NameCase::kSensitive
                                                              : NameCase::kInsensitive));
    known = std::move(filter.known);
    result.opaque_ = std::move(filter.opaque);
  }
  MORAINE_ASSIGN(result.filter_, TableFilter::Make(known, *result.metadata_, *result.schema_));
  return result;
}

bool TableScan::MayHold(const ManifestFile& manifest) const {
  return (incremental() ? manifest.has_added() : manifest.has_live()) && filter_.MayMatch(manifest);
}

bool TableScan::IsOfScan(const ManifestEntry& entry, const ManifestFile& manifest) const {
  return !incremental() ||
         (entry.status == EntryStatus::kAdded && entry.snapshot_id == manifest.added_snapshot_id);
}

std::vector<ManifestRange> TableScan::Split(const ManifestRange& range) const {
  std::vector<ManifestRange> parts;
  int64_t files = 0;
  int64_t bytes = 0;
  for (int64_t m = range.begin; m < range.end; ++m) {
    const ManifestFile& manifest = manifests_->data[static_cast<size_t>(m)];
    if (!MayHold(manifest)) continue;
    const int64_t skip = m == range.begin ? range.skip : 0;
    const int64_t more = std::max<int64_t>(FilesOf(manifest) - skip, 0);
    if (parts.empty() || files + more > limits_.files ||
        bytes + manifest.manifest_length > limits_.manifest_bytes) {
      parts.push_back({m, m, skip});
      files = bytes = 0;
    }
    parts.back().end = m + 1;
    files += more;
    bytes += manifest.manifest_length;
  }
  return parts;
}

/// Those that the filter and the choice of deletes ask for, and those that go out.
std::vector<int32_t> TableScan::MetricsColumns() const {
  std::vector<int32_t> columns;
  std::set_union(filter_.metrics_columns().begin(), filter_.metrics_columns().end(),
                 scan_.stats_columns.begin(), scan_.stats_columns.end(),
                 std::back_inserter(columns));
  // What equality deletes compare is mostly the table's key.
  if (!manifests_->deletes.empty()) {
    const auto& key = schema_->identifier_field_ids();
    columns.insert(columns.end(), key.begin(), key.end());
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  }
  return columns;
}

/// Reads manifests until a page is full or nothing more is needed.
class TableScan::Chooser {
 public:
  explicit Chooser(const TableScan& scan)
      : scan_(scan),
        residuals_(scan),
        wanted_rows_(scan.manifests_->deletes.empty() ? scan.scan_.min_rows.value_or(0) : 0) {
    read_.columns = scan.MetricsColumns();
    read_.counts = read_.bounds = !read_.columns.empty();
  }

  Status Run(Call& call, const ManifestRange& range) {
    for (int64_t m = range.begin; m < range.end && !rest_ && !HasEnough(); ++m) {
      const ManifestFile& manifest = scan_.manifests_->data[static_cast<size_t>(m)];
      if (!scan_.MayHold(manifest)) continue;
      MORAINE_TRY(call.Check());
      ManifestRange from{m, range.end, m == range.begin ? range.skip : 0};
      const int64_t manifest_bytes = manifest_bytes_ + manifest.manifest_length;
      if (IsFull() || (manifest_bytes_ > 0 && manifest_bytes > scan_.limits_.manifest_bytes)) {
        rest_ = from;
        return {};
      }
      manifest_bytes_ = manifest_bytes;
      MORAINE_TRY(ReadOne(call, manifest, from));
    }
    return {};
  }

  std::vector<Chosen> TakeChosen() { return std::move(chosen_); }
  const std::optional<ManifestRange>& rest() const { return rest_; }

 private:
  Status ReadOne(Call& call, const ManifestFile& manifest, const ManifestRange& from) {
    MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(*scan_.metadata_, manifest));
    int64_t place = -1;
    Status status = ReadManifest(call, *scan_.files_, manifest, *spec, *scan_.schema_, read_,
                                 [&](ManifestEntry& entry) -> Status {
                                   if (++place < from.skip) return {};
                                   if (HasEnough()) return Cancelled(kPageIsFull);
                                   if (IsFull()) {
                                     rest_ = ManifestRange{from.begin, from.end, place};
                                     return Cancelled(kPageIsFull);
                                   }
                                   if (scan_.IsOfScan(entry, manifest)) Choose(&entry);
                                   return {};
                                 });
    return rest_ || HasEnough() ? Status() : status;
  }

  void Choose(ManifestEntry* entry) {
    const DataFile& file = entry->file;
    if (!scan_.filter_.PartitionMayMatch(file)) return;
    // Sharper than the filter itself: what the partition decides is settled.
    const Residual& residual = residuals_.For(file);
    if (!MetricsMayMatch(residual.expression, file)) return;
    if (*residual.text == "true") certain_rows_ += std::max<int64_t>(file.record_count, 0);
    bytes_ += BytesOf(file);
    chosen_.push_back({std::move(*entry), residual.text});
  }

  bool HasEnough() const { return wanted_rows_ > 0 && certain_rows_ >= wanted_rows_; }
  bool IsFull() const {
    return static_cast<int64_t>(chosen_.size()) >= scan_.limits_.files ||
           bytes_ >= scan_.limits_.bytes;
  }

  const TableScan& scan_;
  Residuals residuals_;
  const int64_t wanted_rows_;  ///< 0: all
  ManifestReadOptions read_;
  std::vector<Chosen> chosen_;
  std::optional<ManifestRange> rest_;
  int64_t bytes_ = 0;
  int64_t manifest_bytes_ = 0;
  int64_t certain_rows_ = 0;
};

/// Scan tasks as JSON, with each delete file once.
class TableScan::Page {
 public:
  explicit Page(const TableScan& scan, TaskPage* page)
      : scan_(scan), page_(page), tasks_(&page->file_scan_tasks), deletes_(&deletes_text_) {
    page_->file_scan_tasks.clear();
    tasks_.BeginArray();
    deletes_.BeginArray();
  }

  Status Add(const Chosen& chosen, const DeleteIndex& index) {
    const ManifestEntry& entry = chosen.entry;
    MORAINE_ASSIGN(auto applying, index.ForDataFile(entry.sequence_number.value_or(0), entry.file));
    tasks_.BeginObject().Key("data-file");
    WriteFile(entry.file, &tasks_);
    if (!applying.empty()) {
      tasks_.Key("delete-file-references").BeginArray();
      for (const auto& one : applying) tasks_.Int(PlaceOf(*one));
      tasks_.EndArray();
    }
    tasks_.Key("residual-filter").Raw(*chosen.residual).EndObject();
    ++page_->files;
    return {};
  }

  void Finish() {
    tasks_.EndArray();
    deletes_.EndArray();
    if (!places_.empty()) page_->delete_files = std::move(deletes_text_);
  }

 private:
  int64_t PlaceOf(const ManifestEntry& entry) {
    auto [at, is_new] = places_.emplace(&entry, static_cast<int64_t>(places_.size()));
    if (is_new) WriteFile(entry.file, &deletes_);
    return at->second;
  }

  void WriteFile(const DataFile& file, JsonWriter* out) {
    auto [at, is_new] = types_.try_emplace(file.spec_id);
    if (is_new) {
      PartitionSpecPtr spec = scan_.metadata_->FindSpec(file.spec_id);
      if (spec) at->second = PartitionTypes(*spec, *scan_.schema_);
    }
    WriteContentFile(file, at->second,
                     {*scan_.schema_, scan_.scan_.stats_columns, scan_.scan_.bounds}, out);
  }

  const TableScan& scan_;
  TaskPage* page_;
  std::string deletes_text_;
  JsonWriter tasks_;
  JsonWriter deletes_;
  std::unordered_map<const ManifestEntry*, int64_t> places_;
  std::map<int32_t, std::vector<TypePtr>> types_;
};

Status TableScan::Write(Call& call, const std::vector<Chosen>& chosen, TaskPage* page) const {
  DeleteIndex deletes;
  if (!manifests_->deletes.empty()) {
    std::vector<const ManifestEntry*> entries;
    entries.reserve(chosen.size());
    for (const Chosen& one : chosen) entries.push_back(&one.entry);
    MORAINE_ASSIGN(deletes, LoadDeletesFor(call, *files_, *metadata_, *schema_, filter_,
                                           manifests_->deletes, entries));
  }
  Page out(*this, page);
  for (const Chosen& one : chosen) MORAINE_TRY(out.Add(one, deletes));
  out.Finish();
  return {};
}

Result<TaskPage> TableScan::Read(Call& call, const ManifestRange& range) const {
  Chooser chooser(*this);
  MORAINE_TRY(chooser.Run(call, range));
  TaskPage page;
  page.rest = chooser.rest();
  MORAINE_TRY(Write(call, chooser.TakeChosen(), &page));
  return page;
}

}  // namespace moraine::scanning
