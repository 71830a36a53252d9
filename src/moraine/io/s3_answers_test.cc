#include "moraine/io/s3_answers.h"

#include <utility>

#include <gtest/gtest.h>

#include "moraine/io/s3_client.h"
#include "moraine/io/s3_options.h"

namespace moraine::io {
namespace {

TEST(S3Answers, ReadsTimes) {
  const std::pair<const char*, int64_t> good[] = {{"2009-10-12T17:50:30.123Z", 1255369830123},
                                                  {"2009-10-12T17:50:30Z", 1255369830000},
                                                  {"2009-10-12T17:50:30.123456789Z", 1255369830123},
                                                  {"Mon, 12 Oct 2009 17:50:30 GMT", 1255369830000}};
  for (const auto& [text, millis] : good) EXPECT_EQ(ParseS3Time(text).value(), millis) << text;
  for (const char* bad :
       {"", "2009", "2009-13-12T17:50:30Z", "2009-02-30T17:50:30Z", "2009-10-12T25:50:30Z",
        "2009-10-12 17:50:30Z", "Mon, 12 Okt 2009 17:50:30 GMT", "Mon, 12 Oct 2009 17:50:30 CET",
        "x009-10-12T17:50:30Z"}) {
    EXPECT_EQ(ParseS3Time(bad).status().code(), Code::kCorruption) << bad;
  }
}

TEST(S3Answers, ReadsRanges) {
  EXPECT_EQ(ParseContentRangeSize("bytes 0-9/1234").value(), 1234);
  EXPECT_EQ(ParseContentRangeSize("bytes */0").value(), 0);
  for (const char* bad : {"", "bytes 0-9/*", "bytes 0-9", "items 0-9/5", "bytes 0-9/-1"}) {
    EXPECT_EQ(ParseContentRangeSize(bad).status().code(), Code::kCorruption) << bad;
  }
}

TEST(S3Answers, RangesLieInsideOfTheirObject) {
  auto range = ParseContentRange("bytes 5-9/1234");
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->first, 5);
  EXPECT_EQ(range->last, 9);
  EXPECT_EQ(range->size, 1234);
  for (const char* bad : {"", "bytes */10", "bytes 5/10", "bytes 5-4/10", "bytes 5-10/10",
                          "bytes -5/10", "bytes 0-9/*", "bytes a-b/10"}) {
    EXPECT_EQ(ParseContentRange(bad).status().code(), Code::kCorruption) << bad;
  }
}

TEST(S3Answers, ErrorsAreWhatTheySay) {
  S3Error error = ParseS3Error("<Error><Code>NoSuchKey</Code><Message>m</Message></Error>");
  EXPECT_EQ(error.code, "NoSuchKey");
  EXPECT_EQ(error.message, "m");
  EXPECT_EQ(ParseS3Error("<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>").code, "X");
  for (const char* none : {"", "<html/>", "not found", "<Error>"}) {
    EXPECT_EQ(ParseS3Error(none).code, "") << none;
  }
}

TEST(S3Answers, RefusesListingsThatAreNone) {
  for (const char* bad :
       {"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key/><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>",
        "<Other/>"}) {
    EXPECT_EQ(ParseS3ListPage(bad).status().code(), Code::kCorruption) << bad;
  }
  EXPECT_TRUE(ParseS3ListPage("<ListBucketResult/>")->objects.empty());
}

TEST(S3Options, AreReadFromIcebergsProperties) {
  auto options = S3OptionsOf({{"s3.endpoint", "https://store.example:9000/"},
                              {"s3.path-style-access", "TRUE"},
                              {"s3.access-key-id", "id"},
                              {"s3.secret-access-key", "secret"},
                              {"s3.session-token", "token"},
                              {"client.region", "eu-central-1"},
                              {"s3.region", "ignored"},
                              {"s3.if-none-match-enabled", "false"},
                              {"write.format.default", "parquet"}});
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->endpoint, "https://store.example:9000");
  EXPECT_EQ(options->addressing, S3Options::Addressing::kPath);
  EXPECT_EQ(options->access_key_id, "id");
  EXPECT_EQ(options->session_token, "token");
  EXPECT_EQ(options->region, "eu-central-1");
  EXPECT_EQ(options->existing, S3Options::Existing::kHead);
  EXPECT_TRUE(S3OptionsOf({})->anonymous());
  EXPECT_TRUE(
      S3OptionsOf(
          {{"s3.access-key-id", "a"}, {"s3.secret-access-key", "b"}, {"s3.anonymous", "true"}})
          ->anonymous());
  const std::map<std::string, std::string> bad[] = {
      {{"s3.endpoint", "127.0.0.1:8333"}},
      {{"s3.endpoint", "http://u:p@host"}},
      {{"s3.path-style-access", "maybe"}},
      {{"s3.access-key-id", "id"}},
      {{"s3.secret-access-key", "hidden"}},
      {{"s3.access-key-id", "a\nb"}, {"s3.secret-access-key", "hidden"}}};
  for (const auto& properties : bad) {
    Status status = S3OptionsOf(properties).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << properties.begin()->first;
    EXPECT_EQ(status.ToString().find("hidden"), std::string::npos);
  }
}

TEST(S3Options, KeysAreNeverMixed) {
  std::map<std::string, std::string> properties = {{"s3.access-key-id", "a"},
                                                   {"s3.secret-access-key", "b"},
                                                   {"s3.session-token", "c"},
                                                   {"s3.endpoint", "http://e"}};
  OverlayS3Properties({{"s3.region", "r"}}, &properties);
  EXPECT_EQ(properties.size(), 5u);
  OverlayS3Properties({{"s3.access-key-id", "x"}, {"s3.secret-access-key", "y"}}, &properties);
  EXPECT_EQ(properties, (std::map<std::string, std::string>{{"s3.access-key-id", "x"},
                                                            {"s3.secret-access-key", "y"},
                                                            {"s3.region", "r"},
                                                            {"s3.endpoint", "http://e"}}));
}

TEST(S3Address, PutsTheBucketWhereItBelongs) {
  using Addressing = S3Options::Addressing;
  struct Case {
    const char* endpoint;
    Addressing addressing;
    const char* bucket;
    const char* expected;
  };
  const Case cases[] = {
      {"", Addressing::kAuto, "lake", "https://lake.s3.us-east-1.amazonaws.com /a%20b/c%3D1"},
      {"", Addressing::kAuto, "my.lake", "https://s3.us-east-1.amazonaws.com /my.lake/a%20b/c%3D1"},
      {"", Addressing::kPath, "lake", "https://s3.us-east-1.amazonaws.com /lake/a%20b/c%3D1"},
      {"http://127.0.0.1:8333", Addressing::kAuto, "lake",
       "http://127.0.0.1:8333 /lake/a%20b/c%3D1"},
      {"http://localhost:1", Addressing::kAuto, "lake", "http://localhost:1 /lake/a%20b/c%3D1"},
      {"http://[::1]:1", Addressing::kAuto, "lake", "http://[::1]:1 /lake/a%20b/c%3D1"},
      {"https://store.example:9000", Addressing::kAuto, "lake",
       "https://lake.store.example:9000 /a%20b/c%3D1"},
      {"http://127.0.0.1:1", Addressing::kVirtualHost, "lake",
       "http://lake.127.0.0.1:1 /a%20b/c%3D1"}};
  for (const Case& c : cases) {
    S3Address address =
        AddressOf({.endpoint = c.endpoint, .addressing = c.addressing}, c.bucket, "a b/c=1");
    EXPECT_EQ(address.base_url + " " + address.path, c.expected);
  }
}

}  // namespace
}  // namespace moraine::io
