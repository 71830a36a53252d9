#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/delete_loading_internal.h"
#include "moraine/iceberg/deletes/deletion_vector.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/puffin/puffin_reader.h"
#include "moraine/iceberg/types/decimal.h"

namespace moraine::iceberg {
namespace {

Field MakeField(int32_t id, std::string name, TypeKind kind) {
  Field field;
  field.id = id;
  field.name = std::move(name);
  field.required = true;
  field.type = Type::Primitive(kind);
  return field;
}

Status CheckReadable(const DataFile& file) {
  if (file.key_metadata) return Unsupported("an encrypted delete file: " + file.file_path);
  return {};
}

// The set of each path that a batch names, looked up once a path and not once a row.
class PathIndex {
 public:
  PathIndex(const std::set<std::string>& wanted, std::map<std::string, PositionSet>* by_file)
      : wanted_(wanted), by_file_(by_file) {}

  PositionSet* Find(std::string_view path) {
    if (path_ == path) return set_;
    path_ = path;
    set_ = wanted_.contains(path_) ? &(*by_file_)[path_] : nullptr;
    return set_;
  }

 private:
  const std::set<std::string>& wanted_;
  std::map<std::string, PositionSet>* by_file_;
  std::string path_;
  PositionSet* set_ = nullptr;
};

// Runs of equal paths, as sorted files have them, go in at once.
Status AddPositions(const arrow::RecordBatch& batch, const std::string& location,
                    PathIndex* index) {
  const auto& paths = static_cast<const arrow::StringArray&>(*batch.column(0));
  const auto& positions = static_cast<const arrow::Int64Array&>(*batch.column(1));
  if (paths.null_count() > 0 || positions.null_count() > 0) {
    return Corruption(location + ": a position delete with a null");
  }
  const int64_t rows = batch.num_rows();
  const int64_t* values = positions.raw_values();
  for (int64_t begin = 0; begin < rows;) {
    const std::string_view path = paths.GetView(begin);
    int64_t end = begin + 1;
    while (end < rows && paths.GetView(end) == path) ++end;
    const std::span<const int64_t> run(values + begin, static_cast<size_t>(end - begin));
    if (std::any_of(run.begin(), run.end(), [](int64_t position) { return position < 0; })) {
      return Corruption(location + ": a position delete below 0");
    }
    if (PositionSet* set = index->Find(path)) set->AddMany(run);
    begin = end;
  }
  return {};
}

// Sums up the sets now and then only: there may be as many as data files.
Status CheckMemory(int64_t rows, int64_t max_bytes, PositionTable* table) {
  constexpr int64_t kRowsBetween = int64_t{1} << 20;
  table->unchecked_rows = AddCapped(table->unchecked_rows, rows);
  if (table->unchecked_rows < std::min(kRowsBetween, max_bytes / 8)) return {};
  table->unchecked_rows = 0;
  int64_t bytes = 0;
  for (const auto& [path, set] : table->by_file) bytes += set.memory_bytes();
  if (bytes <= max_bytes) return {};
  return Exhausted("position deletes do not fit in memory: needed " + FormatByteSize(bytes) +
                   ", allowed " + FormatByteSize(max_bytes));
}

ReadOptions MakeReadOptions(const DeleteFilterOptions& options) {
  ReadOptions read;
  read.mapping = options.mapping;
  read.pool = options.pool;
  read.batch_bytes = std::min<int64_t>(read.batch_bytes, options.memory_bytes / 8);
  read.whole_row_group_bytes = options.memory_bytes / 8;
  return read;
}

// What a dropped column may have been promoted to after the delete file was written: data files
// hold any type on the way there, and keys that are equal stay so when they are widened.
// (A date may have become a timestamp of either unit, in version 3: which, the files don't say.)
TypePtr WidestPromotion(const TypePtr& type) {
  switch (type->kind()) {
    case TypeKind::kInt:
      return Type::Primitive(TypeKind::kLong);
    case TypeKind::kFloat:
      return Type::Primitive(TypeKind::kDouble);
    case TypeKind::kDecimal:
      return Type::Decimal(kMaxDecimalPrecision, type->scale());
    default:
      return type;
  }
}

}  // namespace

Status LoadPositionDeletes(Call& call, io::FileSystem& files, const DataFile& file,
                           const DeleteFilterOptions& options, PositionTable* table) {
  MORAINE_TRY(CheckReadable(file));
  if (options.data_files.empty()) return {};
  ReadOptions read = MakeReadOptions(options);
  read.mapping = nullptr;  // the columns have fixed names
  read.without_ids = WithoutIds::kByName;
  read.fields = {MakeField(kFilePathFieldId, "file_path", TypeKind::kString),
                 MakeField(kPositionFieldId, "pos", TypeKind::kLong)};
  read.filter =
      RowGroupFilter{kFilePathFieldId, *options.data_files.begin(), *options.data_files.rbegin()};
  MORAINE_ASSIGN(auto reader, DataFileReader::Open(call, files, file.file_path, file.format,
                                                   file.file_size_in_bytes, std::move(read)));
  PathIndex index(options.data_files, &table->by_file);
  while (true) {
    MORAINE_ASSIGN(auto batch, reader->Next(call));
    if (batch == nullptr) return {};
    MORAINE_TRY(AddPositions(*batch, file.file_path, &index));
    Status checked = CheckMemory(batch->num_rows(), options.memory_bytes, table);
    if (!checked.ok()) return std::move(checked).Annotate(file.file_path);
  }
}

Result<PositionSet> VectorLoader::Read(Call& call, const DataFile& file, int64_t max_bytes) {
  if (open_ == nullptr || open_path_ != file.file_path) {
    // The entry's size is that of the whole file, which others may have got wrong: not trusted.
    MORAINE_ASSIGN(open_, files_.Open(call, file.file_path, std::nullopt));
    open_path_ = file.file_path;
  }
  MORAINE_ASSIGN(const std::string blob, ReadRange(call, *open_, *file.content_offset,
                                                   *file.content_size_in_bytes, max_bytes));
  return DecodeDeletionVector(blob);
}

Status VectorLoader::Load(Call& call, const DataFile& file, PositionTable* table) {
  const auto broken = [&](std::string_view problem) {
    return Corruption(fmt::format("{}: {}", file.file_path, problem));
  };
  if (file.key_metadata) return Unsupported("an encrypted delete file: " + file.file_path);
  if (!file.referenced_data_file || !file.content_offset || !file.content_size_in_bytes) {
    return broken("a deletion vector without its data file, offset or size");
  }
  const std::string& target = *file.referenced_data_file;
  if (!options_.data_files.contains(target)) return {};
  Result<PositionSet> positions = Read(call, file, options_.memory_bytes);
  if (!positions.ok()) {
    return std::move(positions).status().Annotate(
        fmt::format("{} at offset {}", file.file_path, *file.content_offset));
  }
  if (positions->cardinality() != file.record_count) {
    return broken(fmt::format("the deletion vector of {} has {} positions, its entry says {}",
                              target, positions->cardinality(), file.record_count));
  }
  const int64_t bytes = positions->memory_bytes();
  if (!table->by_file.emplace(target, std::move(positions).value()).second) {
    return broken("a second deletion vector of " + target);
  }
  Status checked = CheckMemory(bytes / 8, options_.memory_bytes, table);
  if (!checked.ok()) return std::move(checked).Annotate(file.file_path);
  return {};
}

Result<std::vector<Field>> DroppedKeyFields(Call& call, io::FileSystem& files, const DataFile& file,
                                            const DeleteFilterOptions& options) {
  std::vector<Field> dropped;
  std::vector<int32_t> missing;
  for (int32_t id : file.equality_ids) {
    if (options.schema->FindField(id) == nullptr) missing.push_back(id);
  }
  if (missing.empty()) return dropped;
  MORAINE_TRY(CheckReadable(file));
  MORAINE_ASSIGN(auto reader,
                 DataFileReader::Open(call, files, file.file_path, file.format,
                                      file.file_size_in_bytes, MakeReadOptions(options)));
  for (int32_t id : missing) {
    const auto& columns = reader->columns();
    const auto column = std::find_if(columns.begin(), columns.end(),
                                     [&](const FileColumn& c) { return c.id == id; });
    if (column == columns.end()) {
      return Corruption(file.file_path + ": no column has the equality id " + std::to_string(id));
    }
    Field field;
    field.id = id;
    field.name = column->name;
    MORAINE_ASSIGN(const TypePtr stored, FromArrowType(*column->type));
    field.type = WidestPromotion(stored);
    dropped.push_back(std::move(field));
  }
  return dropped;
}

Status LoadEqualityDeletes(Call& call, io::FileSystem& files, const DeleteSource& source,
                           const std::vector<Field>& fields, const DeleteFilterOptions& options,
                           int64_t max_bytes, EqualitySet* set) {
  const DataFile& file = *source.file;
  MORAINE_TRY(CheckReadable(file));
  std::vector<int32_t> ids = file.equality_ids;
  std::sort(ids.begin(), ids.end());
  ReadOptions read = MakeReadOptions(options);
  read.fields = SelectFields(fields, ids);
  MORAINE_ASSIGN(const KeyColumns keys, KeyColumns::Make(read.fields, ids));
  MORAINE_ASSIGN(auto reader, DataFileReader::Open(call, files, file.file_path, file.format,
                                                   file.file_size_in_bytes, std::move(read)));
  while (true) {
    MORAINE_ASSIGN(auto batch, reader->Next(call));
    if (batch == nullptr) return {};
    MORAINE_ASSIGN(auto columns, keys.Extract(*batch, options.pool));
    Status added = set->Add(columns, batch->num_rows(), source.sequence_number, max_bytes);
    if (!added.ok()) return std::move(added).Annotate(file.file_path);
  }
}

}  // namespace moraine::iceberg
