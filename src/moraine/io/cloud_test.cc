// The stores that Arrow reaches: how they are named and configured, and Arrow's file systems as
// ours, on one that is in memory. Of Google's, Azure's and Hadoop's own the configuration is
// tested; emulators of the first two serve warehouses in tests/engines/test_cloud_stores.py.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <arrow/filesystem/mockfs.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/arrow_file_system.h"
#include "moraine/io/cloud_file_system.h"
#include "moraine/io/cloud_location.h"
#include "moraine/io/cloud_options.h"

namespace moraine::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CloudLocation, IsParsed) {
  struct Case {
    std::string_view in;
    CloudStore store;
    std::string_view host, path;
  };
  for (const Case& c : std::vector<Case>{
           {"gs://b/a/x y+%41.parquet", CloudStore::kGcs, "", "b/a/x y+%41.parquet"},
           {"GS://b", CloudStore::kGcs, "", "b"},
           {"gs://b/", CloudStore::kGcs, "", "b"},
           {"abfss://c@A.dfs.core.windows.net/t/é", CloudStore::kAdls, "a.dfs.core.windows.net",
            "c/t/é"},
           {"wasb://c@a.blob.core.windows.net/t", CloudStore::kAdls, "a.blob.core.windows.net",
            "c/t"},
           {"hdfs://namenode:8020/w/t", CloudStore::kHdfs, "namenode:8020", "/w/t"},
           {"hdfs://ns1", CloudStore::kHdfs, "ns1", "/"},
       }) {
    auto got = ParseCloudLocation(c.in);
    ASSERT_TRUE(got.ok()) << c.in << ": " << got.status().ToString();
    EXPECT_EQ(*got, (CloudLocation{c.store, std::string(c.host), std::string(c.path)})) << c.in;
  }
}

TEST(CloudLocation, RefusesWhatIsNoPlace) {
  for (std::string_view bad :
       {"s3://b/a", "/a", "gs:///a", "gs://b/a//b", "gs://b/a/../b", "gs://b/./a", "gs://b/a/",
        "gs://b/a\n", "gs://b/\xff", "abfss://account.dfs.core.windows.net/a", "abfss://@a/b",
        "abfss://c@/b", "hdfs:///a", "x"}) {
    EXPECT_EQ(ParseCloudLocation(bad).status().code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_EQ(ParseCloudPrefix("gs://b/a/")->path, "b/a/");
  EXPECT_EQ(ParseCloudPrefix("gs://b/a/.")->path, "b/a/.");
  EXPECT_EQ(ParseCloudPrefix("gs://b/../").status().code(), Code::kInvalidArgument);
}

struct OptionsCase {
  StorageProperties properties;
  std::string_view problem;  // empty: they are good
};

void Expect(const std::vector<OptionsCase>& cases,
            const std::function<Status(const StorageProperties&)>& read) {
  for (const OptionsCase& c : cases) {
    const Status status = read(c.properties);
    const std::string first = c.properties.empty() ? "none" : c.properties.begin()->first;
    if (c.problem.empty()) {
      EXPECT_TRUE(status.ok()) << first << ": " << status.ToString();
      continue;
    }
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << first;
    EXPECT_THAT(status.ToString(), HasSubstr(c.problem));
    EXPECT_EQ(status.ToString().find("hush"), std::string::npos) << "a secret is told";
  }
}

TEST(CloudOptions, AreChecked) {
  Expect({{{}, ""},
          {{{"gcs.no-auth", "true"}, {"gcs.service.host", "http://127.0.0.1:1/"}}, ""},
          {{{"gcs.no-auth", "maybe"}}, "gcs.no-auth"},
          {{{"gcs.service.host", "127.0.0.1"}}, "gcs.service.host"},
          {{{"gcs.oauth2.token", "hush"}, {"gcs.oauth2.token-expires-at", "soon"}},
           "gcs.oauth2.token-expires-at"},
          {{{"gcs.oauth2.token", "hush"}, {"gcs.no-auth", "true"}}, "set one"},
          {{{"gcs.oauth2.token", "hu\nsh"}}, "line break"}},
         [](const auto& p) { return GcsOptionsOf(p).status(); });
  Expect({{{}, ""},
          {{{"adls.account-name", "a"}, {"adls.account-key", "hush"}}, ""},
          {{{"adls.tenant-id", "t"}, {"adls.client-id", "c"}, {"adls.client-secret", "hush"}}, ""},
          {{{"adls.client-id", "managed"}}, ""},
          {{{"adls.tenant-id", "t"}, {"adls.client-secret", "hush"}}, "belong together"},
          {{{"adls.account-key", "hush"}, {"adls.sas-token", "hush"}}, "set one"},
          {{{"adls.dfs-storage-scheme", "ftp"}}, "adls.dfs-storage-scheme"}},
         [](const auto& p) { return AdlsOptionsOf(p).status(); });
  EXPECT_EQ(GcsOptionsOf({{"gcs.service.host", "http://h:1//"}})->endpoint, "http://h:1");
  EXPECT_EQ(AdlsOptionsOf({{"adls.auth.shared-key.account.key", "k"}})->key, "k");
  EXPECT_EQ(HdfsOptionsOf({{"hdfs.user", "u"}})->user, "u");
  for (std::string_view key : CloudPropertyKeys()) {
    const bool sounds_secret =
        key.ends_with("key") || key.ends_with("token") || key.ends_with("secret");
    EXPECT_EQ(IsSecretCloudProperty(key), sounds_secret) << key;
  }
}

class CloudFilesTest : public ::testing::Test {
 protected:
  testing::TestEnv env_{1, testing::TestClock::kSystem};
  Call call_ = env_.call();
};

TEST_F(CloudFilesTest, AccountsAndHostsAreChecked) {
  auto adls = MakeAdlsFileSystem({.account = "mine", .key = "a2V5"});
  EXPECT_THAT(adls->Stat(call_, "abfss://c@other.dfs.core.windows.net/x").status().ToString(),
              HasSubstr("adls.account-name"));
  EXPECT_EQ(adls->Stat(call_, "gs://b/x").status().code(), Code::kInvalidArgument);
  auto hdfs = MakeHdfsFileSystem({});
  EXPECT_THAT(hdfs->Stat(call_, "hdfs://host:none/x").status().ToString(), HasSubstr("port"));
}

TEST_F(CloudFilesTest, HadoopsClientIsNamedWhereItIsMissing) {
  auto hdfs = MakeHdfsFileSystem({});
  const Status status = hdfs->Stat(call_, "hdfs://127.0.0.1:1/x").status();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.ToString(), HasSubstr("HADOOP_HOME"));
}

TEST_F(CloudFilesTest, ADeadlineThatIsOverAsksNobody) {
  auto gcs = MakeCloudFileSystem(CloudStore::kGcs, {{"gcs.no-auth", "true"}});
  ASSERT_TRUE(gcs.ok()) << gcs.status().ToString();
  Call over(call_.env(), Millis(0));
  EXPECT_EQ((*gcs)->Stat(over, "gs://b/x").status().code(), Code::kDeadline);
}

class ArrowFilesTest : public CloudFilesTest {
 protected:
  void SetUp() override {
    arrow_ = std::make_shared<arrow::fs::internal::MockFileSystem>(
        arrow::fs::TimePoint(std::chrono::hours(1)));
    ASSERT_TRUE(arrow_->CreateDir("b").ok());
    files_ = MakeArrowFileSystem(arrow_, StoreFolders::kMade);
  }
  void Put(const std::string& location, std::string_view bytes) {
    const Status written = WriteFile(call_, *files_, location, bytes);
    ASSERT_TRUE(written.ok()) << written.ToString();
  }
  std::vector<std::string> Listed(const std::string& prefix, const std::string& after,
                                  size_t limit) {
    auto listing = files_->List(call_, prefix, after, limit);
    if (!listing.ok()) return {listing.status().ToString()};
    std::vector<std::string> names;
    for (const FileInfo& file : listing->files) names.push_back(file.location);
    if (!listing->complete) names.push_back("...");
    return names;
  }

  std::shared_ptr<arrow::fs::internal::MockFileSystem> arrow_;
  std::unique_ptr<FileSystem> files_;
};

TEST_F(ArrowFilesTest, WritesOnceAndReads) {
  for (const std::string& bytes : {std::string(), std::string("abc"), std::string(100'000, 'x')}) {
    const std::string location = fmt::format("gs://b/t/é %41/{}.parquet", bytes.size());
    Put(location, bytes);
    EXPECT_EQ(ReadFile(call_, *files_, location, 1 << 20).value(), bytes);
    auto info = files_->Stat(call_, location);
    ASSERT_TRUE(info.ok()) << info.status().ToString();
    EXPECT_EQ(info->size_bytes, static_cast<int64_t>(bytes.size()));
    EXPECT_EQ(info->modified_ms, 3'600'000);
    EXPECT_EQ(WriteFile(call_, *files_, location, "other").code(), Code::kAlreadyExists);
    EXPECT_EQ(ReadFile(call_, *files_, location, 1 << 20).value(), bytes);
  }
}

TEST_F(ArrowFilesTest, ReadsAnywhereWithinTheFile) {
  Put("gs://b/f", "0123456789");
  for (std::optional<int64_t> known : {std::optional<int64_t>(), std::optional<int64_t>(10)}) {
    auto file = files_->Open(call_, "gs://b/f", known);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    EXPECT_EQ((*file)->size(), 10);
    std::string buffer(4, ' ');
    EXPECT_TRUE((*file)->ReadAt(call_, 6, buffer).ok());
    EXPECT_EQ(buffer, "6789");
    EXPECT_EQ((*file)->ReadAt(call_, 7, buffer).code(), Code::kCorruption);
    EXPECT_EQ((*file)->ReadAt(call_, -1, buffer).code(), Code::kCorruption);
  }
}

TEST_F(ArrowFilesTest, SaysWhatIsNotThere) {
  EXPECT_EQ(files_->Open(call_, "gs://b/none", std::nullopt).status().code(), Code::kNotFound);
  EXPECT_EQ(files_->Open(call_, "gs://b/none", 5).status().code(), Code::kNotFound);
  EXPECT_EQ(files_->Stat(call_, "gs://b/none").status().code(), Code::kNotFound);
  EXPECT_EQ(files_->Stat(call_, "gs://b").status().code(), Code::kNotFound) << "no file";
  EXPECT_EQ(files_->Create(call_, "gs://b/../x").status().code(), Code::kInvalidArgument);
}

TEST_F(ArrowFilesTest, ListsInPages) {
  for (const char* name : {"t/b", "t/a/1", "t/a0", "t/c", "u/x"}) {
    Put(std::string("gs://b/") + name, "1");
  }
  EXPECT_THAT(Listed("gs://b/t/", "", 10),
              ElementsAre("gs://b/t/a/1", "gs://b/t/a0", "gs://b/t/b", "gs://b/t/c"));
  EXPECT_THAT(Listed("gs://b/t/", "", 2), ElementsAre("gs://b/t/a/1", "gs://b/t/a0", "..."));
  EXPECT_THAT(Listed("gs://b/t/", "gs://b/t/a0", 2), ElementsAre("gs://b/t/b", "gs://b/t/c"));
  EXPECT_THAT(Listed("gs://b/t/a", "", 10), ElementsAre("gs://b/t/a/1", "gs://b/t/a0"));
  EXPECT_THAT(Listed("gs://b/none/", "", 10), ElementsAre());
}

TEST_F(ArrowFilesTest, DeletesAndTellsOfEach) {
  Put("gs://b/t/a", "1");
  const std::vector<std::string> locations = {"gs://b/t/a", "gs://b/t/none", "s3://b/t/a"};
  const std::vector<Status> outcomes = files_->DeleteMany(call_, locations);
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_TRUE(outcomes[0].ok());
  EXPECT_TRUE(outcomes[1].ok()) << "what is not there counts as deleted";
  EXPECT_EQ(outcomes[2].code(), Code::kInvalidArgument);
  EXPECT_EQ(files_->Stat(call_, "gs://b/t/a").status().code(), Code::kNotFound);
}

TEST_F(ArrowFilesTest, AWriterThatIsNotClosedLeavesNothing) {
  {
    auto writer = files_->Create(call_, "gs://b/t/half");
    ASSERT_TRUE(writer.ok()) << writer.status().ToString();
    ASSERT_TRUE((*writer)->Append(call_, "abc").ok());
    EXPECT_EQ((*writer)->bytes_written(), 3);
  }
  EXPECT_EQ(files_->Stat(call_, "gs://b/t/half").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace moraine::io
