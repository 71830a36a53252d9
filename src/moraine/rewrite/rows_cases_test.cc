// The step family "rows" of tests/cases/rows: data files and deletes, and the rows that a rewrite
// leaves ("rows rewrite"), or the positions that it makes of the deletes ("rows positions").
//
//   rows rewrite
//   version 3                             of the table's format; 2 if it is not there
//   columns 1 id long, 2 kind string      the table's
//   dedup 1 2 by 3                        keys, and the column to keep the last row by
//   data a seq 1                          a file; JSON rows follow
//   [1, "x"]
//   data b seq 1 with 1 id int            a file with columns of its own ("first N": with row ids)
//   [2]
//   positions seq 2                       position deletes: file, positions
//   a 0
//   vectors seq 2                         deletion vectors, in one Puffin file: likewise
//   a 0
//   equality seq 2 on 1 id long           equality deletes: keys follow
//   [2]
//   ----
//   read 2, deleted 2, written 0

#include <algorithm>
#include <map>
#include <memory>

#include "case_runner/case_runner.h"
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/rewrite/written_fields.h"

namespace moraine::rewrite {
namespace {

using iceberg::Field;
using iceberg::FileContent;
using iceberg::Type;
using iceberg::TypeKind;

/// "1 id long, 2 kind string"; "!" behind a type: required; "=5" behind it: its initial default.
Result<std::vector<Field>> FieldsOf(std::string_view text) {
  std::vector<Field> fields;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(", ", begin), text.size());
    const std::string_view trimmed = text.substr(begin, end - begin);
    begin = end + 2;
    const size_t first = trimmed.find(' ');
    const size_t second = trimmed.find(' ', first + 1);
    if (second == std::string_view::npos) return InvalidArgument("a column: id, name, type");
    MORAINE_ASSIGN(const int64_t id, ParseInt64(trimmed.substr(0, first)));
    std::string_view type = trimmed.substr(second + 1);
    const size_t equals = type.find('=');
    const std::string initial(equals == type.npos ? "" : type.substr(equals + 1));
    type = type.substr(0, equals);
    const bool required = type.ends_with('!');
    if (required) type.remove_suffix(1);
    MORAINE_ASSIGN(auto parsed, Type::FromString(type));
    fields.push_back(iceberg::Optional(static_cast<int32_t>(id),
                                       std::string(trimmed.substr(first + 1, second - first - 1)),
                                       std::move(parsed)));
    fields.back().required = required;
    if (!initial.empty()) {
      MORAINE_ASSIGN(const Json json, Json::Parse(initial));
      MORAINE_ASSIGN(fields.back().initial_default,
                     ValueFromJson(*fields.back().type, JsonCursor(json)));
    }
  }
  return fields;
}

/// A line that begins a file, and the lines of what it holds.
struct Block {
  std::string head;
  std::vector<std::string> lines;

  std::string json() const {
    std::string json = "[";
    for (const std::string& line : lines) json += (json.size() > 1 ? "," : "") + line;
    return json + "]";
  }
  /// What follows a word of the head, or "".
  std::string After(std::string_view word) const {
    const size_t at = head.find(fmt::format(" {} ", word));
    return at == std::string::npos ? "" : head.substr(at + word.size() + 2);
  }
};

class Scene {
 public:
  Scene() {
    task_.process_id = "p";
    task_.attempt = 1;
    task_.spec = std::make_shared<const iceberg::PartitionSpec>();
    task_.target_size_bytes = 1 << 30;
    task_.data_location = "file:///out";
  }

  Status Read(std::string_view input) {
    std::vector<Block> blocks;
    for (std::string_view line : Split(input, '\n')) {
      constexpr std::string_view kHeads[] = {"version ",   "columns ", "dedup ",   "data ",
                                             "positions ", "vectors ", "equality "};
      const bool head = std::any_of(std::begin(kHeads), std::end(kHeads),
                                    [&](std::string_view word) { return line.starts_with(word); });
      if (head) {
        blocks.push_back({std::string(line), {}});
      } else if (blocks.empty()) {
        return InvalidArgument("the first line: columns");
      } else {
        blocks.back().lines.emplace_back(line);
      }
    }
    for (const Block& block : blocks) {
      Status status = Add(block);
      if (!status.ok()) return std::move(status).Annotate(block.head);
    }
    for (tasks::InputFile& input_file : task_.rewrite) Attach(&input_file);
    return {};
  }

  Result<std::string> Rewrite() {
    MORAINE_ASSIGN(const auto output, Run());
    std::string text;
    for (const auto& file : output.data_files)
      text += iceberg::ReadText(files_, file.file_path, WrittenFields(task_));
    if (output.rows_deduplicated > 0) {
      return text + fmt::format("read {}, deleted {}, duplicates {}, written {}", output.rows_read,
                                output.rows_deleted, output.rows_deduplicated, output.rows_written);
    }
    return text + fmt::format("read {}, deleted {}, written {}", output.rows_read,
                              output.rows_deleted, output.rows_written);
  }

  Result<std::string> Positions() {
    std::swap(task_.rewrite, task_.rewrite_positions);
    MORAINE_ASSIGN(const auto output, Run());
    std::string text = output.delete_files.empty() ? "nothing" : "";
    for (const auto& file : output.delete_files) {
      MORAINE_ASSIGN(const std::vector<int64_t> positions, PositionsIn(file));
      text += text.empty() ? "" : "\n";
      if (file.is_deletion_vector()) text += "vector ";
      text += file.referenced_data_file.value_or("?").substr(sizeof("file:///data/") - 1);
      for (int64_t position : positions) text += fmt::format(" {}", position);
    }
    return text;
  }

 private:
  /// By the readers of deletes that rewrites have.
  Result<std::vector<int64_t>> PositionsIn(const iceberg::DataFile& file) {
    iceberg::DeleteFilterOptions options;
    options.schema = task_.schema;
    options.data_files = {file.referenced_data_file.value_or("")};
    Call call = iceberg::TestCall();
    MORAINE_ASSIGN(const auto filter,
                   iceberg::DeleteFilter::Load(call, files_, {{&file, 9}}, options));
    const iceberg::PositionSet* set = filter.Positions(*options.data_files.begin());
    return set == nullptr ? std::vector<int64_t>() : set->ToVector();
  }

  static std::string PathOf(std::string_view name) { return fmt::format("file:///data/{}", name); }

  static iceberg::WriteOptions OptionsFor(const std::vector<Field>& fields) {
    iceberg::WriteOptions options;
    options.schema = iceberg::MakeSchema(fields);
    return options;
  }

  Result<tasks::RewriteOutput> Run() {
    Call call = iceberg::TestCall();
    return RunRewrite(call, files_, task_, RewriteOptions(), nullptr);
  }

  Status Add(const Block& block) {
    if (block.head.starts_with("version ")) {
      MORAINE_ASSIGN(const int64_t version, ParseInt64(block.head.substr(sizeof("version"))));
      task_.format_version = static_cast<int>(version);
      return {};
    }
    if (block.head.starts_with("columns ")) {
      MORAINE_ASSIGN(auto fields, FieldsOf(block.head.substr(sizeof("columns"))));
      task_.schema = iceberg::MakeSchema(std::move(fields));
      return {};
    }
    if (block.head.starts_with("dedup ")) return AddDedup(block);
    if (task_.schema == nullptr) return InvalidArgument("columns come first");
    const std::string after = block.After("seq");
    MORAINE_ASSIGN(const int64_t sequence, ParseInt64(after.substr(0, after.find(' '))));
    if (block.head.starts_with("data ")) return AddData(block, sequence);
    Call call = iceberg::TestCall();
    const std::string path = PathOf(fmt::format("delete-{}", task_.deletes.size()));
    if (block.head.starts_with("positions ")) {
      MORAINE_ASSIGN(const auto positions, PositionsOf(block));
      MORAINE_ASSIGN(auto file, WritePositionDeletes(call, files_, path, positions, {}));
      task_.deletes.push_back({std::move(file), sequence});
      return {};
    }
    if (block.head.starts_with("vectors ")) {
      MORAINE_ASSIGN(const auto positions, PositionsOf(block));
      MORAINE_ASSIGN(auto vectors, WriteDeletionVectors(call, files_, path, positions));
      for (auto& file : vectors) task_.deletes.push_back({std::move(file), sequence});
      return {};
    }
    MORAINE_ASSIGN(const auto fields, FieldsOf(block.After("on")));
    std::vector<int32_t> ids;
    for (const Field& field : fields) ids.push_back(field.id);
    MORAINE_ASSIGN(auto file, WriteEqualityDeletes(call, files_, path,
                                                   {iceberg::MakeRows(fields, block.json())}, ids,
                                                   OptionsFor(fields)));
    task_.deletes.push_back({std::move(file), sequence});
    return {};
  }

  Status AddDedup(const Block& block) {
    bool is_key = true;
    const std::string words = block.head.substr(sizeof("dedup"));
    for (std::string_view word : Split(words, ' ')) {
      if (word == "by") {
        is_key = false;
        continue;
      }
      MORAINE_ASSIGN(const int64_t id, ParseInt64(word));
      if (is_key) task_.dedup.keys.push_back(static_cast<int32_t>(id));
      if (!is_key) task_.dedup.order_by = static_cast<int32_t>(id);
    }
    return {};
  }

  Status AddData(const Block& block, int64_t sequence) {
    std::vector<Field> fields = task_.schema->fields();
    if (const std::string own = block.After("with"); !own.empty()) {
      MORAINE_ASSIGN(fields, FieldsOf(own));
    }
    const std::string name = block.head.substr(5, block.head.find(' ', 5) - 5);
    tasks::InputFile input;
    input.file = WriteRows(files_, PathOf(name), iceberg::MakeRows(fields, block.json()),
                           OptionsFor(fields));
    input.sequence_number = sequence;
    if (const std::string first = block.After("first"); !first.empty()) {
      MORAINE_ASSIGN(input.file.first_row_id, ParseInt64(first.substr(0, first.find(' '))));
    }
    task_.rewrite.push_back(std::move(input));
    return {};
  }

  static Result<std::map<std::string, iceberg::PositionSet>> PositionsOf(const Block& block) {
    std::map<std::string, iceberg::PositionSet> positions;
    for (const std::string& line : block.lines) {
      const auto words = Split(line, ' ');
      for (size_t i = 1; i < words.size(); ++i) {
        MORAINE_ASSIGN(const int64_t position, ParseInt64(words[i]));
        positions[PathOf(words[0])].Add(position);
      }
    }
    return positions;
  }

  /// The deletes that the sequence numbers let apply, as a plan would.
  void Attach(tasks::InputFile* input) const {
    for (size_t i = 0; i < task_.deletes.size(); ++i) {
      const auto& deletes = task_.deletes[i];
      const bool positions = deletes.file.content == FileContent::kPositionDeletes;
      if (deletes.sequence_number + (positions ? 1 : 0) > input->sequence_number)
        input->deletes.push_back(static_cast<int32_t>(i));
    }
  }

  io::MemoryFileSystem files_;
  tasks::RewriteTask task_;
};

std::unique_ptr<cases::World> MakeRowsWorld() {
  auto world = std::make_unique<cases::World>();
  world->Add("rows", [](const cases::Step& step) -> Result<cases::Outcome> {
    Scene scene;
    MORAINE_TRY(scene.Read(step.input));
    if (step.words != "rewrite" && step.words != "positions")
      return InvalidArgument("expected 'rows rewrite' or 'rows positions'");
    MORAINE_ASSIGN(std::string text, step.words == "rewrite" ? scene.Rewrite() : scene.Positions());
    return cases::Outcome{true, std::move(text), std::nullopt};
  });
  return world;
}

const bool kCases = cases::RegisterCases("rows", MakeRowsWorld);

TEST(RowsCases, AreThere) { EXPECT_TRUE(kCases); }

}  // namespace
}  // namespace moraine::rewrite
