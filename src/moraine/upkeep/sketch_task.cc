#include "moraine/upkeep/sketch_task.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/puffin/puffin_reader.h"
#include "moraine/iceberg/puffin/puffin_writer.h"
#include "moraine/upkeep/body_json.h"
#include "moraine/upkeep/sketch_plan.h"

namespace moraine::upkeep {
namespace {

using iceberg::CompactSketch;
using iceberg::PuffinBlob;
using iceberg::PuffinReader;

constexpr int64_t kMostSketchBytes = int64_t{16} << 20;  ///< of other writers
constexpr int64_t kMostKeptBytes = int64_t{64} << 20;
constexpr size_t kMostColumnsAtOnce = 256;  ///< so that their pages fit, too
constexpr size_t kMostMerged = 1'000;

/// Whether a file that others wrote stays as it is, however often it is tried.
bool IsBroken(const Status& status) {
  switch (status.code()) {
    case Code::kNotFound:
    case Code::kPermissionDenied:
    case Code::kCorruption:
    case Code::kInvalidArgument:
    case Code::kUnsupported:
      return true;
    default:
      return false;
  }
}

/// A file of sketches, by column.
struct OpenSketches {
  PuffinReader reader;
  std::map<int32_t, const PuffinBlob*> by_column;
  std::string location;

  Result<CompactSketch> Read(Call& call, int32_t column) {
    auto found = by_column.find(column);
    if (found == by_column.end())
      return Corruption(fmt::format("{} has no sketch of column {}", location, column));
    MORAINE_ASSIGN(const std::string bytes,
                   reader.ReadBlob(call, *found->second, kMostSketchBytes));
    auto sketch = iceberg::SketchFromBytes(bytes);
    if (!sketch.ok()) return std::move(sketch).status().Annotate(location);
    return sketch;
  }
};

bool IsSketch(const PuffinBlob& blob) {
  return blob.type == iceberg::kThetaSketchBlobType && blob.fields.size() == 1;
}

class StatisticsWriting {
 public:
  StatisticsWriting(Call& call, io::FileSystem& files, const OpenedSnapshot& opened,
                    const SketchTask& task, int64_t memory_bytes, JobProgress* progress)
      : call_(call),
        files_(files),
        opened_(opened),
        task_(task),
        memory_bytes_(memory_bytes),
        progress_(progress) {}

  Result<SketchResult> Write(const std::string& location) {
    Status written = WriteAll(location);
    if (done_.unusable.empty()) MORAINE_TRY(written);
    return std::move(done_);
  }

 private:
  Status WriteAll(const std::string& location) {
    MORAINE_TRY(OpenMerged());
    MORAINE_ASSIGN(auto writer, iceberg::PuffinWriter::Create(call_, files_, location));
    MORAINE_TRY(CopyKept(&writer));
    const size_t at_once =
        std::clamp<size_t>(static_cast<size_t>(memory_bytes_ / (task_.has_base ? 8 : 4) /
                                               iceberg::ThetaSketch::kMostBytes),
                           1, kMostColumnsAtOnce);
    for (size_t i = 0; i < task_.columns.size(); i += at_once) {
      const auto first = task_.columns.begin() + static_cast<std::ptrdiff_t>(i);
      const size_t count = std::min(at_once, task_.columns.size() - i);
      MORAINE_TRY(WriteGroup({first, first + static_cast<std::ptrdiff_t>(count)}, &writer));
    }
    MORAINE_ASSIGN(done_.file.file_size_in_bytes, writer.Close(call_));
    done_.file.snapshot_id = opened_.snapshot.snapshot_id;
    done_.file.statistics_path = location;
    done_.file.file_footer_size_in_bytes = writer.footer_size_bytes();
    return {};
  }

  Status OpenMerged() {
    for (const auto& file : task_.merged) {
      auto reader = PuffinReader::Open(call_, files_, file.location, file.size_bytes);
      if (!reader.ok()) {
        Status failed = std::move(reader).status().Annotate(file.location);
        return merged_.empty() ? OfBase(std::move(failed)) : failed;
      }
      merged_.push_back({*std::move(reader), {}, file.location});
    }
    for (auto& file : merged_) {
      for (const PuffinBlob& blob : file.reader.metadata().blobs) {
        if (!IsSketch(blob)) continue;
        // Of two the newer one: the other was carried on from an older snapshot.
        auto [at, is_new] = file.by_column.emplace(blob.fields[0], &blob);
        if (!is_new && at->second->sequence_number < blob.sequence_number) at->second = &blob;
      }
    }
    return {};
  }

  /// An error of the first file: another try may do without it, if it is the base.
  Status OfBase(Status failed) {
    if (task_.has_base && IsBroken(failed)) done_.unusable = failed.ToString();
    return failed;
  }

  /// Sketches of the base, before anything else is read.
  Result<std::vector<CompactSketch>> ReadBase(const std::vector<int32_t>& columns) {
    std::vector<CompactSketch> sketches(columns.size());
    if (!task_.has_base) return sketches;
    for (size_t i = 0; i < columns.size(); ++i) {
      auto read = merged_[0].Read(call_, columns[i]);
      if (!read.ok()) return OfBase(std::move(read).status());
      sketches[i] = *std::move(read);
    }
    return sketches;
  }

  Status WriteGroup(const std::vector<int32_t>& columns, iceberg::PuffinWriter* writer) {
    MORAINE_ASSIGN(const auto base, ReadBase(columns));
    std::vector<CompactSketch> read(columns.size());
    if (task_.scanned.parts > 0) {
      MORAINE_ASSIGN(auto scan, SketchScan::Make(files_, opened_, task_.scanned, memory_bytes_ / 2,
                                                 progress_));
      MORAINE_ASSIGN(read, scan.Run(call_, columns));
      done_.files = scan.files_read();
      done_.rows = scan.rows_read();
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      iceberg::ThetaSketch sketch;
      sketch.Merge(read[i]);
      sketch.Merge(base[i]);
      for (size_t at = task_.has_base ? 1 : 0; at < merged_.size(); ++at) {
        MORAINE_ASSIGN(const CompactSketch other, merged_[at].Read(call_, columns[i]));
        sketch.Merge(other);
      }
      MORAINE_TRY(WriteSketch(columns[i], sketch.Compact(), writer));
    }
    return {};
  }

  Status WriteSketch(int32_t column, const CompactSketch& sketch, iceberg::PuffinWriter* writer) {
    PuffinBlob blob;
    blob.type = iceberg::kThetaSketchBlobType;
    blob.fields = {column};
    blob.snapshot_id = opened_.snapshot.snapshot_id;
    blob.sequence_number = opened_.snapshot.sequence_number;
    blob.properties["ndv"] = std::to_string(sketch.distinct_values());
    const iceberg::Field* field = SchemaOf(opened_).FindField(column);
    if (field == nullptr) return InvalidArgument(fmt::format("the table has no column {}", column));
    blob.properties[kTypeProperty] = field->type->ToString();
    if (field->type->kind() == iceberg::TypeKind::kUuid)
      blob.properties[kUuidFormProperty] = kUuidFormBytes;
    return Add(std::move(blob), iceberg::SketchToBytes(sketch), writer);
  }

  /// What others know of the same snapshot.
  Status CopyKept(iceberg::PuffinWriter* writer) {
    if (task_.kept.location.empty()) return {};
    auto reader = PuffinReader::Open(call_, files_, task_.kept.location, task_.kept.size_bytes);
    if (!reader.ok()) return OfKept(std::move(reader).status());
    const std::set<int32_t> columns(task_.columns.begin(), task_.columns.end());
    for (const PuffinBlob& blob : reader->metadata().blobs) {
      if (IsSketch(blob) && columns.contains(blob.fields[0])) continue;
      auto bytes = reader->ReadBlob(call_, blob, kMostKeptBytes);
      if (bytes.ok()) {
        MORAINE_TRY(Add(blob, *bytes, writer));
      } else {
        MORAINE_TRY(OfKept(std::move(bytes).status()));
      }
    }
    return {};
  }

  Status OfKept(Status failed) {
    if (!IsBroken(failed)) return failed;
    if (done_.lost.empty()) done_.lost = std::move(failed).Annotate(task_.kept.location).ToString();
    return {};
  }

  Status Add(PuffinBlob blob, std::string_view bytes, iceberg::PuffinWriter* writer) {
    blob.codec = iceberg::PuffinCodec::kNone;  // hashes can't be compressed
    MORAINE_TRY(writer->Add(call_, blob, bytes));
    done_.file.blob_metadata.push_back({.type = blob.type,
                                        .snapshot_id = blob.snapshot_id,
                                        .sequence_number = blob.sequence_number,
                                        .fields = blob.fields,
                                        .properties = blob.properties});
    return {};
  }

  Call& call_;
  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  const SketchTask& task_;
  const int64_t memory_bytes_;
  JobProgress* progress_;
  std::vector<OpenSketches> merged_;
  SketchResult done_;
};

void WriteFile(const SketchFile& file, JsonWriter* out) {
  out->BeginObject().Field("location", file.location).Field("size", file.size_bytes).EndObject();
}

Result<SketchFile> ReadFile(const JsonCursor& json) {
  SketchFile file;
  MORAINE_ASSIGN(file.location, json.String("location"));
  MORAINE_ASSIGN(file.size_bytes, CountOf(json, "size"));
  return file;
}

Result<std::vector<int64_t>> NumbersOf(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectArray());
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < json.size(); ++i) {
    MORAINE_ASSIGN(const int64_t number, json.At(i).Int64());
    numbers.push_back(number);
  }
  return numbers;
}

Result<ScannedFiles> ScannedOf(const JsonCursor& body) {
  ScannedFiles scanned;
  MORAINE_ASSIGN(scanned.part, CountOf(body, "part"));
  MORAINE_ASSIGN(scanned.parts, CountOf(body, "parts"));
  if (scanned.part >= std::max<int64_t>(scanned.parts, 1))
    return body.Error("part: expected a number below parts");
  MORAINE_ASSIGN(const auto since, body.Find("since"));
  if (since) {
    MORAINE_ASSIGN(scanned.since, NumbersOf(*since));
  }
  return scanned;
}

Result<SketchTask> TaskOf(const JsonCursor& body) {
  SketchTask task;
  MORAINE_ASSIGN(const JsonCursor columns, body.Get("columns"));
  MORAINE_TRY(columns.ExpectArray());
  for (size_t i = 0; i < columns.size(); ++i) {
    MORAINE_ASSIGN(const int32_t column, columns.At(i).Int32());
    task.columns.push_back(column);
  }
  MORAINE_ASSIGN(task.scanned, ScannedOf(body));
  MORAINE_ASSIGN(const auto merged, body.Get("merged"));
  MORAINE_TRY(merged.ExpectArray());
  if (merged.size() > kMostMerged) return merged.Expected("at most 1,000 files");
  for (size_t i = 0; i < merged.size(); ++i) {
    MORAINE_ASSIGN(auto file, ReadFile(merged.At(i)));
    task.merged.push_back(std::move(file));
  }
  MORAINE_ASSIGN(task.has_base, SwitchOf(body, "base"));
  if (task.has_base && task.merged.empty()) return merged.Expected("a base");
  MORAINE_ASSIGN(const auto kept, body.Find("kept"));
  if (kept) {
    MORAINE_ASSIGN(task.kept, ReadFile(*kept));
  }
  MORAINE_ASSIGN(task.is_last, SwitchOf(body, "last"));
  return task;
}

std::string ToResult(const SketchResult& result) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("files", result.files).Field("rows", result.rows);
  if (!result.lost.empty()) out.Field("lost", result.lost);
  if (result.unusable.empty()) {
    iceberg::WriteStatisticsFile(result.file, &out.Key("statistics"));
  } else {
    out.Field("unusable", result.unusable);
  }
  out.EndObject();
  return text;
}

}  // namespace

std::string ToBody(const SketchTask& task) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteSnapshotPlace(task.place, &out);
  out.Key("columns").BeginArray();
  for (const int32_t column : task.columns) out.Int(column);
  out.EndArray().Field("part", task.scanned.part).Field("parts", task.scanned.parts);
  if (task.scanned.since) {
    out.Key("since").BeginArray();
    for (const int64_t snapshot_id : *task.scanned.since) out.Int(snapshot_id);
    out.EndArray();
  }
  out.Key("merged").BeginArray();
  for (const auto& file : task.merged) WriteFile(file, &out);
  out.EndArray();
  if (task.has_base) out.Field("base", true);
  if (!task.kept.location.empty()) WriteFile(task.kept, &out.Key("kept"));
  out.Field("last", task.is_last).EndObject();
  return text;
}

Result<SketchTask> SketchTaskOf(std::string_view body) {
  MORAINE_ASSIGN(const Json document, Json::Parse(body));
  return TaskOf(JsonCursor(document));
}

Result<SketchResult> SketchResultOf(const tasks::MaintenanceOutput& output) {
  MORAINE_ASSIGN(const Json document, Json::Parse(output.result));
  const JsonCursor json(document);
  SketchResult result;
  MORAINE_ASSIGN(result.files, json.Int64("files"));
  MORAINE_ASSIGN(result.rows, json.Int64("rows"));
  MORAINE_ASSIGN(result.lost, TextOf(json, "lost"));
  MORAINE_ASSIGN(result.unusable, TextOf(json, "unusable"));
  if (!result.unusable.empty()) return result;
  MORAINE_ASSIGN(const JsonCursor file, json.Get("statistics"));
  MORAINE_ASSIGN(result.file, iceberg::StatisticsFileFromJson(file));
  return result;
}

Result<tasks::MaintenanceOutput> RunComputeStatistics(Call& call, io::FileSystem& files,
                                                      const tasks::MaintenanceTask& task,
                                                      const JobOptions& options,
                                                      JobProgress* progress) {
  MORAINE_ASSIGN(const Json document, Json::Parse(task.body));
  const JsonCursor body(document);
  MORAINE_ASSIGN(const SketchTask wanted, TaskOf(body));
  MORAINE_ASSIGN(const OpenedSnapshot opened, OpenSnapshot(call, files, task, body));
  tasks::MaintenanceTask place = task;
  if (wanted.is_last) place.output_folder = iceberg::MetadataFolder(opened.metadata);
  StatisticsWriting writing(call, files, opened, wanted, options.memory_bytes, progress);
  MORAINE_ASSIGN(const SketchResult result, writing.Write(place.OutputPrefix() + "sketches.stats"));
  tasks::MaintenanceOutput output;
  output.files = result.files;
  output.result = ToResult(result);
  return output;
}

}  // namespace moraine::upkeep
