// The vectors are AWS's own: the SigV4 test suite (service "service"), and the worked examples of
// the S3 API reference. Those marked "botocore" were computed with that library.
#include "moraine/net/sigv4.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/net/digest.h"

namespace moraine::net {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSuiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr const char* kToken =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"
    "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
    "Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8F"
    "DrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

const WallTime kSuiteTime = FromMillis(1440938160000);    // 2015-08-30T12:36:00Z
const WallTime kExampleTime = FromMillis(1369353600000);  // 2013-05-24T00:00:00Z

SigV4Options SuiteOptions() {
  return {.credentials = {"AKIDEXAMPLE", kSuiteSecret, ""},
          .region = "us-east-1",
          .service = "service",
          .path = SigV4Options::Path::kAsSent,
          .payload_header = SigV4Options::PayloadHeader::kOmitted};
}

std::string SignatureOf(const Request& request) {
  std::string value(request.headers.Get("Authorization").value_or(""));
  size_t at = value.find("Signature=");
  return at == value.npos ? "none" : value.substr(at + 10);
}

Headers HeadersOf(const std::vector<std::pair<std::string, std::string>>& fields) {
  Headers headers;
  for (const auto& [name, value] : fields) headers.Add(name, value);
  return headers;
}

TEST(SigV4, AgreesWithTheSuite) {
  struct Case {
    const char* name;
    Request request;
    std::string signature;
  };
  const std::vector<Case> cases = {
      {"get-vanilla",
       {.path = "/"},
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-unreserved",
       {.path = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"},
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8",
       {.path = "/%E1%88%B4"},
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-space",
       {.path = "/example%20space/"},
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-vanilla-query-order-key-case",
       {.path = "/", .query = {{"Param2", "value2"}, {"Param1", "value1"}}},
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-utf8-query",
       {.path = "/", .query = {{"\xe1\x88\xb4", "bar"}}},
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"get-header-value-trim",
       {.path = "/",
        .headers = HeadersOf({{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}})},
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"get-header-value-order",
       {.path = "/",
        .headers = HeadersOf({{"My-Header1", "value4"},
                              {"My-Header1", "value1"},
                              {"My-Header1", "value3"},
                              {"My-Header1", "value2"}})},
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
      {"post-x-www-form-urlencoded",
       {.method = Method::kPost,
        .path = "/",
        .headers = HeadersOf({{"Content-Type", "application/x-www-form-urlencoded"}}),
        .body = "Param1=value1"},
       "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
      {"post-vanilla-query",
       {.method = Method::kPost, .path = "/", .query = {{"Param1", "value1"}}},
       "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
      {"post-header-key-sort",
       {.method = Method::kPost, .path = "/", .headers = HeadersOf({{"My-Header1", "value1"}})},
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
  };
  for (const Case& c : cases) {
    Request request = c.request;
    Status signed_ok =
        SignRequest(SuiteOptions(), kSuiteTime, "https://example.amazonaws.com", &request);
    ASSERT_TRUE(signed_ok.ok()) << signed_ok.ToString();
    EXPECT_EQ(SignatureOf(request), c.signature) << c.name;
    EXPECT_EQ(request.headers.Get("X-Amz-Date"), "20150830T123600Z");
  }
}

TEST(SigV4, SignsASessionToken) {
  SigV4Options options = SuiteOptions();
  options.credentials.session_token = kToken;
  Request request{.method = Method::kPost, .path = "/"};
  ASSERT_TRUE(SignRequest(options, kSuiteTime, "https://example.amazonaws.com/", &request).ok());
  EXPECT_EQ(SignatureOf(request),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
  EXPECT_EQ(request.headers.Get("X-Amz-Security-Token"), kToken);
}

TEST(SigV4, NormalisesThePathsOfOtherServices) {
  SigV4Options options = SuiteOptions();
  options.path = SigV4Options::Path::kEncodedAgain;
  const std::pair<const char*, const char*> cases[] = {
      {"//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
      {"/example/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"/./", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
  };
  for (const auto& [path, signature] : cases) {
    Request request{.path = path};
    ASSERT_TRUE(SignRequest(options, kSuiteTime, "https://example.amazonaws.com", &request).ok());
    EXPECT_EQ(SignatureOf(request), signature) << path;
  }
}

TEST(SigV4, EncodesThePathsOfOtherServicesAgain) {  // botocore
  SigV4Options options{.credentials = {"AKIDEXAMPLE", kSuiteSecret, "tok/en="},
                       .region = "us-east-1",
                       .service = "glue",
                       .payload_header = SigV4Options::PayloadHeader::kOmitted};
  Request request{.path = "/v1/catalogs/1/namespaces/a%1Fb%20c/tables",
                  .query = {{"pageToken", "x y"}}};
  const char* base = "https://glue.us-east-1.amazonaws.com/iceberg/";
  ASSERT_TRUE(SignRequest(options, kSuiteTime, base, &request).ok());
  EXPECT_EQ(SignatureOf(request),
            "055b5e6cef72019cf9d788764be6b2a07f0edec69cb07281434ad7e909e93296");
}

TEST(SigV4, SignsAnUpload) {  // botocore
  SigV4Options options = S3Signing({"AKIDEXAMPLE", kSuiteSecret, ""}, "eu-west-1");
  Request request{.method = Method::kPut,
                  .path = "/whs/a%20b/%E1%88%B4%2B%3D.parquet",
                  .headers = HeadersOf({{"If-None-Match", "*"}}),
                  .body = "hello"};
  ASSERT_TRUE(SignRequest(options, kSuiteTime, "http://127.0.0.1:8333", &request).ok());
  EXPECT_EQ(SignatureOf(request),
            "7b059db03dee3210908ed94976e45283a69f89c8a59c760faf9ed6262db7646b");
  EXPECT_EQ(request.headers.Get("Host"), "127.0.0.1:8333");
  EXPECT_EQ(request.headers.Get("X-Amz-Content-Sha256"), HexEncode(Sha256("hello")));

  // A signature made again, for a retry, replaces the old one.
  ASSERT_TRUE(SignRequest(options, kSuiteTime + 1s, "http://127.0.0.1:8333", &request).ok());
  EXPECT_EQ(request.headers.Count("Authorization"), 1u);
  EXPECT_EQ(request.headers.Get("X-Amz-Date"), "20150830T123601Z");

  options.payload = SigV4Options::Payload::kUnsigned;
  ASSERT_TRUE(SignRequest(options, kSuiteTime, "http://127.0.0.1:8333", &request).ok());
  EXPECT_EQ(request.headers.Get("X-Amz-Content-Sha256"), "UNSIGNED-PAYLOAD");
}

TEST(SigV4, AgreesWithTheExamplesOfS3) {
  SigV4Options options = S3Signing(
      {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""}, "us-east-1");
  const char* base = "https://examplebucket.s3.amazonaws.com";
  const std::pair<Request, const char*> cases[] = {
      {{.path = "/test.txt", .headers = HeadersOf({{"Range", "bytes=0-9"}})},
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
      {{.method = Method::kPut,
        .path = "/test%24file.text",
        .headers = HeadersOf({{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                              {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}),
        .body = "Welcome to Amazon S3."},
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
      {{.path = "/", .query = {{"lifecycle", ""}}},
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {{.path = "/", .query = {{"max-keys", "2"}, {"prefix", "J"}}},
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
  };
  for (const auto& [request, signature] : cases) {
    Request copy = request;
    ASSERT_TRUE(SignRequest(options, kExampleTime, base, &copy).ok());
    EXPECT_EQ(SignatureOf(copy), signature) << request.path;
  }
  Result<std::string> url = PresignUrl(options, kExampleTime, 24h, base, {.path = "/test.txt"});
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(*url,
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4, PresignsWithASessionToken) {  // botocore
  SigV4Options options = S3Signing({"AKIDEXAMPLE", kSuiteSecret, "tok/en="}, "eu-west-1");
  Request request{.path = "/whs/a%20b", .query = {{"versionId", "7"}}};
  Result<std::string> url = PresignUrl(options, kSuiteTime, 60s, "http://127.0.0.1:8333/", request);
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->starts_with("http://127.0.0.1:8333/whs/a%20b?versionId=7&X-Amz-Algorithm="))
      << *url;
  EXPECT_TRUE(url->ends_with(
      "&X-Amz-Signature=4e89ae2ecefe0d72da237745ae157698aa04e55c8e12a5ee7243af2ca7eb1963"))
      << *url;
}

TEST(SigV4, RefusesWhatCantBeSigned) {
  Request request{.path = "/"};
  SigV4Options options = SuiteOptions();
  EXPECT_EQ(SignRequest(options, kSuiteTime, "ftp://h", &request).code(), Code::kInvalidArgument);
  EXPECT_EQ(PresignUrl(options, kSuiteTime, 0s, "http://h", request).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(PresignUrl(options, kSuiteTime, 169h, "http://h", request).status().code(),
            Code::kInvalidArgument);
  request.path = "/%zz";
  Status broken = SignRequest(options, kSuiteTime, "http://h", &request);
  EXPECT_EQ(broken.code(), Code::kInvalidArgument);
  EXPECT_EQ(broken.ToString().find(kSuiteSecret), std::string::npos);
  options.credentials.access_key_id = "";
  EXPECT_EQ(SignRequest(options, kSuiteTime, "http://h", &request).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine::net
