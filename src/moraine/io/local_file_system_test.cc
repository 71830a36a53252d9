#include "moraine/io/local_file_system.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moraine/base/executor.h"
#include "moraine/io/allowed.h"
#include "moraine/io/name_listing.h"

namespace moraine::io {
namespace {

class LocalFiles : public ::testing::Test {
 protected:
  LocalFiles() : call_(SystemEnv(NullLogger()), std::chrono::seconds(30)) {
    char name[] = "/tmp/moraine-io-XXXXXX";
    root_ = ::mkdtemp(name);
    files_ = MakeLocalFileSystem({.syncs = &syncs_});
  }
  ~LocalFiles() override { std::filesystem::remove_all(root_); }

  std::string At(std::string_view name) const { return root_ + "/" + std::string(name); }
  std::vector<std::string> Listed(const std::string& prefix, const std::string& after, size_t limit,
                                  bool* complete = nullptr) {
    Result<FileListing> listing = files_->List(call_, prefix, after, limit);
    EXPECT_TRUE(listing.ok()) << listing.status().ToString();
    if (!listing.ok()) return {};
    if (complete) *complete = listing->complete;
    std::vector<std::string> names;
    for (const FileInfo& file : listing->files) {
      names.push_back(file.location.substr(file.location.find(root_) + root_.size() + 1));
    }
    CheckNames(prefix, after, limit, *listing);
    return names;
  }

  /// What is listed by name alone is the same.
  void CheckNames(const std::string& prefix, const std::string& after, size_t limit,
                  const FileListing& listing) {
    auto names = ListNames(call_, *files_, prefix, after, limit);
    ASSERT_TRUE(names.ok()) << names.status().ToString();
    EXPECT_EQ(names->complete, listing.complete);
    ASSERT_EQ(names->files.size(), listing.files.size());
    for (size_t i = 0; i < listing.files.size(); ++i) {
      const FileInfo& file = listing.files[i];
      EXPECT_EQ(names->files[i].location, file.location);
      const std::string path = file.location.substr(file.location.find(root_));
      // To what a link leads has to be looked at anyway.
      const bool is_link = std::filesystem::is_symlink(path);
      EXPECT_EQ(names->files[i].modified_ms, is_link ? file.modified_ms : kNotTold) << path;
    }
  }

  Call call_;
  std::string root_;
  SyncCounts syncs_;
  std::unique_ptr<FileSystem> files_;
};

using Names = std::vector<std::string>;

TEST_F(LocalFiles, WritesReadsAndStats) {
  std::string big(300'000, 'x');
  MORAINE_CHECK(WriteFile(call_, *files_, "file://" + At("a/b/c"), "hello").ok(), "");
  EXPECT_EQ(*ReadFile(call_, *files_, "file:" + At("a/b/c"), 5), "hello");
  EXPECT_EQ(ReadFile(call_, *files_, At("a/b/c"), 4).status().code(), Code::kExhausted);
  EXPECT_EQ(files_->Stat(call_, At("a/b/c"))->size_bytes, 5);
  EXPECT_EQ(files_->Stat(call_, At("a/b/c"))->location, At("a/b/c"));
  EXPECT_EQ(files_->Stat(call_, At("a/b")).status().code(), Code::kNotFound);
  EXPECT_EQ(files_->Stat(call_, At("no")).status().code(), Code::kNotFound);
  EXPECT_EQ(files_->Open(call_, At("a/b"), {}).status().code(), Code::kNotFound);
  EXPECT_EQ(files_->Open(call_, "s3://b/k", {}).status().code(), Code::kInvalidArgument);

  auto writer = files_->Create(call_, At("parts"));
  std::string all;
  for (int i = 0; i < 50; ++i) {
    std::string part = i % 10 == 9 ? big : std::to_string(i) + ",";
    ASSERT_TRUE((*writer)->Append(call_, part).ok());
    all += part;
  }
  EXPECT_EQ((*writer)->bytes_written(), static_cast<int64_t>(all.size()));
  ASSERT_TRUE((*writer)->Close(call_).ok());
  EXPECT_EQ(*ReadFile(call_, *files_, At("parts"), 1 << 30), all);
}

TEST_F(LocalFiles, ReadsPastTheEndAreCorruption) {
  ASSERT_TRUE(WriteFile(call_, *files_, At("f"), "12345").ok());
  auto reader = files_->Open(call_, At("f"), 5);
  char buffer[4];
  EXPECT_TRUE((*reader)->ReadAt(call_, 1, buffer).ok());
  EXPECT_EQ(std::string_view(buffer, 4), "2345");
  EXPECT_EQ((*reader)->ReadAt(call_, 3, buffer).code(), Code::kCorruption);
  auto trusting = files_->Open(call_, At("f"), 100);
  EXPECT_EQ((*trusting)->size(), 100);
}

TEST_F(LocalFiles, NothingIsVisibleBeforeClose) {
  auto writer = files_->Create(call_, At("d/f"));
  ASSERT_TRUE((*writer)->Append(call_, std::string(100'000, 'y')).ok());
  EXPECT_EQ(files_->Stat(call_, At("d/f")).status().code(), Code::kNotFound);
  EXPECT_EQ(Listed("file://" + At("d/"), "", 10).size(), 1u) << "only the temporary file";
  writer->reset();
  EXPECT_EQ(Listed(At("d/"), "", 10), Names{}) << "an abandoned file is removed";
}

TEST_F(LocalFiles, NeverReplacesAFile) {
  auto first = files_->Create(call_, At("f"));
  auto second = files_->Create(call_, At("f"));
  ASSERT_TRUE((*second)->Append(call_, "second").ok());
  ASSERT_TRUE((*second)->Close(call_).ok());
  EXPECT_EQ((*first)->Close(call_).code(), Code::kAlreadyExists);
  first->reset();
  EXPECT_EQ(*ReadFile(call_, *files_, At("f"), 10), "second");
  EXPECT_EQ(files_->Create(call_, At("f")).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(Listed(root_ + "/", "", 10), Names{"f"});
}

TEST_F(LocalFiles, SyncsTheFileItsFolderAndNewParents) {
  ASSERT_TRUE(WriteFile(call_, *files_, At("n/m/f1"), "1").ok());
  EXPECT_EQ(syncs_.files, 1);
  // n/m for the file; then, once, the folders above that hold it: n, root, /tmp, /.
  EXPECT_EQ(syncs_.folders, 5);
  ASSERT_TRUE(WriteFile(call_, *files_, At("n/m/f2"), "2").ok());
  EXPECT_EQ(syncs_.files, 2);
  EXPECT_EQ(syncs_.folders, 6);
  ASSERT_TRUE(WriteFile(call_, *files_, At("n/o/f"), "3").ok());
  EXPECT_EQ(syncs_.files, 3);
  EXPECT_EQ(syncs_.folders, 6 + 2) << "n/o for the file, n for n/o";
  files_->Create(call_, At("n/m/f3"))->reset();
  EXPECT_EQ(syncs_.files, 3);
}

TEST_F(LocalFiles, ListsBytewiseInPages) {
  const std::set<std::string> all = {"t/a-b", "t/a/1", "t/a/2/x", "t/a/2/y", "t/a0", "t/b", "t2/z"};
  for (const std::string& name : all) ASSERT_TRUE(WriteFile(call_, *files_, At(name), name).ok());
  std::filesystem::create_directories(At("t/empty/deep"));
  std::filesystem::create_symlink(At("t"), At("t/loop"));
  std::filesystem::create_symlink(At("t/b"), At("t/link"));
  ::mkfifo(At("t/pipe").c_str(), 0600);

  const Names t = {"t/a-b", "t/a/1", "t/a/2/x", "t/a/2/y", "t/a0", "t/b", "t/link"};
  EXPECT_EQ(Listed(At("t/"), "", 100), t);
  EXPECT_EQ(Listed(At("t"), "", 100).size(), t.size() + 1) << "a prefix is text: t2 too";
  EXPECT_EQ(Listed(At("t/a"), "", 100), Names(t.begin(), t.begin() + 5));
  EXPECT_EQ(Listed(At("t/a/2/"), "", 100), (Names{"t/a/2/x", "t/a/2/y"}));
  EXPECT_EQ(Listed(At("none/"), "", 100), Names{});
  for (size_t limit = 1; limit <= 4; ++limit) {
    Names got;
    bool complete = false;
    for (std::string after; !complete;) {
      Names page = Listed("file:" + At("t/"), after, limit, &complete);
      EXPECT_LE(page.size(), limit);
      got.insert(got.end(), page.begin(), page.end());
      after = "file:" + At(got.back());
    }
    EXPECT_EQ(got, t) << limit;
  }
}

TEST_F(LocalFiles, ListsFoldersLargerThanAPage) {
  Names all;
  std::filesystem::create_directories(At("d"));
  for (int i = 0; i < 300; ++i) {
    std::string name = "d/" + std::to_string(1000 + i * 7919 % 300);
    std::ofstream(At(name)) << "x";
    std::filesystem::create_directories(At("d/empty" + std::to_string(i)));
    all.push_back(name);
  }
  std::ofstream(At("d/zzz")) << "x";
  all.push_back("d/zzz");
  std::sort(all.begin(), all.end());
  EXPECT_EQ(Listed(At("d/"), "", 10'000), all);
  EXPECT_EQ(Listed(At("d/"), At("d/1299"), 10), Names{"d/zzz"}) << "300 empty folders between";
}

TEST_F(LocalFiles, DeletesOneByOne) {
  ASSERT_TRUE(WriteFile(call_, *files_, At("a"), "").ok());
  std::filesystem::create_directories(At("folder"));
  std::vector<std::string> names = {At("a"), At("gone"), At("folder"), "relative"};
  std::vector<Status> got = files_->DeleteMany(call_, names);
  ASSERT_EQ(got.size(), 4u);
  EXPECT_TRUE(got[0].ok());
  EXPECT_TRUE(got[1].ok());
  EXPECT_EQ(got[2].code(), Code::kInvalidArgument);
  EXPECT_EQ(got[3].code(), Code::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::exists(At("folder")));
}

TEST_F(LocalFiles, EndsWithTheCall) {
  std::stop_source stop;
  Call call(SystemEnv(NullLogger()), std::chrono::seconds(30), stop.get_token());
  auto writer = files_->Create(call, At("f"));
  stop.request_stop();
  EXPECT_EQ((*writer)->Close(call).code(), Code::kCancelled);
  EXPECT_EQ(files_->Stat(call, At("f")).status().code(), Code::kCancelled);
  Call late(SystemEnv(NullLogger()), std::chrono::seconds(0));
  EXPECT_EQ(files_->List(late, root_, "", 1).status().code(), Code::kDeadline);
}

TEST_F(LocalFiles, FenceKeepsOutsidersOut) {
  std::filesystem::create_directories(At("w/in"));
  std::filesystem::create_directories(At("out"));
  std::ofstream(At("out/secret")) << "s";
  std::filesystem::create_symlink(At("out"), At("w/escape"));
  std::filesystem::create_symlink(At("out/new"), At("w/dangling"));
  std::filesystem::create_symlink(At("w/in"), At("w/inner"));
  std::filesystem::create_symlink(At("w"), At("alias"));
  auto fence = MakeRestrictedFileSystem(MakeLocalFileSystem(), {"file://" + At("alias/")});
  ASSERT_TRUE(fence.ok());
  FileSystem& files = **fence;

  EXPECT_TRUE(WriteFile(call_, files, At("alias/in/f"), "x").ok());
  EXPECT_TRUE(WriteFile(call_, files, "file:" + At("alias/inner/g"), "x").ok());
  EXPECT_TRUE(WriteFile(call_, files, At("alias/new/folder/f"), "x").ok());
  EXPECT_TRUE(files.List(call_, At("alias/"), "", 10).ok());

  for (const std::string& bad :
       {At("out/secret"), At("alias/escape/secret"), At("alias/../out/secret"), At("alias2/x"),
        At("alias/in/../escape/secret"), At("alias/dangling"), At("alias/none/../../out/secret"),
        std::string("/etc/passwd"), std::string("s3://b/x")}) {
    EXPECT_EQ(files.Open(call_, bad, {}).status().code(), Code::kPermissionDenied) << bad;
    EXPECT_EQ(files.Create(call_, bad).status().code(), Code::kPermissionDenied) << bad;
    EXPECT_EQ(files.Stat(call_, bad).status().code(), Code::kPermissionDenied) << bad;
  }
  EXPECT_EQ(files.List(call_, At("alias"), "", 9).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(files.List(call_, At("alias/escape/"), "", 9).status().code(), Code::kPermissionDenied);
  EXPECT_TRUE(ListNames(call_, files, At("alias/"), "", 9).ok());
  EXPECT_EQ(ListNames(call_, files, At("alias/escape/"), "", 9).status().code(),
            Code::kPermissionDenied);
  std::vector<std::string> doomed = {At("alias/escape/secret"), At("alias/in/f"), At("out/secret")};
  std::vector<Status> got = files.DeleteMany(call_, doomed);
  EXPECT_EQ(got[0].code(), Code::kPermissionDenied);
  EXPECT_TRUE(got[1].ok());
  EXPECT_EQ(got[2].code(), Code::kPermissionDenied);
  EXPECT_TRUE(std::filesystem::exists(At("out/secret")));
  EXPECT_FALSE(std::filesystem::exists(At("w/in/f")));
}

TEST_F(LocalFiles, FenceLetsInWhoFindsAFolderThatAnotherJustMade) {
  auto fence = MakeRestrictedFileSystem(MakeLocalFileSystem(), {At("w")});
  ASSERT_TRUE(fence.ok());
  constexpr int kWriters = 4, kFolders = 800;
  std::atomic<int> made = 0;
  std::vector<std::string> refused(kWriters);
  std::vector<Thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back("writer", [&, i](std::stop_token) {
      Call own(SystemEnv(NullLogger()), std::chrono::minutes(5));
      for (int folder; (folder = made.load()) < kFolders;) {
        const std::string location = At(fmt::format("w/{0}/{0}/f", folder));
        if (i == 0) {
          std::filesystem::create_directories(At(fmt::format("w/{0}/{0}", folder)));
          ++made;
        }
        const Code code = (*fence)->Stat(own, location).status().code();
        if (code != Code::kNotFound) refused[i] = fmt::format("{}: {}", location, CodeName(code));
      }
    });
  }
  for (Thread& writer : writers) writer.Join();
  EXPECT_EQ(refused, std::vector<std::string>(kWriters));
}

}  // namespace
}  // namespace moraine::io
