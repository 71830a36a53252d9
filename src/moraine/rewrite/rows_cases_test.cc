// The step family "rows" of tests/cases/rows: data files and deletes, and the rows that a rewrite
// leaves ("rows rewrite"), or the positions that it makes of the deletes ("rows positions").
//
//   rows rewrite
//   columns 1 id long, 2 kind string      the table's
//   data a seq 1                          a file; JSON rows follow
//   [1, "x"]
//   data b seq 1 with 1 id int            a file with columns of its own
//   [2]
//   positions seq 2                       position deletes: file, positions
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
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/rewrite/rewrite.h"

namespace moraine::rewrite {
namespace {

using iceberg::Field;
using iceberg::FileContent;
using iceberg::Type;
using iceberg::TypeKind;

/// "1 id long, 2 kind string"; "!" behind a type: required.
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
    const bool required = type.ends_with('!');
    if (required) type.remove_suffix(1);
    MORAINE_ASSIGN(auto parsed, Type::FromString(type));
    fields.push_back(iceberg::Optional(static_cast<int32_t>(id),
                                       std::string(trimmed.substr(first + 1, second - first - 1)),
                                       std::move(parsed)));
    fields.back().required = required;
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
      const bool head = line.starts_with("columns ") || line.starts_with("data ") ||
                        line.starts_with("positions ") || line.starts_with("equality ");
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
      text += iceberg::ReadText(files_, file.file_path, task_.schema->fields());
    return text + fmt::format("read {}, deleted {}, written {}", output.rows_read,
                              output.rows_deleted, output.rows_written);
  }

  Result<std::string> Positions() {
    std::swap(task_.rewrite, task_.rewrite_positions);
    MORAINE_ASSIGN(const auto output, Run());
    std::string text = output.delete_files.empty() ? "nothing" : "";
    for (const auto& file : output.delete_files) {
      const Field position =
          iceberg::Required(iceberg::kPositionFieldId, "pos", Type::Primitive(TypeKind::kLong));
      const std::string positions_text = iceberg::ReadText(files_, file.file_path, {position});
      text += text.empty() ? "" : "\n";
      text += file.referenced_data_file.value_or("?").substr(sizeof("file:///data/") - 1);
      for (std::string_view at : Split(positions_text, '\n'))
        text += at.empty() ? "" : fmt::format(" {}", at);
    }
    return text;
  }

 private:
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
    if (block.head.starts_with("columns ")) {
      MORAINE_ASSIGN(auto fields, FieldsOf(block.head.substr(sizeof("columns"))));
      task_.schema = iceberg::MakeSchema(std::move(fields));
      return {};
    }
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
    MORAINE_ASSIGN(const auto fields, FieldsOf(block.After("on")));
    std::vector<int32_t> ids;
    for (const Field& field : fields) ids.push_back(field.id);
    MORAINE_ASSIGN(auto file, WriteEqualityDeletes(call, files_, path,
                                                   {iceberg::MakeRows(fields, block.json())}, ids,
                                                   OptionsFor(fields)));
    task_.deletes.push_back({std::move(file), sequence});
    return {};
  }

  Status AddData(const Block& block, int64_t sequence) {
    std::vector<Field> fields = task_.schema->fields();
    if (const std::string own = block.After("with"); !own.empty()) {
      MORAINE_ASSIGN(fields, FieldsOf(own));
    }
    const std::string name = block.head.substr(5, block.head.find(' ', 5) - 5);
    task_.rewrite.push_back({WriteRows(files_, PathOf(name),
                                       iceberg::MakeRows(fields, block.json()), OptionsFor(fields)),
                             sequence,
                             {}});
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
