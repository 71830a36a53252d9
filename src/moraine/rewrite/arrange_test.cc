// Layouts, dedup and partition moves of RunRewrite against rows that are sorted by hand.

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <arrow/array.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/rewrite/row_sorter.h"
#include "moraine/rewrite/written_fields.h"
#include "moraine/tasks/layout_text.h"

namespace moraine::rewrite {
namespace {

using iceberg::DataFile;
using iceberg::Field;
using iceberg::Optional;
using iceberg::Type;
using iceberg::TypeKind;

const std::vector<Field>& Fields() {
  static const auto* fields = new std::vector<Field>{
      Optional(1, "id", Type::Primitive(TypeKind::kLong)),
      Optional(2, "name", Type::Primitive(TypeKind::kString)),
      Optional(3, "day", Type::Primitive(TypeKind::kDate)),
      Optional(4, "l", Type::List(Optional(5, "element", Type::Primitive(TypeKind::kInt)))),
      Optional(6, "s", Type::Struct({Optional(7, "x", Type::Primitive(TypeKind::kDouble))})),
      Optional(8, "flag", Type::Primitive(TypeKind::kBoolean))};
  return *fields;
}

struct Row {
  int64_t id;
  std::string name;
  int day;
  size_t file = 0;
  int64_t position = 0;

  std::string json() const {
    return fmt::format(R"([{},{},{},{},[{}],{}])", id, name.empty() ? "null" : '"' + name + '"',
                       day, id % 3 == 0 ? "null" : fmt::format("[{},null]", id),
                       id % 4 == 0 ? "null" : "0.5", id % 2 == 0);
  }
};

class ArrangeTest : public ::testing::Test {
 protected:
  ArrangeTest() {
    task_.process_id = "p";
    task_.attempt = 1;
    task_.schema = iceberg::MakeSchema(Fields());
    task_.spec = std::make_shared<const iceberg::PartitionSpec>();
    task_.target_size_bytes = 1 << 30;
    task_.data_location = "file:///out";
    options_.threads = 1;
  }

  void AddFile(std::vector<Row> rows, int64_t sequence = 1) {
    const std::string path = fmt::format("file:///data/{}.parquet", task_.rewrite.size());
    std::string json;
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].file = task_.rewrite.size();
      rows[i].position = static_cast<int64_t>(i);
      json += (i > 0 ? "," : "") + rows[i].json();
      rows_.push_back(rows[i]);
    }
    tasks::InputFile input;
    input.file = iceberg::WriteRows(files_, path, Fields(), "[" + json + "]");
    input.sequence_number = sequence;
    task_.rewrite.push_back(std::move(input));
  }

  void AddRandomFiles(uint64_t seed, int count, size_t rows) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < count; ++i) {
      std::vector<Row> some;
      for (size_t row = 0; row < rows; ++row) {
        const std::string name = random() % 9 == 0 ? "" : fmt::format("n{}", random() % 40);
        some.push_back(
            {static_cast<int64_t>(random() % 1000), name, static_cast<int>(random() % 50)});
      }
      AddFile(std::move(some), 1 + static_cast<int64_t>(random() % 3));
    }
  }

  void Delete(size_t file, int64_t position) {
    std::map<std::string, iceberg::PositionSet> positions;
    positions[task_.rewrite[file].file.file_path].Add(position);
    Call call = iceberg::TestCall();
    const std::string path = fmt::format("file:///deletes/{}", task_.deletes.size());
    task_.rewrite[file].deletes.push_back(static_cast<int32_t>(task_.deletes.size()));
    task_.deletes.push_back(
        {iceberg::WritePositionDeletes(call, files_, path, positions, iceberg::WriteOptions())
             .value(),
         9});
    std::erase_if(rows_,
                  [&](const Row& row) { return row.file == file && row.position == position; });
  }

  void SetLayout(std::string_view text) {
    task_.layout = tasks::ParseLayout(text, *task_.schema, {}, 0).value();
  }

  tasks::RewriteOutput Run() {
    Call call = iceberg::TestCall();
    auto output = RunRewrite(call, files_, task_, options_, nullptr);
    EXPECT_TRUE(output.ok()) << output.status().ToString();
    if (!output.ok()) return {};
    const Status checked = CheckOutput(task_, *output);
    EXPECT_TRUE(checked.ok()) << checked.ToString();
    EXPECT_EQ(output->rows_read - output->rows_deleted - output->rows_deduplicated,
              output->rows_written);
    return std::move(*output);
  }

  std::string TextOf(const DataFile& file) {
    return iceberg::ReadText(files_, file.file_path, Fields());
  }
  std::string TextOf(const tasks::RewriteOutput& output) {
    std::string text;
    for (const DataFile& file : output.data_files) text += TextOf(file);
    return text;
  }
  static std::string TextOf(const std::vector<Row>& rows) {
    std::string json;
    for (const Row& row : rows) json += (json.empty() ? "" : ",") + row.json();
    return iceberg::RowsText(*iceberg::MakeRows(Fields(), "[" + json + "]"));
  }
  static std::multiset<std::string> LinesOf(const std::string& text) {
    std::multiset<std::string> lines;
    for (std::string_view line : Split(text, '\n')) lines.emplace(line);
    return lines;
  }

  // Each row is where the position map says.
  void ExpectMapped(const tasks::RewriteOutput& output) {
    std::map<std::pair<size_t, int64_t>, const Row*> inputs;
    for (const Row& row : rows_) inputs[{row.file, row.position}] = &row;
    std::vector<Row> told;
    Call call = iceberg::TestCall();
    const Status status =
        tasks::VisitPositionMap(call, files_, *output.positions, MapShapeOf(task_, output),
                                [&](const tasks::MappedRun& run) {
                                  for (int64_t i = 0; i < run.count; ++i)
                                    told.push_back(*inputs.at({run.input, run.first_position + i}));
                                  return Status();
                                });
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(TextOf(told), TextOf(output));
  }

  io::MemoryFileSystem files_;
  tasks::RewriteTask task_;
  RewriteOptions options_;
  std::vector<Row> rows_;
};

TEST_F(ArrangeTest, SortsByTheOrderAndSaysSo) {
  AddRandomFiles(1, 5, 80);
  Delete(2, 7);
  Delete(0, 0);
  SetLayout("sort(day desc, name nulls last)");
  task_.layout.order.order_id = 3;
  for (const int threads : {1, 2}) {
    options_.threads = threads;
    task_.attempt = threads;
    std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      if (a.day != b.day) return a.day > b.day;
      if (a.name.empty() != b.name.empty()) return b.name.empty();
      if (a.name != b.name) return a.name < b.name;
      return std::pair(a.file, a.position) < std::pair(b.file, b.position);
    });
    const auto output = Run();
    ASSERT_EQ(output.data_files.size(), 1U);
    EXPECT_EQ(TextOf(output), TextOf(rows_));
    EXPECT_EQ(output.data_files[0].sort_order_id, 3);
    EXPECT_TRUE(tasks::HasLayoutMark(output.data_files[0].file_path, LayoutMark(task_.layout)));
    EXPECT_EQ(output.rows_deleted, 2);
    ExpectMapped(output);
  }
}

TEST_F(ArrangeTest, WhatDoesNotFitInMemoryGivesTheSameRows) {
  AddRandomFiles(2, 6, 3000);
  SetLayout("sort(name, id desc)");
  options_.memory_bytes = 64 << 20;
  const std::string expected = TextOf(Run());
  task_.attempt = 2;
  options_.memory_bytes = 8 << 20;  // less than the rows of all files
  for (const int threads : {1, 2}) {
    options_.threads = threads;
    task_.attempt += 1;
    const auto output = Run();
    EXPECT_EQ(TextOf(output), expected);
    ExpectMapped(output);
  }
}

TEST_F(ArrangeTest, CutsFilesThatDoNotOverlap) {
  AddRandomFiles(3, 12, 3000);
  SetLayout("sort(id)");
  task_.target_size_bytes = 20'000;
  options_.memory_bytes = 8 << 20;  // so that batches are small
  task_.properties["write.parquet.row-group-size-bytes"] = "8000";
  const auto output = Run();
  ASSERT_GT(output.data_files.size(), 2U)
      << task_.rewrite[0].file.file_size_in_bytes << " " << output.bytes_written;
  std::string last;
  for (const DataFile& file : output.data_files) {
    const std::string* low = iceberg::FindBound(file.lower_bounds, 1);
    const std::string* high = iceberg::FindBound(file.upper_bounds, 1);
    ASSERT_TRUE(low != nullptr && high != nullptr);
    const auto type = Type::Primitive(TypeKind::kLong);
    const auto value = [&](const std::string& bytes) {
      return std::get<int64_t>(iceberg::ValueFromBytes(*type, bytes).value());
    };
    if (!last.empty()) {
      EXPECT_LE(value(last), value(*low));
    }
    last = *high;
  }
  EXPECT_EQ(LinesOf(TextOf(output)), LinesOf(TextOf(rows_)));
}

TEST_F(ArrangeTest, CurvesKeepTheRows) {
  AddRandomFiles(4, 5, 200);
  Delete(1, 3);
  for (const char* layout : {"zorder(id, name)", "hilbert(id, day, s.x)", "zorder(flag)"}) {
    SetLayout(layout);
    ++task_.attempt;
    const auto output = Run();
    EXPECT_EQ(LinesOf(TextOf(output)), LinesOf(TextOf(rows_))) << layout;
    EXPECT_EQ(output.data_files[0].sort_order_id, 0);
    ExpectMapped(output);
  }
}

TEST_F(ArrangeTest, AZOrderPutsNearRowsTogether) {
  AddRandomFiles(5, 14, 2000);
  SetLayout("zorder(id, day)");
  task_.target_size_bytes = 6'000;
  options_.memory_bytes = 8 << 20;
  task_.properties["write.parquet.row-group-size-bytes"] = "3000";
  const auto output = Run();
  ASSERT_GT(output.data_files.size(), 6U)
      << task_.rewrite[0].file.file_size_in_bytes << " " << output.bytes_written;
  // A box of a tenth of each column is in few of the files.
  const auto may_hold = [&](const DataFile& file, int32_t id, int64_t low, int64_t high) {
    const auto type = Type::Primitive(id == 1 ? TypeKind::kLong : TypeKind::kDate);
    const auto value = [&](const std::string* bytes) -> int64_t {
      const auto read = iceberg::ValueFromBytes(*type, *bytes).value();
      return id == 1 ? std::get<int64_t>(read) : std::get<int32_t>(read);
    };
    return value(iceberg::FindBound(file.lower_bounds, id)) <= high &&
           value(iceberg::FindBound(file.upper_bounds, id)) >= low;
  };
  size_t by_id = 0, by_day = 0;
  for (const DataFile& file : output.data_files) {
    by_id += may_hold(file, 1, 100, 200) ? 1 : 0;
    by_day += may_hold(file, 3, 20, 24) ? 1 : 0;
  }
  EXPECT_LT(by_id, output.data_files.size() * 2 / 3);
  EXPECT_LT(by_day, output.data_files.size() * 2 / 3);
}

TEST_F(ArrangeTest, RowsThatAreAllEqualOneRowAndNone) {
  AddFile(std::vector<Row>(500, Row{7, "x", 1}));
  AddFile({Row{7, "x", 1}});
  SetLayout("sort(id, name)");
  EXPECT_EQ(TextOf(Run()), TextOf(rows_));
  for (int64_t position = 0; position < 500; ++position) {
    if (position % 100 == 0) Delete(0, position);
  }
  Delete(1, 0);
  ++task_.attempt;
  EXPECT_EQ(Run().rows_written, 495);
  task_.rewrite.erase(task_.rewrite.begin());
  ++task_.attempt;
  const auto empty = Run();
  EXPECT_EQ(empty.rows_written, 0);
  EXPECT_TRUE(empty.data_files.empty());
}

TEST_F(ArrangeTest, AHugeStringAmongSmallOnes) {
  std::string huge(3 << 20, 'h');
  AddFile({Row{3, "b", 1}, Row{2, huge + "2", 1}, Row{1, "a", 1}});
  AddFile({Row{5, huge + "1", 1}, Row{4, huge, 1}});
  SetLayout("sort(name)");
  options_.memory_bytes = 64 << 20;
  const auto output = Run();
  std::string order;
  const auto read =
      iceberg::ReadRows(files_, output.data_files[0].file_path, {.fields = {Fields()[0]}}).value();
  for (int64_t row = 0; row < read->num_rows(); ++row)
    order += std::to_string(static_cast<const arrow::Int64Array&>(*read->column(0)).Value(row));
  EXPECT_EQ(order, "13452");
}

TEST_F(ArrangeTest, KeepsTheLastRowOfEachKey) {
  AddFile({Row{1, "old", 5}, Row{2, "two", 9}, Row{1, "older", 3}}, 4);
  AddFile({Row{1, "new", 1}, Row{2, "", 1}, Row{3, "three", 1}}, 2);
  AddFile({Row{2, "gone", 99}}, 7);
  Delete(2, 0);
  task_.dedup.keys = {1};
  // By sequence: the file of sequence 4 is newest; in it, the last row.
  auto output = Run();
  EXPECT_EQ(LinesOf(TextOf(output)),
            LinesOf(TextOf({Row{2, "two", 9}, Row{1, "older", 3}, Row{3, "three", 1}})));
  EXPECT_EQ(output.rows_deduplicated, 3);
  ExpectMapped(output);
  // By a column.
  task_.dedup.order_by = 3;
  ++task_.attempt;
  EXPECT_EQ(LinesOf(TextOf(Run())),
            LinesOf(TextOf({Row{1, "old", 5}, Row{2, "two", 9}, Row{3, "three", 1}})));
  // Null is less than any value, and together with a sort.
  task_.dedup = {{3}, 2};
  SetLayout("sort(id desc)");
  ++task_.attempt;
  output = Run();
  EXPECT_EQ(TextOf(output),
            TextOf({Row{3, "three", 1}, Row{2, "two", 9}, Row{1, "old", 5}, Row{1, "older", 3}}));
  EXPECT_EQ(output.rows_deduplicated, 2);
}

TEST_F(ArrangeTest, DedupOfManyRowsIsThatOfAModel) {
  AddRandomFiles(6, 7, 700);
  Delete(3, 5);
  task_.dedup.keys = {2, 3};
  std::map<std::pair<std::string, int>, Row> last;
  for (const Row& row : rows_) {
    auto [place, is_new] = last.try_emplace({row.name, row.day}, row);
    const auto age = [&](const Row& r) {
      return std::tuple(task_.rewrite[r.file].sequence_number, r.file, r.position);
    };
    if (age(row) > age(place->second)) place->second = row;
  }
  std::vector<Row> kept;
  for (const auto& [_, row] : last) kept.push_back(row);
  for (const int threads : {1, 2}) {
    options_.threads = threads;
    ++task_.attempt;
    const auto output = Run();
    EXPECT_EQ(LinesOf(TextOf(output)), LinesOf(TextOf(kept)));
    EXPECT_EQ(output.rows_deduplicated, static_cast<int64_t>(rows_.size() - kept.size()));
    ExpectMapped(output);
  }
}

// Keys of strings are cut behind 64 bytes; what differs around and behind the cut counts as well.
class LongStringsTest : public ArrangeTest, public ::testing::WithParamInterface<size_t> {
 protected:
  LongStringsTest() {
    std::mt19937_64 random(GetParam());
    const std::string begin(GetParam(), 'u');
    for (int file = 0; file < 3; ++file) {
      std::vector<Row> rows;
      for (int64_t i = 0; i < 500; ++i) {
        rows.push_back({file * 500 + i,
                        fmt::format("{}{:04}{:04}", begin, random() % 3, random() % 90),
                        static_cast<int>(random() % 50)});
      }
      AddFile(std::move(rows), 3 - file);
    }
  }
};

TEST_P(LongStringsTest, AreSortedToTheirEnd) {
  SetLayout("sort(name)");
  std::stable_sort(rows_.begin(), rows_.end(),
                   [](const Row& a, const Row& b) { return a.name < b.name; });
  EXPECT_EQ(TextOf(Run()), TextOf(rows_));
}

TEST_P(LongStringsTest, AreOneKeyOnlyWhereTheyAreEqual) {
  task_.dedup.keys = {2};
  task_.dedup.order_by = 3;
  std::map<std::string, Row> last;
  for (const Row& row : rows_) {
    auto [place, is_new] = last.try_emplace(row.name, row);
    const auto age = [&](const Row& r) {
      return std::tuple(r.day, task_.rewrite[r.file].sequence_number, r.file, r.position);
    };
    if (age(row) > age(place->second)) place->second = row;
  }
  std::vector<Row> kept;
  for (const auto& [_, row] : last) kept.push_back(row);
  EXPECT_EQ(LinesOf(TextOf(Run())), LinesOf(TextOf(kept)));
}

INSTANTIATE_TEST_SUITE_P(SharedBytes, LongStringsTest,
                         ::testing::Values(3, 50, 52, 55, 56, 57, 58, 60, 63, 64, 65, 80));

TEST_F(ArrangeTest, MovesRowsToThePartitionsOfTheCurrentSpec) {
  AddRandomFiles(7, 4, 300);
  Delete(0, 1);
  auto target = std::make_shared<iceberg::PartitionSpec>();
  target->spec_id = 5;
  target->fields.push_back(
      {{1}, 1000, "id_bucket", iceberg::Transform::FromString("bucket[4]").value()});
  target->fields.push_back({{2}, 1001, "name", iceberg::Transform::Identity()});
  target->fields.push_back({{3}, 1002, "old", iceberg::Transform::Void()});
  task_.target_spec = target;
  for (const char* layout : {"none", "sort(day)"}) {
    SetLayout(layout);
    ++task_.attempt;
    const auto output = Run();
    std::set<std::string> partitions;
    for (const DataFile& file : output.data_files) {
      EXPECT_EQ(file.spec_id, 5);
      ASSERT_EQ(file.partition.size(), 3U);
      EXPECT_TRUE(iceberg::IsNull(file.partition[2]));
      partitions.insert(iceberg::PartitionPath(*target, *task_.schema, file.partition));
      const auto rows = iceberg::ReadRows(files_, file.file_path, {.fields = Fields()}).value();
      const auto& ids = static_cast<const arrow::Int64Array&>(*rows->column(0));
      for (int64_t row = 0; row < rows->num_rows(); ++row) {
        const auto bucket = target->fields[0].transform.Apply(*Type::Primitive(TypeKind::kLong),
                                                              iceberg::Value(ids.Value(row)));
        EXPECT_EQ(bucket, file.partition[0]);
      }
    }
    EXPECT_EQ(partitions.size(), output.data_files.size());
    EXPECT_GT(partitions.size(), 100U);
    EXPECT_EQ(LinesOf(TextOf(output)), LinesOf(TextOf(rows_)));
    ExpectMapped(output);
    const auto back =
        tasks::RewriteOutputFromJson(RewriteOutputToJson(output, task_), task_).value();
    EXPECT_EQ(back.data_files, output.data_files);
  }
}

TEST_F(ArrangeTest, RowsKeepTheirLineageOfVersion3) {
  AddRandomFiles(9, 3, 50);
  task_.format_version = 3;
  for (size_t i = 0; i < task_.rewrite.size(); ++i)
    task_.rewrite[i].file.first_row_id = static_cast<int64_t>(1000 * i);
  SetLayout("sort(id desc)");
  const auto output = Run();
  std::stable_sort(rows_.begin(), rows_.end(),
                   [](const Row& a, const Row& b) { return a.id > b.id; });
  const std::vector<Field> fields = WrittenFields(task_);
  const auto read = iceberg::ReadRows(files_, output.data_files[0].file_path,
                                      {.fields = {fields[fields.size() - 2], fields.back()}})
                        .value();
  ASSERT_EQ(read->num_rows(), static_cast<int64_t>(rows_.size()));
  for (size_t row = 0; row < rows_.size(); ++row) {
    const auto at = static_cast<int64_t>(row);
    EXPECT_EQ(static_cast<const arrow::Int64Array&>(*read->column(0)).Value(at),
              static_cast<int64_t>(1000 * rows_[row].file) + rows_[row].position);
    EXPECT_EQ(static_cast<const arrow::Int64Array&>(*read->column(1)).Value(at),
              task_.rewrite[rows_[row].file].sequence_number);
  }
}

TEST_F(ArrangeTest, RefusesALayoutThatTheSchemaDoesNotAllow) {
  AddRandomFiles(8, 1, 3);
  task_.layout.kind = tasks::Layout::Kind::kZOrder;
  task_.layout.columns = {4};
  Call call = iceberg::TestCall();
  EXPECT_EQ(RunRewrite(call, files_, task_, options_, nullptr).status().code(),
            Code::kInvalidArgument);
}

// The sorter alone, with so little memory that runs are merged in several rounds.
TEST(RowSorter, ManyRunsInSeveralRounds) {
  const std::vector<Field> fields = {iceberg::Required(1, "n", Type::Primitive(TypeKind::kLong)),
                                     Optional(2, "s", Type::Primitive(TypeKind::kString))};
  const SortKeys keys = SortKeys::Make(fields, AscendingBy({2, 1})).value();
  RowSorterOptions options;
  options.keys = &keys;
  options.memory_bytes = 4096;
  options.batch_bytes = 1024;
  options.pool = arrow::default_memory_pool();
  RowSorter sorter(options);
  Call call = iceberg::TestCall();
  std::vector<std::pair<std::string, int64_t>> expected;
  std::mt19937_64 random(11);
  for (size_t file = 0; file < 60; ++file) {
    std::string json;
    for (int i = 0; i < 40; ++i) {
      const auto n = static_cast<int64_t>(random() % 500);
      const std::string s = std::string(random() % 90, 'x') + std::to_string(random() % 3);
      expected.emplace_back(s, n);
      json += fmt::format("{}[{},\"{}\"]", i > 0 ? "," : "", n, s);
    }
    RowBatch batch{iceberg::MakeRows(fields, "[" + json + "]"), {file, 0, 40, {}}};
    const auto columns = keys.Extract(*batch.rows, options.pool).value();
    ASSERT_TRUE(sorter.Add(call, batch, keys.Encode(columns, 40, options.pool).value()).ok());
  }
  ASSERT_TRUE(sorter.Finish(call).ok());
  EXPECT_GT(sorter.runs(), 20U);
  std::sort(expected.begin(), expected.end());
  size_t at = 0;
  while (true) {
    const auto batch = sorter.Next(call).value();
    if (batch == nullptr) break;
    for (int64_t row = 0; row < batch->num_rows(); ++row, ++at) {
      ASSERT_EQ(static_cast<const arrow::StringArray&>(*batch->column(1)).GetString(row),
                expected.at(at).first);
      ASSERT_EQ(static_cast<const arrow::Int64Array&>(*batch->column(0)).Value(row),
                expected.at(at).second);
    }
  }
  EXPECT_EQ(at, expected.size());
}

// How many rows are there when the first of them go to disk.
int64_t RowsUntilARun(int64_t expected_rows) {
  const std::vector<Field> fields = {iceberg::Required(1, "n", Type::Primitive(TypeKind::kLong))};
  const SortKeys keys = SortKeys::Make(fields, AscendingBy({1})).value();
  RowSorterOptions options;
  options.keys = &keys;
  options.memory_bytes = 256 << 10;
  options.expected_rows = expected_rows;
  options.pool = arrow::default_memory_pool();
  RowSorter sorter(options);
  Call call = iceberg::TestCall();
  constexpr int64_t kRows = 100;
  std::string json;
  for (int64_t i = 0; i < kRows; ++i) json += fmt::format("{}[{}]", i > 0 ? "," : "", i);
  for (size_t file = 0; sorter.runs() == 0 && sorter.rows() < 100'000; ++file) {
    RowBatch batch{iceberg::MakeRows(fields, "[" + json + "]"), {file, 0, kRows, {}}};
    const auto columns = keys.Extract(*batch.rows, options.pool).value();
    EXPECT_TRUE(sorter.Add(call, batch, keys.Encode(columns, kRows, options.pool).value()).ok());
  }
  return sorter.rows();
}

TEST(RowSorter, FillsHalfOfTheMemoryWhereItKnowsThatNotAllFits) {
  const int64_t unknown = RowsUntilARun(0);
  EXPECT_EQ(RowsUntilARun(unknown), unknown);
  const int64_t many = RowsUntilARun(10 * unknown);
  EXPECT_GT(many, unknown / 3);
  EXPECT_LT(many, unknown * 2 / 3);
  EXPECT_EQ(RowsUntilARun(INT64_MAX), many);
}

TEST(RowSorter, SaysThatTheFolderForItsRunsIsNotThere) {
  const std::vector<Field> fields = {iceberg::Required(1, "n", Type::Primitive(TypeKind::kLong))};
  const SortKeys keys = SortKeys::Make(fields, AscendingBy({1})).value();
  RowSorterOptions options;
  options.keys = &keys;
  options.memory_bytes = 1;
  options.spill_folder = "/no such folder";
  options.pool = arrow::default_memory_pool();
  RowSorter sorter(options);
  Call call = iceberg::TestCall();
  RowBatch batch{iceberg::MakeRows(fields, "[[1]]"), {0, 0, 1, {}}};
  const auto columns = keys.Extract(*batch.rows, options.pool).value();
  EXPECT_EQ(sorter.Add(call, batch, keys.Encode(columns, 1, options.pool).value()).code(),
            Code::kNotFound);
}

}  // namespace
}  // namespace moraine::rewrite
