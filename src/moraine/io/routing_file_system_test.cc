#include "moraine/io/routing_file_system.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/allowed.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::io {
namespace {

using ::testing::ElementsAre;

class RoutingFileSystemTest : public ::testing::Test {
 protected:
  RoutingFileSystemTest() {
    auto local = std::make_unique<MemoryFileSystem>();
    auto s3 = std::make_unique<MemoryFileSystem>();
    local_ = local.get();
    s3_ = s3.get();
    files_ = MakeRoutingFileSystem(std::move(local), std::move(s3));
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  MemoryFileSystem* local_;
  MemoryFileSystem* s3_;
  std::unique_ptr<FileSystem> files_;
};

TEST_F(RoutingFileSystemTest, TheSchemeSaysWhere) {
  for (const char* location : {"/w/a", "file:///w/b", "s3://w/a", "s3a://w/b", "S3N://w/c"}) {
    EXPECT_TRUE(WriteFile(call_, *files_, location, location).ok()) << location;
    EXPECT_EQ(ReadFile(call_, *files_, location, 100).value(), location);
    EXPECT_TRUE(files_->Stat(call_, location).ok()) << location;
  }
  EXPECT_EQ(local_->size(), 2u);
  EXPECT_EQ(s3_->size(), 3u);
  EXPECT_EQ(files_->List(call_, "s3://w/", "", 10)->files.size(), 3u);
  EXPECT_EQ(files_->List(call_, "/w/", "", 10)->files.size(), 2u);
}

TEST_F(RoutingFileSystemTest, DeletesInOrderWhereverTheyAre) {
  local_->Put("/w/a", "", 0);
  s3_->Put("s3://w/a", "", 0);
  auto outcomes = files_->DeleteMany(
      call_, std::vector<std::string>{"s3://w/a", "relative", "/w/a", "s3://w/none"});
  std::vector<Code> codes;
  for (const Status& outcome : outcomes) codes.push_back(outcome.code());
  EXPECT_THAT(codes, ElementsAre(Code::kOk, Code::kInvalidArgument, Code::kOk, Code::kOk));
  EXPECT_EQ(local_->size() + s3_->size(), 0u);
}

TEST_F(RoutingFileSystemTest, AStoreThatNobodyConfiguredIsRefused) {
  auto files = MakeFileSystemFor({"file:///w"}, {}).value();
  EXPECT_EQ(files->Stat(call_, "s3://w/a").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(files->Create(call_, "s3a://w/a").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(files->DeleteMany(call_, std::vector<std::string>{"s3://w/a"})[0].code(),
            Code::kInvalidArgument);
}

TEST_F(RoutingFileSystemTest, TheFenceTakesKeysByteForByte) {
  for (const char* root : {"s3://lake/w", "s3a://lake/w/"}) {
    auto inner = std::make_unique<MemoryFileSystem>();
    auto fenced = MakeRestrictedFileSystem(std::move(inner), {root}).value();
    for (const char* inside : {"s3://lake/w/a", "s3a://lake/w/a/b", "s3://lake/w/a%20b"}) {
      EXPECT_EQ(fenced->Stat(call_, inside).status().code(), Code::kNotFound) << inside;
    }
    for (const char* outside : {"s3://lake/w2/a", "s3://lake/%77/a", "s3://lake//w/a",
                                "s3://lake/x/../w/a", "s3://lake/./w/a", "s3://lake2/w/a",
                                "s3://LAKE/w/a", "s3://lake/w/../x", "/lake/w/a", "s3://lake"}) {
      EXPECT_EQ(fenced->Stat(call_, outside).status().code(), Code::kPermissionDenied) << outside;
      EXPECT_EQ(fenced->Create(call_, outside).status().code(), Code::kPermissionDenied) << outside;
      EXPECT_EQ(fenced->DeleteMany(call_, std::vector<std::string>{outside})[0].code(),
                Code::kPermissionDenied)
          << outside;
    }
    EXPECT_TRUE(fenced->List(call_, "s3://lake/w/", "", 5).ok());
    EXPECT_EQ(fenced->List(call_, "s3://lake/w", "", 5).status().code(), Code::kPermissionDenied);
  }
  auto whole =
      MakeRestrictedFileSystem(std::make_unique<MemoryFileSystem>(), {"s3://lake"}).value();
  EXPECT_EQ(whole->Stat(call_, "s3://lake/any").status().code(), Code::kNotFound);
}

TEST_F(RoutingFileSystemTest, TheFenceTakesPathsOfOtherStoresByteForByte) {
  struct Case {
    const char* root;
    std::vector<const char*> inside, outside;
  };
  for (const Case& c : std::vector<Case>{
           {"gs://lake/w/",
            {"gs://lake/w/a", "gs://lake/w/a%20b"},
            {"gs://lake/w2/a", "gs://lake/%77/a", "gs://lake2/w/a", "s3://lake/w/a", "gs://lake"}},
           {"wasbs://c@a.blob.core.windows.net/w",
            {"abfss://c@a.dfs.core.windows.net/w/x", "wasb://c@a.blob.core.windows.net/w/x"},
            {"abfss://d@a.dfs.core.windows.net/w/x", "abfss://c@b.dfs.core.windows.net/w/x",
             "abfss://c@a.dfs.core.windows.net/%77/x"}},
           {"hdfs://n:8020", {"hdfs://n:8020/x"}, {"hdfs://m:8020/x", "hdfs://n/x", "/x"}},
       }) {
    auto fenced = MakeRestrictedFileSystem(std::make_unique<MemoryFileSystem>(), {c.root}).value();
    for (const char* inside : c.inside) {
      EXPECT_EQ(fenced->Stat(call_, inside).status().code(), Code::kNotFound) << inside;
    }
    for (const char* outside : c.outside) {
      EXPECT_EQ(fenced->Stat(call_, outside).status().code(), Code::kPermissionDenied) << outside;
    }
  }
}

TEST_F(RoutingFileSystemTest, PropertiesOfStoresThatAreUsedAreChecked) {
  const std::map<std::string, std::string> wrong = {{"gcs.no-auth", "perhaps"}};
  EXPECT_TRUE(MakeFileSystemFor({"file:///w"}, wrong).ok());
  EXPECT_EQ(MakeFileSystemFor({"file:///w", "gs://b"}, wrong).status().code(),
            Code::kInvalidArgument);
  auto files = MakeFileSystemFor({"gs://b"}, std::map<std::string, std::string>{});
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_EQ((*files)->Stat(call_, "abfss://c@a.dfs.core.windows.net/x").status().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine::io
