#include "moraine/iceberg/scan/splits.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

using Ranges = std::vector<std::pair<int64_t, int64_t>>;

struct CutCase {
  int64_t size;
  std::vector<int64_t> offsets;
  FileFormat format;
  Ranges ranges;
};

TEST(CutFile, AtOffsetsElseBySize) {
  for (const CutCase& c : std::vector<CutCase>{
           {100, {}, FileFormat::kParquet, {{0, 40}, {40, 40}, {80, 20}}},
           {30, {}, FileFormat::kParquet, {{0, 30}}},
           {100, {4, 50}, FileFormat::kParquet, {{4, 46}, {50, 50}}},
           {100, {50, 4}, FileFormat::kParquet, {{0, 40}, {40, 40}, {80, 20}}},
           {100, {4, 4}, FileFormat::kParquet, {{0, 40}, {40, 40}, {80, 20}}},
           {100, {4, 100}, FileFormat::kParquet, {{0, 40}, {40, 40}, {80, 20}}},
           {100, {}, FileFormat::kPuffin, {{0, 100}}},
           {0, {}, FileFormat::kParquet, {{0, 0}}},
       }) {
    DataFile file;
    file.file_size_in_bytes = c.size;
    file.split_offsets = c.offsets;
    file.format = c.format;
    EXPECT_EQ(CutFile(file, 40), c.ranges) << c.size;
  }
}

FileTask Task(const std::string& name, int64_t size, std::vector<int64_t> offsets = {},
              int64_t delete_bytes = 0) {
  FileTask task;
  task.entry.file.file_path = name;
  task.entry.file.file_size_in_bytes = size;
  task.entry.file.split_offsets = std::move(offsets);
  if (delete_bytes > 0) {
    ManifestEntry entry;
    entry.file.file_size_in_bytes = delete_bytes;
    task.deletes.push_back(std::make_shared<const ManifestEntry>(entry));
  }
  return task;
}

std::vector<std::string> Pack(const SplitOptions& options, std::vector<FileTask> tasks) {
  std::vector<std::string> lines;
  SplitPacker packer(options, [&](Split split) -> Status {
    std::string line;
    for (const SplitPart& part : split) {
      line += part.task->file().file_path + ":" + std::to_string(part.offset) + "+" +
              std::to_string(part.length) + " ";
    }
    lines.push_back(line);
    return {};
  });
  for (FileTask& task : tasks) EXPECT_TRUE(packer.Add(std::move(task)).ok());
  EXPECT_TRUE(packer.Finish().ok());
  return lines;
}

TEST(SplitPacker, PacksWithLookbackTheLargestFirstOut) {
  SplitOptions options{100, 2, 10};
  EXPECT_THAT(Pack(options, {Task("a", 60), Task("b", 60), Task("c", 40), Task("d", 70)}),
              testing::ElementsAre("a:0+60 c:0+40 ", "b:0+60 ", "d:0+70 "));
  EXPECT_THAT(Pack(options, {Task("a", 90), Task("b", 60), Task("c", 95), Task("d", 40)}),
              testing::ElementsAre("c:0+95 ", "a:0+90 ", "b:0+60 d:0+40 "))
      << "b still takes d";
}

TEST(SplitPacker, JoinsNeighboursAndWeighsOpeningAndDeletes) {
  SplitOptions options{100, 10, 30};
  EXPECT_THAT(Pack(options, {Task("a", 90, {4, 30, 60})}), testing::ElementsAre("a:4+86 "));
  // Each of the small ones costs an opening: three fit.
  EXPECT_THAT(Pack(options, {Task("a", 1), Task("b", 1), Task("c", 1), Task("d", 1)}),
              testing::ElementsAre("a:0+1 b:0+1 c:0+1 ", "d:0+1 "));
  EXPECT_THAT(Pack(options, {Task("a", 40, {}, 30), Task("b", 40)}),
              testing::ElementsAre("a:0+40 ", "b:0+40 "));
}

TEST(SplitOptions, ComeFromProperties) {
  TableMetadata table;
  table.properties = {{"read.split.target-size", "1000"},
                      {"read.split.open-file-cost", "7"},
                      {"read.split.planning-lookback", "0"}};
  SplitOptions options = SplitOptions::Of(table);
  EXPECT_EQ(options.target_bytes, 1000);
  EXPECT_EQ(options.open_file_cost, 7);
  EXPECT_EQ(options.lookback, 1);
}

}  // namespace
}  // namespace moraine::iceberg
