// What is looked at in the files of a report before it is committed: that they are there, and that
// deletes of files that stay have all rows of those that they replace.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/planning/output_files.h"
#include "moraine/planning/replaced_deletes.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::PositionSet;
using Positions = std::vector<int64_t>;

constexpr int64_t kMemory = int64_t{64} << 20;

std::string DataPath(int file) { return "/t/data/" + std::to_string(file) + ".parquet"; }

class ReportFiles : public testing::Test {
 protected:
  ReportFiles() {
    task_.schema = std::make_shared<const iceberg::Schema>(0, std::vector<iceberg::Field>());
  }

  /// A position delete file; index among the task's deletes.
  int32_t Before(const std::map<int, Positions>& positions) {
    const std::string path = "/t/before-" + std::to_string(++names_) + ".parquet";
    task_.deletes.push_back({WriteFile(path, positions), 1});
    return static_cast<int32_t>(task_.deletes.size()) - 1;
  }
  int32_t BeforeVector(int file, const Positions& positions) {
    const std::string path = "/t/before-" + std::to_string(++names_) + ".puffin";
    task_.deletes.push_back({WriteVector(path, file, positions), 1});
    return static_cast<int32_t>(task_.deletes.size()) - 1;
  }
  void Stays(int file, std::vector<int32_t> deletes) {
    tasks::InputFile input;
    input.file.file_path = DataPath(file);
    input.file.record_count = 100;
    input.deletes = std::move(deletes);
    task_.rewrite_positions.push_back(std::move(input));
  }
  void Now(const std::map<int, Positions>& positions) {
    const std::string path = "/t/now-" + std::to_string(++names_) + ".parquet";
    output_.delete_files.push_back(WriteFile(path, positions));
  }
  void NowVector(int file, const Positions& positions) {
    const std::string path = "/t/now-" + std::to_string(++names_) + ".puffin";
    output_.delete_files.push_back(WriteVector(path, file, positions));
  }

  DataFile WriteFile(const std::string& path, const std::map<int, Positions>& positions) {
    std::map<std::string, PositionSet> sets;
    for (const auto& [file, all] : positions) sets[DataPath(file)].AddMany(all);
    return iceberg::WritePositionDeletes(call_, files_, path, sets, {}).value();
  }
  DataFile WriteVector(const std::string& path, int file, const Positions& positions) {
    std::map<std::string, PositionSet> sets;
    sets[DataPath(file)].AddMany(positions);
    return iceberg::WriteDeletionVectors(call_, files_, path, sets).value().at(0);
  }

  /// Why it is refused; "": it is not.
  std::string Refused(int64_t memory_bytes = kMemory) {
    CheckedDeletes checked;
    auto refused =
        CheckReplacedDeletes(call_, files_, {{&task_, &output_}}, memory_bytes, &checked);
    EXPECT_TRUE(refused.ok()) << refused.status().ToString();
    return refused.ok() && !refused->empty() ? refused->at(0) : "";
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  tasks::RewriteTask task_;
  tasks::RewriteOutput output_;
  int names_ = 0;
};

TEST_F(ReportFiles, DeletesThatHaveAllRowsAreTaken) {
  const int32_t own = Before({{1, {1, 2, 3}}});
  const int32_t shared = Before({{1, {3, 4}}, {2, {7, 500}}, {3, {1}}});
  Stays(1, {own, shared});
  Stays(2, {shared});
  Now({{1, {1, 2, 3, 4, 9}}});
  Now({{2, {7}}});  // there is no row 500
  EXPECT_EQ(Refused(), "");
}

TEST_F(ReportFiles, PositionDeleteFilesThatLackRowsAreRefused) {
  const int32_t own = Before({{1, {1, 2, 3}}});
  const int32_t shared = Before({{1, {3, 4}}, {2, {7}}});
  Stays(1, {own, shared});
  Stays(2, {shared});
  Now({{1, {1, 2, 3, 5}}});  // as many as there were, and not the same
  Now({{2, {7}}});
  EXPECT_NE(Refused().find("lack rows that were deleted before"), std::string::npos) << Refused();
}

TEST_F(ReportFiles, OneFileMayHoldTheDeletesOfSeveral) {
  const int32_t shared = Before({{1, {3, 4}}, {2, {7}}});
  Stays(1, {shared});
  Stays(2, {shared});
  Now({{1, {3, 4}}, {2, {7, 8}}});
  EXPECT_EQ(Refused(), "");
  output_.delete_files.clear();
  Now({{1, {3}}, {2, {7, 8}}});
  EXPECT_NE(Refused(), "");
  output_.delete_files.clear();
  EXPECT_NE(Refused(), "");
}

TEST_F(ReportFiles, VectorsTakeThePlaceOfVectorsAndOfFiles) {
  Stays(1, {BeforeVector(1, {1, 2})});
  Stays(2, {Before({{2, {5, 6}}})});
  NowVector(1, {1, 2, 3});
  NowVector(2, {5, 6});
  EXPECT_EQ(Refused(), "");
  output_.delete_files.pop_back();
  NowVector(2, {5, 7});
  EXPECT_NE(Refused(), "");
}

TEST_F(ReportFiles, DeletesThatAreGoneByNowAreNotLookedAt) {
  const int32_t gone = Before({{1, {1}}});
  Stays(1, {gone});
  Stays(2, {Before({{2, {5}}})});
  Now({{2, {5}}});
  EXPECT_NE(Refused(), "");
  (void)files_.DeleteMany(call_, std::vector<std::string>{task_.deletes[0].file.file_path});
  EXPECT_EQ(Refused(), "");
  (void)files_.DeleteMany(call_, std::vector<std::string>{output_.delete_files[0].file_path});
  EXPECT_NE(Refused(), "");
}

TEST_F(ReportFiles, VeryManyAreReadInParts) {
  std::map<int, Positions> all;
  for (int i = 0; i < 100; ++i) all[i] = {i % 7, 50};
  const int32_t shared = Before(all);
  for (int i = 0; i < 100; ++i) {
    Stays(i, {shared, Before({{i, {60}}})});
    Now({{i, {i % 7, 50, 60}}});
  }
  EXPECT_EQ(Refused(), "");
  EXPECT_EQ(Refused(64 << 10), "");
  output_.delete_files.back() = WriteFile("/t/last.parquet", {{99, {99 % 7, 60}}});
  EXPECT_NE(Refused(), "");
  EXPECT_NE(Refused(64 << 10), "");
}

/// Counts what is opened, by location; what is out of reach is Unavailable.
class CountedFiles final : public io::FileSystem {
 public:
  explicit CountedFiles(io::FileSystem& inner) : inner_(inner) {}

  std::string out_of_reach;

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    {
      std::lock_guard lock(mutex_);
      ++opened_[location];
    }
    if (location == out_of_reach) return Unavailable("out of reach");
    return inner_.Open(call, location, known_size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return inner_.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner_.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override {
    return inner_.List(call, prefix, after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return inner_.DeleteMany(call, locations);
  }

  std::map<std::string, int> TakeOpened() {
    std::lock_guard lock(mutex_);
    return std::exchange(opened_, {});
  }

 private:
  io::FileSystem& inner_;
  std::mutex mutex_;
  std::map<std::string, int> opened_;
};

/// Many tasks of one file each, and a few files of deletes that reach all of them.
class ManyTasks : public ReportFiles {
 protected:
  static constexpr int kTasks = 30;
  static constexpr int kShared = 10;

  ManyTasks() {
    std::vector<tasks::DeleteInput> shared;
    for (int i = 0; i < kShared; ++i) {
      std::map<int, Positions> all;
      for (int file = 0; file < kTasks; ++file) all[file] = {i};
      shared.push_back({WriteFile("/t/shared-" + std::to_string(i) + ".parquet", all), 1});
    }
    tasks_.resize(kTasks);
    outputs_.resize(kTasks);
    for (int i = 0; i < kTasks; ++i) {
      tasks::RewriteTask& task = tasks_[static_cast<size_t>(i)];
      task.task_id = i;
      task.attempt = 1;
      task.schema = task_.schema;
      task.deletes = shared;
      tasks::InputFile input;
      input.file.file_path = DataPath(i);
      input.file.record_count = 100;
      for (int j = 0; j < kShared; ++j) input.deletes.push_back(j);
      task.rewrite_positions.push_back(std::move(input));
      Makes(i, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    }
  }

  void Makes(int task, const Positions& positions) {
    outputs_[static_cast<size_t>(task)].delete_files = {
        WriteFile("/t/made-" + std::to_string(++names_), {{task, positions}})};
  }
  Result<std::map<size_t, std::string>> Check() {
    std::vector<FinishedWork> finished;
    for (size_t i = 0; i < kTasks; ++i) finished.push_back({&tasks_[i], &outputs_[i]});
    return CheckReplacedDeletes(call_, counted_, finished, kMemory, &checked_);
  }
  int OpenedShared() {
    int count = 0;
    for (const auto& [location, times] : counted_.TakeOpened())
      count += location.starts_with("/t/shared-") ? times : 0;
    return count;
  }

  std::vector<tasks::RewriteTask> tasks_;
  std::vector<tasks::RewriteOutput> outputs_;
  CountedFiles counted_{files_};
  CheckedDeletes checked_;
};

TEST_F(ManyTasks, ShareFilesOfDeletesThatAreReadOnce) {
  Makes(7, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  const auto refused = Check();
  ASSERT_TRUE(refused.ok()) << refused.status().ToString();
  ASSERT_EQ(refused->size(), 1u);
  EXPECT_NE(refused->at(7).find("lack rows"), std::string::npos) << refused->at(7);
  const auto opened = counted_.TakeOpened();
  EXPECT_EQ(opened.size(), static_cast<size_t>(kShared + kTasks));
  for (const auto& [location, times] : opened) EXPECT_EQ(times, 1) << location;
  // Asked again, it knows.
  EXPECT_EQ(Check().value(), *refused);
  EXPECT_TRUE(counted_.TakeOpened().empty());
}

TEST_F(ManyTasks, AreCheckedFurtherByTheNextTry) {
  checked_.most_files = 20;  // that is 10 tasks at a time
  counted_.out_of_reach = outputs_[15].delete_files[0].file_path;
  EXPECT_EQ(Check().status().code(), Code::kUnavailable);
  EXPECT_EQ(OpenedShared(), kShared);
  EXPECT_EQ(checked_.most_files, 20u);
  counted_.out_of_reach.clear();
  EXPECT_TRUE(Check().value().empty());
  EXPECT_EQ(OpenedShared(), 2 * kShared);
}

TEST_F(ManyTasks, AreCheckedInSmallerPartsWhereNoneGotThrough) {
  counted_.out_of_reach = "/t/shared-3.parquet";
  EXPECT_EQ(Check().status().code(), Code::kUnavailable);
  EXPECT_EQ(checked_.most_files, 2'048u);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(Check().ok());
  EXPECT_EQ(checked_.most_files, 64u);
}

TEST_F(ManyTasks, AFileThatCannotBeReadRefusesThoseThatItReaches) {
  files_.Put("/t/shared-3.parquet", "broken", 0);
  tasks_[5].rewrite_positions[0].deletes = {0, 1};
  const auto refused = Check();
  ASSERT_TRUE(refused.ok()) << refused.status().ToString();
  EXPECT_EQ(refused->size(), static_cast<size_t>(kTasks - 1));
  EXPECT_FALSE(refused->contains(5));
}

TEST_F(ReportFiles, DeletesThatNameNoFileAreNotReadForEveryFileAgain) {
  std::map<int, Positions> all;
  for (int i = 0; i < 60; ++i) {
    for (int64_t row = 0; row < 20'000; row += 7) all[i].push_back(row);
    Stays(i, {Before({{i, {7}}})});
  }
  Now(all);
  ASSERT_FALSE(output_.delete_files[0].referenced_data_file);
  EXPECT_EQ(Refused(), "");
  EXPECT_EQ(Refused(int64_t{1} << 20), "");  // in parts
  const std::string why = Refused(32 << 10);
  EXPECT_NE(why.find("do not fit in memory in 32 parts"), std::string::npos) << why;
}

TEST_F(ReportFiles, OneBrokenVectorOfAFileIsFound) {
  std::map<std::string, PositionSet> sets;
  for (int i = 0; i < 100; ++i) sets[DataPath(i)].Add(i % 50);
  std::vector<DataFile> vectors =
      iceberg::WriteDeletionVectors(call_, files_, "/t/all.puffin", sets).value();
  tasks::RewriteTask other = task_;
  other.task_id = 1;
  tasks::RewriteOutput other_output;
  for (DataFile& vector : vectors) {
    const bool is_other = vector.referenced_data_file == DataPath(17);
    if (is_other) vector.record_count = 3;
    tasks::RewriteTask& task = is_other ? other : task_;
    tasks::InputFile input;
    input.file.file_path = *vector.referenced_data_file;
    input.file.record_count = 100;
    input.deletes = {static_cast<int32_t>(task.deletes.size())};
    task.deletes.push_back({vector, 1});
    task.rewrite_positions.push_back(std::move(input));
    if (!is_other) output_.delete_files.push_back(vector);
  }
  CheckedDeletes checked;
  const auto refused = CheckReplacedDeletes(
      call_, files_, {{&task_, &output_}, {&other, &other_output}}, kMemory, &checked);
  ASSERT_TRUE(refused.ok()) << refused.status().ToString();
  ASSERT_EQ(refused->size(), 1u);
  EXPECT_NE(refused->at(1).find("its entry says 3"), std::string::npos) << refused->at(1);
}

TEST_F(ReportFiles, FilesThatAreNotThereAreRefused) {
  std::vector<tasks::RewriteOutput> outputs(3);
  std::vector<FinishedWork> finished;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 40; ++j) {
      const std::string path = "/t/" + std::to_string(i) + "-" + std::to_string(j) + ".parquet";
      outputs[static_cast<size_t>(i)].data_files.push_back(WriteFile(path, {{j, {1}}}));
    }
    finished.push_back({&task_, &outputs[static_cast<size_t>(i)]});
  }
  const auto check = [&] { return CheckOutputFiles(call_, files_, finished).value(); };
  EXPECT_TRUE(check().empty());
  outputs[1].data_files[39].file_size_in_bytes += 1;
  (void)files_.DeleteMany(call_, std::vector<std::string>{outputs[2].data_files[5].file_path});
  const std::map<size_t, std::string> refused = check();
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_NE(refused.at(1).find(" bytes, not "), std::string::npos) << refused.at(1);
  EXPECT_NE(refused.at(2).find("is not there"), std::string::npos) << refused.at(2);
}

/// Reads by known size, and tells of no file: as S3 to who may not list, where a file that is not
/// there can't be told from one that may not be seen.
class TellsNothing final : public io::FileSystem {
 public:
  explicit TellsNothing(io::FileSystem& inner) : inner_(inner) {}
  Code missing = Code::kPermissionDenied;

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    auto opened = inner_.Open(call, location, known_size);
    if (opened.ok()) return opened;
    return std::move(opened).status().WithCode(missing);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return inner_.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call&, const std::string&) override { return PermissionDenied("403"); }
  Result<io::FileListing> List(Call&, const std::string&, const std::string&, size_t) override {
    return PermissionDenied("403");
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return inner_.DeleteMany(call, locations);
  }

 private:
  io::FileSystem& inner_;
};

TEST_F(ReportFiles, WhereTheStoreTellsNothingTheLastByteIsRead) {
  TellsNothing files(files_);
  std::vector<tasks::RewriteOutput> outputs(3);
  std::vector<FinishedWork> finished;
  for (int i = 0; i < 3; ++i) {
    auto& output = outputs[static_cast<size_t>(i)];
    output.data_files.push_back(WriteFile("/t/" + std::to_string(i) + ".parquet", {{i, {1}}}));
    finished.push_back({&task_, &output});
  }
  EXPECT_TRUE(CheckOutputFiles(call_, files, finished).value().empty());
  outputs[1].data_files[0].file_size_in_bytes += 1;
  (void)files_.DeleteMany(call_, std::vector<std::string>{outputs[2].data_files[0].file_path});
  std::map<size_t, std::string> refused = CheckOutputFiles(call_, files, finished).value();
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_NE(refused.at(1).find("/t/1.parquet"), std::string::npos) << refused.at(1);
  EXPECT_NE(refused.at(2).find("is not there, or can't be read"), std::string::npos);
  files.missing = Code::kUnavailable;
  EXPECT_EQ(CheckOutputFiles(call_, files, finished).status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace moraine::planning
