#include "moraine/io/s3_file_system.h"

#include <new>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/testing/fake_s3.h"

namespace moraine::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = S3Fault::Kind;

constexpr size_t kPart = 1000;
constexpr char kSecret[] = "wJalrXUtnFEMI-secret";
constexpr char kToken[] = "session-token-text";

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + (i * 7 + i / 1000) % 26);
  return bytes;
}

class S3FileSystemTest : public ::testing::Test {
 protected:
  void Use(FakeS3::Options fake, S3Options::Existing existing = S3Options::Existing::kIfNoneMatch) {
    files_.reset();
    fake.access_key_id = "AKID";
    store_ = std::make_unique<FakeS3>(fake);
    files_ = MakeS3FileSystem({.endpoint = "http://127.0.0.1:1",
                               .access_key_id = "AKID",
                               .secret_access_key = kSecret,
                               .session_token = kToken,
                               .existing = existing,
                               .part_size_bytes = kPart,
                               .threads = 3,
                               .attempts = 4,
                               .backoff_first = Millis(1),
                               .backoff_last = Millis(2)},
                              store_->Transport());
  }
  void SetUp() override { Use({}); }

  Status Write(const std::string& location, std::string_view bytes) {
    return WriteFile(call_, *files_, location, bytes);
  }
  Result<std::string> Read(const std::string& location) {
    return ReadFile(call_, *files_, location, 1 << 30);
  }
  std::vector<std::string> Listed(const std::string& prefix, const std::string& after = "",
                                  size_t limit = 1 << 20) {
    auto listing = files_->List(call_, prefix, after, limit);
    std::vector<std::string> names;
    if (!listing.ok()) return {listing.status().ToString()};
    for (const auto& file : listing->files) names.push_back(file.location);
    if (!listing->complete) names.push_back("...");
    return names;
  }

  testing::TestEnv env_{1, testing::TestClock::kSystem};
  Call call_ = env_.call();
  std::unique_ptr<FakeS3> store_;
  std::unique_ptr<FileSystem> files_;
};

TEST_F(S3FileSystemTest, WritesOnceAndReads) {
  for (size_t size : {size_t{0}, size_t{5}, kPart - 1, kPart, kPart + 1, 10 * kPart + 7}) {
    std::string location = fmt::format("s3://whs/a b/{}+=%41/é.parquet", size);
    std::string bytes = Pattern(size);
    Status written = Write(location, bytes);
    ASSERT_TRUE(written.ok()) << written.ToString();
    EXPECT_EQ(store_->objects().at(location.substr(5)).bytes, bytes);
    EXPECT_EQ(Read(location).value(), bytes);
    EXPECT_EQ(Read("s3a" + location.substr(2)).value(), bytes);
    auto info = files_->Stat(call_, location);
    ASSERT_TRUE(info.ok()) << info.status().ToString();
    EXPECT_EQ(info->size_bytes, static_cast<int64_t>(size));
    EXPECT_EQ(info->modified_ms, 1'700'000'000'000);
    EXPECT_EQ(Write(location, "other").code(), Code::kAlreadyExists);
    EXPECT_EQ(Write(location, Pattern(3 * kPart)).code(), Code::kAlreadyExists);
    EXPECT_EQ(Read(location).value(), bytes);
  }
  EXPECT_EQ(store_->uploads(), 0u);
}

TEST_F(S3FileSystemTest, OpensWithoutAQuestionWhenTheSizeIsKnown) {
  store_->Put("whs/x", {.bytes = Pattern(100), .writer_id = "", .modified_ms = 0});
  auto reader = files_->Open(call_, "s3://whs/x", 100);
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE(store_->log().empty());
  std::string some(10, '\0');
  ASSERT_TRUE((*reader)->ReadAt(call_, 90, some).ok());
  EXPECT_EQ(some, Pattern(100).substr(90));
  EXPECT_EQ(store_->log().size(), 1u);
  EXPECT_EQ((*reader)->ReadAt(call_, 91, some).code(), Code::kCorruption);
  EXPECT_EQ((*reader)->ReadAt(call_, -1, some).code(), Code::kCorruption);

  // A size that is not true shows when its end is read.
  auto wrong = files_->Open(call_, "s3://whs/x", 200);
  EXPECT_EQ((*wrong)->ReadAt(call_, 95, some).code(), Code::kCorruption);
  EXPECT_EQ((*wrong)->ReadAt(call_, 150, some).code(), Code::kCorruption);
}

TEST_F(S3FileSystemTest, ReadsASmallFileInOneRequestAndALargeOneInRanges) {
  store_->Put("whs/small", {.bytes = Pattern(5000), .writer_id = "", .modified_ms = 0});
  EXPECT_EQ(Read("s3://whs/small").value(), Pattern(5000));
  EXPECT_EQ(store_->log().size(), 1u);
  store_->ForgetLog();
  std::string large = Pattern((20 << 20) + 3);
  store_->Put("whs/large", {.bytes = large, .writer_id = "", .modified_ms = 0});
  EXPECT_TRUE(Read("s3://whs/large").value() == large);
  EXPECT_EQ(store_->log().size(), 4u);  // the first MiB, then three ranges of at most 8 MiB
}

TEST_F(S3FileSystemTest, ReadsFromStoresThatKnowNoRanges) {
  Use({.knows_ranges = false});
  store_->Put("whs/x", {.bytes = Pattern(100), .writer_id = "", .modified_ms = 0});
  EXPECT_EQ(Read("s3://whs/x").value(), Pattern(100));
  auto reader = files_->Open(call_, "s3://whs/x", 100).value();
  std::string some(10, '\0');
  ASSERT_TRUE(reader->ReadAt(call_, 50, some).ok());
  EXPECT_EQ(some, Pattern(100).substr(50, 10));
}

TEST_F(S3FileSystemTest, AnAbandonedWriterLeavesNothing) {
  {
    auto writer = files_->Create(call_, "s3://whs/x").value();
    ASSERT_TRUE(writer->Append(call_, Pattern(5 * kPart)).ok());
    EXPECT_EQ(writer->bytes_written(), static_cast<int64_t>(5 * kPart));
  }
  EXPECT_EQ(store_->uploads(), 0u);
  EXPECT_TRUE(store_->objects().empty());
  EXPECT_EQ(store_->CountOf("DELETE /whs/x?uploadId"), 1u);

  // Nor does one that could not be finished.
  store_->Add({.match = "PUT /whs/y?partNumber=2", .count = 100, .status = 403, .code = "Denied"});
  EXPECT_EQ(Write("s3://whs/y", Pattern(9 * kPart)).code(), Code::kPermissionDenied);
  EXPECT_EQ(store_->uploads(), 0u);
}

TEST_F(S3FileSystemTest, ListsInPages) {
  Use({.page_size = 7});
  std::vector<std::string> all;
  for (int i = 0; i < 30; ++i) {
    std::string key = fmt::format("t/{:02}&<>/\xc3\xa9", i);
    store_->Put("whs/" + key, {.bytes = "x", .writer_id = "", .modified_ms = 1000 + i});
    all.push_back("s3a://whs/" + key);
  }
  store_->Put("whs/t/", {});
  store_->Put("whs/t/05/", {});
  store_->Put("whs/u", {});
  store_->Put("whs2/t/00", {});
  EXPECT_EQ(Listed("s3a://whs/t/"), all);
  EXPECT_EQ(Listed("s3a://whs/t/2").size(), 10u);
  EXPECT_EQ(Listed("s3a://whs").size(), 31u);
  auto page = Listed("s3a://whs/t/", "", 11);
  ASSERT_EQ(page.size(), 12u);
  EXPECT_EQ(page.back(), "...");
  EXPECT_EQ(Listed("s3a://whs/t/", page[10], 100),
            std::vector<std::string>(all.begin() + 11, all.end()));
  EXPECT_EQ(Listed("s3a://whs/t/", "", 30), all);
  EXPECT_THAT(Listed("s3://whs/none/"), ElementsAre());
  EXPECT_EQ(files_->List(call_, "s3://whs/t/", "s3://other/t/", 5).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(files_->List(call_, "s3://missing/t/", "", 5).status().code(), Code::kNotFound);
  auto info = files_->List(call_, "s3://whs/t/00", "", 5)->files[0];
  EXPECT_EQ(info.size_bytes, 1);
  EXPECT_EQ(info.modified_ms, 1000);
}

TEST_F(S3FileSystemTest, DeletesManyAndSaysWhatBecameOfEach) {
  std::vector<std::string> locations;
  for (int i = 0; i < 2100; ++i) {
    locations.push_back(fmt::format("s3://whs/{:04}&", i));
    store_->Put(locations.back().substr(5), {});
  }
  locations[7] = "s3://whs/not there";
  locations[8] = "s3://whs/../x";
  locations[9] = "s3://other/x";
  store_->Protect("whs/0001&", "AccessDenied", 99);
  store_->Protect("whs/0002&", "InternalError", 2);
  store_->Protect("whs/0003&", "SlowDown", 99);
  store_->Protect("whs/0004&", "", 99);
  auto outcomes = files_->DeleteMany(call_, locations);
  ASSERT_EQ(outcomes.size(), locations.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    Code expected = i == 1   ? Code::kPermissionDenied
                    : i == 3 ? Code::kExhausted
                    : i == 4 ? Code::kUnavailable
                    : i == 8 ? Code::kInvalidArgument
                             : Code::kOk;
    EXPECT_EQ(outcomes[i].code(), expected) << locations[i] << outcomes[i].ToString();
  }
  EXPECT_EQ(store_->objects().size(), 6u);  // 0001, 0003, 0004, and three that nobody named
}

TEST_F(S3FileSystemTest, DeletesOneByOneWhereTheStoreKnowsNoOtherWay) {
  Use({.knows_delete_many = false});
  store_->Put("whs/a", {});
  store_->Put("whs/b", {});
  auto outcomes =
      files_->DeleteMany(call_, std::vector<std::string>{"s3://whs/a", "s3://whs/b", "s3://whs/c"});
  for (const Status& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome.ToString();
  EXPECT_TRUE(store_->objects().empty());
}

TEST_F(S3FileSystemTest, HealsEveryPassingFault) {
  const char* matches[] = {"PUT /whs/",
                           "POST /whs/",
                           "GET /whs/",
                           "GET /whs?",
                           "HEAD /whs/",
                           "POST /whs/large?uploadId",
                           "PUT /whs/large?partNumber=3",
                           "POST /whs?"};
  const std::pair<Kind, std::pair<int, std::string>> kinds[] = {
      {Kind::kRefused, {503, ""}},
      {Kind::kLost, {503, ""}},
      {Kind::kTimedOut, {503, ""}},
      {Kind::kStatus, {503, "SlowDown"}},
      {Kind::kStatus, {500, "InternalError"}},
      {Kind::kStatus, {502, ""}},
      {Kind::kStatus, {409, "ConditionalRequestConflict"}},
      {Kind::kStatus, {400, "RequestTimeout"}},
      {Kind::kStatusAfter, {500, "InternalError"}},
      {Kind::kStatusAfter, {504, ""}}};
  for (const char* match : matches) {
    for (const auto& [kind, answer] : kinds) {
      SCOPED_TRACE(fmt::format("{} {} {}", match, static_cast<int>(kind), answer.first));
      Use({});
      store_->Add({.kind = kind,
                   .match = match,
                   .count = 2,
                   .status = answer.first,
                   .code = answer.second});
      std::string bytes = Pattern(6 * kPart + 1);
      Status small = Write("s3://whs/small", "abc");
      EXPECT_TRUE(small.ok()) << small.ToString();
      Status large = Write("s3://whs/large", bytes);
      EXPECT_TRUE(large.ok()) << large.ToString();
      EXPECT_EQ(Read("s3://whs/small").value(), "abc");
      EXPECT_EQ(Read("s3://whs/large").value(), bytes);
      EXPECT_TRUE(files_->Stat(call_, "s3://whs/large").ok());
      EXPECT_THAT(Listed("s3://whs/"), ElementsAre("s3://whs/large", "s3://whs/small"));
      EXPECT_TRUE(files_->DeleteMany(call_, std::vector<std::string>{"s3://whs/large"})[0].ok());
      EXPECT_EQ(store_->objects().size(), 1u);
    }
  }
}

TEST_F(S3FileSystemTest, AFinishedUploadIsBelievedOnlyWhenTheAnswerNamesIt) {
  std::string bytes = Pattern(4 * kPart);
  // An error in an answer of success, once and for good.
  store_->Add({.kind = Kind::kErrorInside, .match = "POST /whs/a?uploadId"});
  EXPECT_TRUE(Write("s3://whs/a", bytes).ok());
  EXPECT_EQ(Read("s3://whs/a").value(), bytes);
  store_->Add({.kind = Kind::kErrorInside,
               .match = "POST /whs/b?uploadId",
               .count = 100,
               .code = "InvalidPart"});
  EXPECT_FALSE(Write("s3://whs/b", bytes).ok());
  EXPECT_FALSE(store_->objects().contains("whs/b"));
  // An answer of success that says nothing: the object tells.
  for (Kind kind : {Kind::kGarbage, Kind::kShort}) {
    std::string name = fmt::format("whs/{}", static_cast<int>(kind));
    store_->Add({.kind = kind, .match = "POST /" + name + "?uploadId"});
    store_->ForgetLog();
    EXPECT_TRUE(Write("s3://" + name, bytes).ok());
    EXPECT_EQ(store_->CountOf("HEAD /" + name), 1u);
    EXPECT_EQ(store_->objects().at(name).bytes, bytes);
  }
  // It was not made, and a stranger's answer says it was.
  store_->Add({.kind = Kind::kStatus, .match = "POST /whs/c?uploadId", .count = 1, .status = 200});
  store_->Put("whs/c", {.bytes = "theirs", .writer_id = "someone", .modified_ms = 0});
  EXPECT_EQ(Write("s3://whs/c", bytes).code(), Code::kAlreadyExists);
  EXPECT_EQ(store_->objects().at("whs/c").bytes, "theirs");
  EXPECT_EQ(store_->uploads(), 0u);
}

TEST_F(S3FileSystemTest, OneStrangeAnswerDoesNotEndConditionalWrites) {
  store_->Put("whs/theirs", {.bytes = "theirs", .writer_id = "someone", .modified_ms = 0});
  for (int status : {405, 501}) {
    store_->Add({.match = "PUT /whs/x", .status = status, .code = "SomethingElse"});
    EXPECT_FALSE(Write("s3://whs/x", "abc").ok()) << status;
    store_->ForgetLog();
    EXPECT_EQ(Write("s3://whs/theirs", "abc").code(), Code::kAlreadyExists);
    EXPECT_EQ(store_->CountOf("HEAD "), 0u);
  }
  EXPECT_EQ(env_.log().Count("If-None-Match"), 0u);
  // One bucket that does not know how is not all of them; and it is told once.
  store_->Add({.match = "PUT /old/x", .status = 501, .code = "NotImplemented"});
  EXPECT_TRUE(Write("s3://old/x", "abc").ok());
  EXPECT_TRUE(Write("s3://old/y", "abc").ok());
  EXPECT_EQ(store_->CountOf("HEAD /old/y"), 1u);
  EXPECT_TRUE(Write("s3://whs/y", "abc").ok());
  EXPECT_EQ(store_->CountOf("HEAD /whs/y"), 0u);
  EXPECT_EQ(env_.log().Count("If-None-Match"), 1u);
}

TEST_F(S3FileSystemTest, BytesOfAnotherRangeAreNeverTaken) {
  std::string bytes = Pattern(3 << 20);
  store_->Put("whs/x", {.bytes = bytes, .writer_id = "", .modified_ms = 0});
  store_->Add({.kind = Kind::kShifted, .match = "GET /whs/x", .count = 2});
  EXPECT_EQ(files_->Open(call_, "s3://whs/x", std::nullopt).status().code(), Code::kCorruption);
  auto reader = files_->Open(call_, "s3://whs/x", 3 << 20).value();
  std::string some(2 << 20, '\0');
  EXPECT_EQ(reader->ReadAt(call_, 100, some).code(), Code::kCorruption);
  ASSERT_TRUE(reader->ReadAt(call_, 100, some).ok());
  EXPECT_TRUE(some == bytes.substr(100, some.size()));
}

TEST_F(S3FileSystemTest, ListingsThatGoRoundEnd) {
  for (int i = 0; i < 40; ++i) store_->Put(fmt::format("whs/t/{:02}", i), {});
  for (int turn = 0; turn < 2; ++turn) {  // a, b, a, b, ...
    store_->Add({.kind = Kind::kSameToken,
                 .match = turn == 0 ? "continuation-token=b" : "list-type",
                 .count = 1'000'000,
                 .code = turn == 0 ? "a" : "b"});
  }
  EXPECT_EQ(files_->List(call_, "s3://whs/t/", "", 30).status().code(), Code::kCorruption);
  EXPECT_LT(store_->log().size(), 10u);
  // A store that begins anew instead of going on.
  Use({.knows_start_after = false, .page_size = 7});
  for (int i = 0; i < 40; ++i) store_->Put(fmt::format("whs/t/{:02}", i), {});
  EXPECT_EQ(files_->List(call_, "s3://whs/t/", "s3://whs/t/09", 10).status().code(),
            Code::kCorruption);
  EXPECT_EQ(Listed("s3://whs/t/", "", SIZE_MAX).size(), 40u);
}

TEST_F(S3FileSystemTest, AnotherWritersFileIsNotOurs) {
  // Ours was refused, and the answer that says so was lost.
  store_->Put("whs/x", {.bytes = "theirs", .writer_id = "someone", .modified_ms = 0});
  for (size_t size : {size_t{3}, 4 * kPart}) {
    store_->Add({.kind = Kind::kLost, .match = size == 3 ? "PUT /whs/x" : "POST /whs/x?uploadId"});
    EXPECT_EQ(Write("s3://whs/x", Pattern(size)).code(), Code::kAlreadyExists);
  }
  EXPECT_EQ(store_->objects().at("whs/x").bytes, "theirs");
  EXPECT_EQ(store_->uploads(), 0u);
}

TEST_F(S3FileSystemTest, StoresWithoutIfNoneMatchAreAskedByHead) {
  using IfNoneMatch = FakeS3::IfNoneMatch;
  for (auto [knows, existing] :
       {std::pair(IfNoneMatch::kRefused, S3Options::Existing::kIfNoneMatch),
        std::pair(IfNoneMatch::kIgnored, S3Options::Existing::kHead)}) {
    Use({.if_none_match = knows}, existing);
    EXPECT_TRUE(Write("s3://whs/x", "abc").ok());
    EXPECT_TRUE(Write("s3://whs/large", Pattern(4 * kPart)).ok());
    EXPECT_EQ(Write("s3://whs/x", "def").code(), Code::kAlreadyExists);
    EXPECT_EQ(Write("s3://whs/large", Pattern(3 * kPart)).code(), Code::kAlreadyExists);
    EXPECT_EQ(store_->objects().at("whs/x").bytes, "abc");
    EXPECT_EQ(store_->uploads(), 0u);
  }
  // The first file of all is a large one.
  Use({.if_none_match = IfNoneMatch::kRefused});
  EXPECT_TRUE(Write("s3://whs/large", Pattern(4 * kPart)).ok());
  EXPECT_EQ(Write("s3://whs/large", Pattern(4 * kPart)).code(), Code::kAlreadyExists);
}

TEST_F(S3FileSystemTest, SaysWhatTheStoreMeans) {
  struct Case {
    int status;
    const char* code;
    Code expected;
  };
  const Case cases[] = {{404, "NoSuchKey", Code::kNotFound},
                        {404, "NoSuchBucket", Code::kNotFound},
                        {403, "AccessDenied", Code::kPermissionDenied},
                        {403, "SignatureDoesNotMatch", Code::kPermissionDenied},
                        {400, "ExpiredToken", Code::kPermissionDenied},
                        {401, "", Code::kPermissionDenied},
                        {503, "SlowDown", Code::kExhausted},
                        {429, "", Code::kExhausted},
                        {507, "", Code::kExhausted},
                        {503, "", Code::kUnavailable},
                        {500, "InternalError", Code::kUnavailable},
                        {502, "", Code::kUnavailable},
                        {301, "PermanentRedirect", Code::kInvalidArgument},
                        {400, "InvalidBucketName", Code::kInvalidArgument}};
  for (const Case& c : cases) {
    Use({});
    store_->Add({.match = "/whs", .count = 1000, .status = c.status, .code = c.code});
    std::vector<Status> outcomes =
        files_->DeleteMany(call_, std::vector<std::string>{"s3://whs/x"});
    outcomes.push_back(Read("s3://whs/x").status());
    outcomes.push_back(files_->Stat(call_, "s3://whs/x").status());
    outcomes.push_back(files_->List(call_, "s3://whs/", "", 5).status());
    outcomes.push_back(Write("s3://whs/x", "a"));
    outcomes.push_back(Write("s3://whs/x", Pattern(3 * kPart)));
    for (const Status& outcome : outcomes) {
      EXPECT_EQ(outcome.code(), c.expected) << c.status << c.code << " " << outcome.ToString();
      EXPECT_THAT(outcome.ToString(), Not(HasSubstr(kSecret)));
      EXPECT_THAT(outcome.ToString(), Not(HasSubstr(kToken)));
      EXPECT_THAT(outcome.ToString(), HasSubstr("whs"));
    }
  }
}

TEST_F(S3FileSystemTest, WhoIsRefusedLearnsWhereAndWhatToSet) {
  store_->Put("whs/x", {.bytes = "x", .writer_id = "", .modified_ms = 0});
  store_->Add({.match = "/whs", .count = 1000, .status = 403, .code = ""});
  std::string text = files_->Stat(call_, "s3://whs/x").status().ToString();
  EXPECT_THAT(text, HasSubstr("403 AccessDenied"));
  EXPECT_THAT(text, HasSubstr("bucket whs of http://127.0.0.1:1"));
  EXPECT_THAT(text, HasSubstr("keys that it refuses: look at s3.access-key-id"));
  files_ = MakeS3FileSystem({.endpoint = "http://127.0.0.1:1"}, store_->Transport());
  text = Read("s3://whs/x").status().ToString();
  EXPECT_THAT(text, HasSubstr("without keys: set s3.access-key-id and s3.secret-access-key"));
}

TEST_F(S3FileSystemTest, AnswersThatAreNoneAreCorruption) {
  store_->Put("whs/x", {.bytes = Pattern(100), .writer_id = "", .modified_ms = 0});
  for (Kind kind : {Kind::kGarbage, Kind::kShort}) {
    store_->Add({.kind = kind, .match = "list-type"});
    EXPECT_EQ(files_->List(call_, "s3://whs/", "", 5).status().code(), Code::kCorruption);
    store_->Add({.kind = kind, .match = "uploads"});
    EXPECT_EQ(Write("s3://whs/y", Pattern(3 * kPart)).code(), Code::kCorruption);
    store_->Add({.kind = kind, .match = "delete"});
    EXPECT_EQ(files_->DeleteMany(call_, std::vector<std::string>{"s3://whs/z"})[0].code(),
              Code::kCorruption);
  }
  store_->Add({.kind = Kind::kShort, .match = "GET /whs/x"});
  EXPECT_EQ(Read("s3://whs/x").status().code(), Code::kUnavailable);
}

/// Has no memory for some of the requests.
class ThrowingTransport final : public net::HttpTransport {
 public:
  explicit ThrowingTransport(std::unique_ptr<net::HttpTransport> inner)
      : inner_(std::move(inner)) {}
  Result<net::Response> Send(Call& call, std::string_view base_url,
                             const net::Request& request) override {
    for (const auto& [name, value] : request.query) {
      if (name == "partNumber" && value == "2") throw std::bad_alloc();
    }
    return inner_->Send(call, base_url, request);
  }

 private:
  const std::unique_ptr<net::HttpTransport> inner_;
};

TEST_F(S3FileSystemTest, APartThatThrowsKeepsNobodyWaiting) {
  files_ = MakeS3FileSystem({.endpoint = "http://127.0.0.1:1",
                             .access_key_id = "AKID",
                             .secret_access_key = kSecret,
                             .session_token = kToken,
                             .part_size_bytes = kPart,
                             .threads = 3},
                            std::make_unique<ThrowingTransport>(store_->Transport()));
  EXPECT_EQ(Write("s3://whs/large", Pattern(4 * kPart)).code(), Code::kExhausted);
  EXPECT_TRUE(store_->objects().empty());
}

TEST_F(S3FileSystemTest, GivesUpAtTheDeadline) {
  store_->Add({.match = "/whs", .count = 1'000'000});
  files_ = MakeS3FileSystem({.endpoint = "http://127.0.0.1:1",
                             .access_key_id = "AKID",
                             .secret_access_key = kSecret,
                             .attempts = 1'000'000,
                             .backoff_first = Millis(1),
                             .backoff_last = Millis(4)},
                            store_->Transport());
  size_t most = 0;
  // A busy machine may hold up one or the other.
  for (int i = 0; i < 20 && most <= 3; ++i) {
    const size_t before = store_->log().size();
    Call call = env_.call(Millis(60));
    Code code = files_->Stat(call, "s3://whs/x").status().code();
    EXPECT_TRUE(code == Code::kDeadline || code == Code::kExhausted) << CodeName(code);
    most = std::max(most, store_->log().size() - before);
  }
  EXPECT_GT(most, 3u);
}

TEST_F(S3FileSystemTest, RefusesWhatIsNoFile) {
  for (const char* location :
       {"s3://whs", "s3://whs/", "s3://whs/a/", "s3:///a", "s3://w s/a", "s3://whs/a/../b",
        "s3://whs/./b", "/a", "file:///a", "s3://whs/a\nb", "s3://whs/\xff", "gs://whs/a"}) {
    EXPECT_EQ(files_->Open(call_, location, 5).status().code(), Code::kInvalidArgument) << location;
    EXPECT_EQ(files_->Create(call_, location).status().code(), Code::kInvalidArgument) << location;
    EXPECT_EQ(files_->Stat(call_, location).status().code(), Code::kInvalidArgument) << location;
  }
  EXPECT_TRUE(store_->log().empty());
}

}  // namespace
}  // namespace moraine::io
