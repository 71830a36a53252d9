#include "moraine/iceberg/scan/delete_index.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

/// Spec 0: unpartitioned. Spec 1: identity of day. Spec 2: void of day, which counts as
/// unpartitioned.
TableMetadata Table() {
  TableMetadata table;
  table.schemas.push_back(std::make_shared<const Schema>(
      0, std::vector<Field>{{1, "id", false, Type::Primitive(TypeKind::kLong)},
                            {2, "day", false, Type::Primitive(TypeKind::kInt)},
                            {3, "name", false, Type::Primitive(TypeKind::kString)}}));
  auto spec = [&](int32_t id, std::vector<PartitionField> fields) {
    table.partition_specs.push_back(
        std::make_shared<const PartitionSpec>(PartitionSpec{id, std::move(fields)}));
  };
  spec(0, {});
  spec(1, {{{2}, 1000, "day", Transform::Identity()}});
  spec(2, {{{2}, 1000, "day", Transform::Void()}});
  return table;
}

struct Deletes {
  const char* name;
  FileContent content;
  int64_t sequence;
  int32_t spec = 1;
  std::optional<int32_t> day = 1;
  const char* about = "";
  bool vector = false;
};

DataFile File(int32_t spec, std::optional<int32_t> day) {
  DataFile file;
  file.spec_id = spec;
  if (spec == 1) file.partition = {day ? Value(*day) : Value()};
  if (spec == 2) file.partition = {Value()};
  return file;
}

DeleteEntryPtr Entry(const Deletes& deletes) {
  ManifestEntry entry;
  entry.sequence_number = deletes.sequence;
  entry.file = File(deletes.spec, deletes.day);
  entry.file.content = deletes.content;
  entry.file.file_path = deletes.name;
  if (*deletes.about) entry.file.referenced_data_file = deletes.about;
  if (deletes.vector) entry.file.format = FileFormat::kPuffin;
  if (deletes.content == FileContent::kEqualityDeletes) entry.file.equality_ids = {1};
  return std::make_shared<const ManifestEntry>(std::move(entry));
}

constexpr FileContent kPositions = FileContent::kPositionDeletes;
constexpr FileContent kEquality = FileContent::kEqualityDeletes;

struct Case {
  const char* what;
  std::vector<Deletes> deletes;
  int32_t spec = 1;
  std::optional<int32_t> day = 1;
  int64_t sequence = 5;
  std::vector<std::string> found;
};
class Matching : public testing::TestWithParam<Case> {};

TEST_P(Matching, FollowsTheSpec) {
  const Case& c = GetParam();
  std::vector<DeleteEntryPtr> entries;
  for (const Deletes& one : c.deletes) entries.push_back(Entry(one));
  auto index = DeleteIndex::Make(entries, Table());
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  DataFile data = File(c.spec, c.day);
  data.file_path = "data";
  auto found = index->ForDataFile(c.sequence, data);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  std::vector<std::string> names;
  for (const DeleteEntryPtr& one : *found) names.push_back(one->file.file_path);
  EXPECT_EQ(names, c.found) << c.what;
}

INSTANTIATE_TEST_SUITE_P(
    All, Matching,
    testing::Values(
        Case{"positions of the same commit and later",
             {{"p4", kPositions, 4}, {"p5", kPositions, 5}, {"p6", kPositions, 6}},
             1,
             1,
             5,
             {"p5", "p6"}},
        Case{"equality of later commits only",
             {{"e4", kEquality, 4}, {"e5", kEquality, 5}, {"e6", kEquality, 6}},
             1,
             1,
             5,
             {"e6"}},
        Case{"other partitions",
             {{"p", kPositions, 6, 1, 2}, {"e", kEquality, 6, 1, 2}},
             1,
             1,
             5,
             {}},
        Case{"the null partition",
             {{"p", kPositions, 6, 1, {}}, {"q", kPositions, 6, 1, 1}},
             1,
             {},
             5,
             {"p"}},
        Case{"global equality deletes",
             {{"e", kEquality, 6, 0}, {"v", kEquality, 6, 2}},
             1,
             1,
             5,
             {"e", "v"}},
        Case{"positions are never global", {{"p", kPositions, 6, 0}}, 1, 1, 5, {}},
        Case{"positions of the unpartitioned spec", {{"p", kPositions, 6, 0}}, 0, {}, 5, {"p"}},
        Case{"another spec with an equal tuple", {{"p", kPositions, 6, 2}}, 0, {}, 5, {}},
        Case{"by path",
             {{"p", kPositions, 6, 1, 1, "data"}, {"q", kPositions, 6, 1, 1, "other"}},
             1,
             1,
             5,
             {"p"}},
        Case{"by path, older", {{"p", kPositions, 4, 1, 1, "data"}}, 1, 1, 5, {}},
        Case{"a vector replaces position deletes",
             {{"p", kPositions, 6},
              {"f", kPositions, 6, 1, 1, "data"},
              {"e", kEquality, 7},
              {"v", kPositions, 7, 1, 1, "data", true}},
             1,
             1,
             5,
             {"e", "v"}},
        Case{"vectors of other files", {{"v", kPositions, 7, 1, 1, "other", true}}, 1, 1, 5, {}}));

TEST(DeleteIndexOfBrokenTables, IsCorruption) {
  TableMetadata table = Table();
  Deletes vector{"v", kPositions, 7, 1, 1, "data", true};
  EXPECT_EQ(DeleteIndex::Make({Entry(vector), Entry(vector)}, table).status().code(),
            Code::kCorruption);
  DataFile data = File(1, 1);
  data.file_path = "data";
  auto index = DeleteIndex::Make({Entry(vector)}, table);
  EXPECT_EQ(index->ForDataFile(8, data).status().code(), Code::kCorruption)
      << "older than its file";
  data.partition = {Value(2)};
  EXPECT_EQ(index->ForDataFile(5, data).status().code(), Code::kCorruption) << "another partition";
  Deletes unknown{"p", kPositions, 7};
  unknown.spec = 9;
  EXPECT_EQ(DeleteIndex::Make({Entry(unknown)}, table).status().code(), Code::kCorruption);
}

TEST(ReferencedDataFileOf, EqualPathBounds) {
  DataFile file;
  file.content = kPositions;
  EXPECT_EQ(ReferencedDataFile(file), "");
  file.lower_bounds = {{kFilePathFieldId, "a"}};
  EXPECT_EQ(ReferencedDataFile(file), "");
  file.upper_bounds = {{kFilePathFieldId, "b"}};
  EXPECT_EQ(ReferencedDataFile(file), "");
  file.upper_bounds = {{kFilePathFieldId, "a"}};
  EXPECT_EQ(ReferencedDataFile(file), "a");
  file.referenced_data_file = "c";
  EXPECT_EQ(ReferencedDataFile(file), "c");
}

struct Side {
  std::optional<int64_t> nulls;  // of 10 values
  std::optional<std::pair<int64_t, int64_t>> bounds;
};
struct PruneCase {
  Side deletes;
  Side data;
  bool applies;
};

void Describe(const Side& side, DataFile* file) {
  if (side.nulls) {
    file->value_counts = {{1, 10}};
    file->null_value_counts = {{1, *side.nulls}};
  }
  if (side.bounds) {
    const TypePtr type = Type::Primitive(TypeKind::kLong);
    file->lower_bounds = {{1, ValueToBytes(*type, side.bounds->first)}};
    file->upper_bounds = {{1, ValueToBytes(*type, side.bounds->second)}};
  }
}

TEST(EqualityDeletes, ArePrunedByMetrics) {
  using Bounds = std::pair<int64_t, int64_t>;
  for (const PruneCase& c : std::vector<PruneCase>{
           {{0, Bounds(0, 5)}, {0, Bounds(6, 9)}, false},
           {{0, Bounds(0, 6)}, {0, Bounds(6, 9)}, true},
           {{0, Bounds(7, 8)}, {0, Bounds(0, 6)}, false},
           {{0, {}}, {10, {}}, false},
           {{10, {}}, {0, Bounds(0, 5)}, false},
           {{10, {}}, {1, Bounds(0, 5)}, true},
           {{1, Bounds(0, 5)}, {1, Bounds(6, 9)}, true},  // null equals null
           {{1, Bounds(0, 5)}, {0, Bounds(6, 9)}, false},
           {{{}, Bounds(0, 5)}, {0, Bounds(6, 9)}, false},
           {{{}, Bounds(0, 5)}, {{}, Bounds(6, 9)}, true},  // nulls unknown on both sides
           {{0, {}}, {0, Bounds(6, 9)}, true},
       }) {
    ManifestEntry entry;
    entry.sequence_number = 6;
    entry.file = File(1, 1);
    entry.file.content = kEquality;
    entry.file.equality_ids = {1};
    Describe(c.deletes, &entry.file);
    auto index = DeleteIndex::Make({std::make_shared<const ManifestEntry>(entry)}, Table());
    DataFile data = File(1, 1);
    Describe(c.data, &data);
    EXPECT_EQ(index->ForDataFile(5, data)->size(), c.applies ? 1u : 0u);
    EXPECT_THAT(index->equality_columns(), testing::ElementsAre(1));
  }
}

TEST(EqualityDeletes, OfNaNReachFilesWhateverTheirBounds) {
  TableMetadata table = Table();
  const auto counts = [](std::optional<int64_t> nans, double low, double high, DataFile* file) {
    file->value_counts = {{1, 10}};
    file->null_value_counts = {{1, 0}};
    if (nans) file->nan_value_counts = {{1, *nans}};
    const TypePtr type = Type::Primitive(TypeKind::kDouble);
    file->lower_bounds = {{1, ValueToBytes(*type, low)}};
    file->upper_bounds = {{1, ValueToBytes(*type, high)}};
  };
  table.schemas = {std::make_shared<const Schema>(
      table.current_schema_id,
      std::vector<Field>{{.id = 1, .name = "x", .type = Type::Primitive(TypeKind::kDouble)}})};
  using Nans = std::optional<int64_t>;
  for (const auto& [deleted, stored, applies] : std::vector<std::tuple<Nans, Nans, bool>>{
           {1, 1, true}, {{}, {}, true}, {1, {}, true}, {0, 1, false}, {1, 0, false}}) {
    ManifestEntry entry;
    entry.sequence_number = 6;
    entry.file = File(1, 1);
    entry.file.content = kEquality;
    entry.file.equality_ids = {1};
    counts(deleted, 1, 2, &entry.file);
    auto index = DeleteIndex::Make({std::make_shared<const ManifestEntry>(entry)}, table);
    DataFile data = File(1, 1);
    counts(stored, 5, 9, &data);
    EXPECT_EQ(index->ForDataFile(5, data)->size(), applies ? 1u : 0u);
  }
}

}  // namespace
}  // namespace moraine::iceberg
