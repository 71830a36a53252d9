#include "moraine/io/file_copy.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/allowed.h"
#include "moraine/io/current_files.h"
#include "moraine/io/local_file_system.h"
#include "moraine/io/routing_file_system.h"
#include "moraine/io/s3_file_system.h"
#include "moraine/io/testing/fake_s3.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::io {
namespace {

using Kind = S3Fault::Kind;

constexpr char kFrom[] = "s3://whs/t/data/a b+é.parquet";
constexpr char kTo[] = "s3a://whs/t/.quarantine/run/0/data/a b+é.parquet";

class S3Copies : public ::testing::Test {
 protected:
  void Use(FakeS3::Options fake) {
    files_.reset();
    store_ = std::make_unique<FakeS3>(fake);
    files_ = MakeS3FileSystem({.endpoint = "http://127.0.0.1:1",
                               .threads = 2,
                               .attempts = 4,
                               .backoff_first = Millis(1),
                               .backoff_last = Millis(2),
                               .copy_limit_bytes = 1000,
                               .copy_part_bytes = 400},
                              store_->Transport());
    store_->Put(std::string(kFrom).substr(5), {.bytes = std::string(700, 'x')});
  }
  void SetUp() override { Use({}); }
  Status Copied() { return CopyFile(call_, *files_, kFrom, kTo); }
  std::string BytesOf(std::string_view location) {
    auto objects = store_->objects();
    auto found = objects.find(std::string(location.substr(location.find("://") + 3)));
    return found == objects.end() ? "none" : found->second.bytes;
  }

  testing::TestEnv env_{1, testing::TestClock::kSystem};
  Call call_ = env_.call();
  std::unique_ptr<FakeS3> store_;
  std::unique_ptr<FileSystem> files_;
};

TEST_F(S3Copies, NoByteComesBy) {
  for (size_t size : {size_t{0}, size_t{1000}, size_t{1001}, size_t{4000}}) {
    Use({});
    std::string bytes;
    while (bytes.size() < size) bytes += fmt::format("{},", bytes.size());
    bytes.resize(size);
    store_->Put(std::string(kFrom).substr(5), {.bytes = bytes});
    Status copied = Copied();
    EXPECT_TRUE(copied.ok()) << copied.ToString();
    EXPECT_EQ(BytesOf(kTo), bytes);
    EXPECT_EQ(BytesOf(kFrom), bytes);
    EXPECT_EQ(store_->CountOf("GET "), 0u);
    EXPECT_EQ(store_->uploads(), 0u);
    // Once more, after a crash before the source was deleted.
    EXPECT_TRUE(Copied().ok());
    EXPECT_EQ(BytesOf(kTo), bytes);
  }
}

TEST_F(S3Copies, EveryPassingFaultIsHealed) {
  for (const char* match : {"HEAD /whs/t/data", "HEAD /whs/t/.quarantine", "PUT /whs/",
                            "POST /whs/", "partNumber=2", "uploadId=upload-1"}) {
    for (auto [kind, status] : {std::pair(Kind::kRefused, 503),
                                {Kind::kLost, 503},
                                {Kind::kTimedOut, 503},
                                {Kind::kStatus, 503},
                                {Kind::kStatusAfter, 500},
                                {Kind::kErrorInside, 503}}) {
      for (size_t size : {size_t{700}, size_t{1700}}) {
        SCOPED_TRACE(fmt::format("{} {} {}", match, static_cast<int>(kind), size));
        if (kind == Kind::kErrorInside && std::string_view(match).starts_with("HEAD")) continue;
        Use({});
        store_->Put(std::string(kFrom).substr(5), {.bytes = std::string(size, 'y')});
        store_->Add({.kind = kind, .match = match, .count = 2, .status = status});
        Status copied = Copied();
        EXPECT_TRUE(copied.ok()) << copied.ToString();
        EXPECT_EQ(BytesOf(kTo), std::string(size, 'y'));
        // One that was begun, and of which we never heard.
        const bool unheard = std::string_view(match).starts_with("POST");
        EXPECT_LE(store_->uploads(), unheard ? 2u : 0u);
      }
    }
  }
}

TEST_F(S3Copies, AnotherFileAtThePlaceStays) {
  const std::string place = std::string(kTo).substr(6);
  store_->Put(place, {.bytes = std::string(700, 'z')});
  EXPECT_EQ(Copied().code(), Code::kAlreadyExists);
  store_->Put(place, {.bytes = "less"});
  EXPECT_EQ(Copied().code(), Code::kAlreadyExists);
  // Sums that say nothing: the bytes are compared.
  store_->Put(place, {.bytes = std::string(700, 'z'), .etag = "\"0-2\""});
  EXPECT_EQ(Copied().code(), Code::kAlreadyExists);
  EXPECT_EQ(BytesOf(kTo), std::string(700, 'z'));
  store_->Put(place, {.bytes = std::string(700, 'x'), .etag = "\"0-2\""});
  EXPECT_TRUE(Copied().ok());
  EXPECT_EQ(CopyFile(call_, *files_, kFrom, kFrom).code(), Code::kInvalidArgument);
  EXPECT_EQ(CopyFile(call_, *files_, kFrom, "s3a" + std::string(kFrom).substr(2)).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(CopyFile(call_, *files_, "s3://whs/none", "s3://whs/b").code(), Code::kNotFound);
}

TEST_F(S3Copies, ACopyThatIsNotTheSameIsToldOf) {
  // The store says that it was made, and made nothing, or something else.
  store_->Add({.kind = Kind::kStatus, .match = "PUT /whs/t/.q", .status = 200, .code = ""});
  EXPECT_EQ(Copied().code(), Code::kUnavailable);
  EXPECT_EQ(BytesOf(kFrom), std::string(700, 'x'));
  store_->Add({.match = "PUT /whs/t/.q", .status = 403, .code = "AccessDenied"});
  EXPECT_EQ(Copied().code(), Code::kPermissionDenied);
  EXPECT_EQ(BytesOf(kTo), "none");
}

TEST_F(S3Copies, StoresThatKnowLessGetTheBytes) {
  Use({.knows_copies = false});
  EXPECT_TRUE(Copied().ok());
  EXPECT_EQ(BytesOf(kTo), std::string(700, 'x'));
  EXPECT_TRUE(CopyFile(call_, *files_, kFrom, "s3://whs/other").ok());
  EXPECT_EQ(store_->CountOf("HEAD /whs/other"), 0u);  // it is known by now
  Use({.if_none_match = FakeS3::IfNoneMatch::kRefused});
  EXPECT_TRUE(Copied().ok());
  EXPECT_EQ(BytesOf(kTo), std::string(700, 'x'));
  EXPECT_EQ(store_->CountOf("GET "), 0u);
}

TEST_F(S3Copies, WrappersLetItThrough) {
  auto shared = std::shared_ptr<FileSystem>(std::move(files_));
  auto current = MakeCurrentFileSystem(
      [&](Call&, const std::string&) -> Result<std::shared_ptr<FileSystem>> { return shared; });
  auto routed = MakeRoutingFileSystem(MakeLocalFileSystem(), std::move(current));
  files_ = MakeRestrictedFileSystem(std::move(routed), {"s3://whs/t"}).value();
  EXPECT_TRUE(Copied().ok());
  EXPECT_EQ(store_->CountOf("GET "), 0u);
  EXPECT_EQ(CopyFile(call_, *files_, kFrom, "s3://whs/u/x").code(), Code::kPermissionDenied);
  EXPECT_EQ(CopyFile(call_, *files_, "s3://whs/u/x", kTo).code(), Code::kPermissionDenied);
  EXPECT_EQ(CopyFile(call_, *files_, kFrom, "/tmp/x").code(), Code::kPermissionDenied);
  shared.reset();
}

TEST(MemoryCopies, ReadAndWrite) {
  testing::TestEnv env;
  Call call = env.call();
  MemoryFileSystem files;
  const std::string bytes(3 << 20, 'b');
  files.Put("file:///a", bytes, 0);
  EXPECT_EQ(CopyInStore(call, files, "file:///a", "file:///b").code(), Code::kUnsupported);
  EXPECT_TRUE(CopyFile(call, files, "file:///a", "file:///b").ok());
  EXPECT_TRUE(CopyFile(call, files, "file:///a", "file:///b").ok());
  EXPECT_EQ(*ReadFile(call, files, "file:///b", 1 << 30), bytes);
  files.Put("file:///c", bytes.substr(1) + "c", 0);
  EXPECT_EQ(CopyFile(call, files, "file:///a", "file:///c").code(), Code::kAlreadyExists);
  EXPECT_EQ(CopyFile(call, files, "file:///a", "file:///a").code(), Code::kInvalidArgument);
}

TEST(LocalCopies, AreSecondNames) {
  char name[] = "/tmp/moraine-copy-XXXXXX";
  const std::string root = ::mkdtemp(name);
  Call call(SystemEnv(NullLogger()), std::chrono::seconds(30));
  auto files = MakeLocalFileSystem();
  const std::string from = root + "/t/data/x", to = root + "/t/.quarantine/r/0/data/x";
  ASSERT_TRUE(WriteFile(call, *files, from, "bytes").ok());
  std::filesystem::last_write_time(
      from, std::filesystem::file_time_type::clock::now() - std::chrono::hours(100));
  const int64_t before = files->Stat(call, from)->modified_ms;
  EXPECT_TRUE(CopyFile(call, *files, "file://" + from, "file://" + to).ok());
  struct stat one, other;
  ASSERT_EQ(::stat(from.c_str(), &one) + ::stat(to.c_str(), &other), 0);
  EXPECT_EQ(one.st_ino, other.st_ino);
  EXPECT_GT(files->Stat(call, to)->modified_ms, before + 99LL * 3'600'000);
  EXPECT_TRUE(CopyFile(call, *files, from, to).ok());  // again, after a crash
  EXPECT_TRUE(files->DeleteMany(call, std::vector<std::string>{from})[0].ok());
  EXPECT_EQ(*ReadFile(call, *files, to, 10), "bytes");
  EXPECT_EQ(CopyFile(call, *files, from, to).code(), Code::kNotFound);
  // One file by two spellings is never its own copy.
  EXPECT_EQ(CopyFile(call, *files, to, "file://" + to).code(), Code::kInvalidArgument);
  ASSERT_TRUE(WriteFile(call, *files, from, "BYTES").ok());
  EXPECT_EQ(CopyFile(call, *files, to, from).code(), Code::kAlreadyExists);
  EXPECT_EQ(*ReadFile(call, *files, from, 10), "BYTES");
  ASSERT_TRUE(WriteFile(call, *files, root + "/t/same", "bytes").ok());
  EXPECT_TRUE(CopyFile(call, *files, to, root + "/t/same").ok());
  std::filesystem::create_symlink(to, root + "/t/link");
  EXPECT_TRUE(CopyFile(call, *files, root + "/t/link", root + "/t/of-link").ok());
  EXPECT_TRUE(
      std::filesystem::is_regular_file(std::filesystem::symlink_status(root + "/t/of-link")));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace moraine::io
