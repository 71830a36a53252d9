#include "moraine/catalog/s3_signing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/net/digest.h"

namespace moraine::catalog {
namespace {

using testing::HasSubstr;

const WallTime kNow = FromMillis(1'700'000'000'000);

Warehouse Signing() {
  return {.name = "w",
          .root = "s3://lake/w",
          .allowed_locations = {"s3://lake/w"},
          .storage = {{"s3.endpoint", "http://127.0.0.1:8333"},
                      {"s3.region", "eu"},
                      {"s3.access-key-id", "ID"},
                      {"s3.secret-access-key", "hush"}},
          .clients = {.remote_signing = true}};
}

SignRequest Asking(std::string method, std::string uri) {
  SignRequest request;
  request.region = "eu";
  request.method = std::move(method);
  request.uri = std::move(uri);
  return request;
}

Result<SignedRequest> Sign(const SignRequest& request, const Warehouse& warehouse = Signing()) {
  return SignForTable(kNow, warehouse, {"s3://lake/w/t-1", "s3://lake/w/more"}, request);
}

Code CodeOf(std::string method, std::string path) {
  auto done = Sign(Asking(std::move(method), "http://127.0.0.1:8333" + path));
  if (!done.ok()) {
    EXPECT_THAT(done.status().message(), testing::Not(HasSubstr("hush")));
  }
  return done.status().code();
}

TEST(S3Signing, SignsRequestsForTheObjectsOfTheTable) {
  struct Case {
    const char* method;
    const char* path;
    bool reusable;
  };
  for (const Case& c : {
           Case{"GET", "/lake/w/t-1/data/a.parquet", true},
           Case{"HEAD", "/lake/w/t-1/data/a%20b.parquet", true},
           Case{"GET", "/lake/w/more/a.parquet?partNumber=2&versionId=x&x-id=GetObject", true},
           Case{"PUT", "/lake/w/t-1/a%2Bb", false},
           Case{"PUT", "/lake/w/t-1/a?partNumber=1&uploadId=u", false},
           Case{"POST", "/lake/w/t-1/a?uploads", false},
           Case{"POST", "/lake/w/t-1/a?uploads=", false},
           Case{"POST", "/lake/w/t-1/a?uploadId=u", false},
           Case{"DELETE", "/lake/w/t-1/a", false},
           Case{"DELETE", "/lake/w/t-1/a?uploadId=u&x-id=AbortMultipartUpload", false},
           Case{"GET", "/lake?list-type=2&prefix=w%2Ft-1%2Fdata&delimiter=%2F&encoding-type=url",
                false},
           Case{"GET", "/lake/?list-type=2&prefix=w/t-1/", false},
       }) {
    auto done = Sign(Asking(c.method, std::string("http://127.0.0.1:8333") + c.path));
    ASSERT_TRUE(done.ok()) << c.method << " " << c.path << ": " << done.status().ToString();
    EXPECT_EQ(done->is_reusable, c.reusable) << c.path;
    EXPECT_EQ(done->uri, std::string("http://127.0.0.1:8333") + c.path);
    EXPECT_THAT(std::string(done->headers.Get("Authorization").value()),
                testing::StartsWith("AWS4-HMAC-SHA256 Credential=ID/20231114/eu/s3/aws4_request, "
                                    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "));
    EXPECT_EQ(done->headers.Get("X-Amz-Content-Sha256"), "UNSIGNED-PAYLOAD");
    EXPECT_EQ(done->headers.Get("X-Amz-Date"), "20231114T221320Z");
  }
}

TEST(S3Signing, RefusesEverythingElse) {
  constexpr Code kDenied = Code::kPermissionDenied;
  constexpr Code kBad = Code::kInvalidArgument;
  struct Case {
    const char* method;
    const char* path;
    Code code;
  };
  for (const Case& c : {
           // Other places.
           Case{"GET", "/lake/w/t-2/a", kDenied},
           Case{"GET", "/lake/w/t-1", kDenied},
           Case{"GET", "/lake/w/t-10/a", kDenied},
           Case{"GET", "/lake/x", kDenied},
           Case{"GET", "/pond/w/t-1/a", kDenied},
           Case{"GET", "/lake//w/t-1/a", kDenied},
           Case{"GET", "//lake/w/t-1/a", kDenied},
           Case{"GET", "/lake%2Fw/t-1/a", kDenied},
           Case{"GET", "/", kDenied},
           // Ways out.
           Case{"GET", "/lake/w/t-1/../t-2/a", kDenied},
           Case{"GET", "/lake/w/t-1/%2e%2e/t-2/a", kDenied},
           Case{"GET", "/lake/w/t-1/..%2Ft-2/a", kDenied},
           Case{"GET", "/lake/w/t-1/%252e%252e/t-2/a", kDenied},
           Case{"GET", "/lake/w/t-1/%25252e./t-2/a", kDenied},
           Case{"GET", "/lake/w/t-1/..%5Ct-2/a", kDenied},
           Case{"GET", "/lake/w/t-1/./a", kDenied},
           Case{"GET", "/lake/w/t-1/a%00b", kDenied},
           Case{"GET", "/lake/w/t-1/a%0Ab", kDenied},
           Case{"GET", "/lake/w/t-1/%FF", kDenied},
           Case{"GET", "/lake/w/t-1/a+b", kBad},
           Case{"GET", "/lake/w/t-1/a%zz", kBad},
           Case{"GET", "/lake/w/t-1/a#b", kBad},
           Case{"GET", "/lake/w/t-1\\..\\a", kBad},
           // What is no object's data.
           Case{"GET", "/lake/w/t-1/a?acl", kDenied},
           Case{"PUT", "/lake/w/t-1/a?acl", kDenied},
           Case{"GET", "/lake/w/t-1/a?response-content-type=x", kDenied},
           Case{"PUT", "/lake/w/t-1/a?tagging", kDenied},
           Case{"PUT", "/lake/w/t-1/a?uploadId=u", kDenied},
           Case{"PUT", "/lake/w/t-1/a?partNumber=1", kDenied},
           Case{"PUT", "/lake/w/t-1/a?renameObject", kDenied},
           Case{"POST", "/lake/w/t-1/a", kDenied},
           Case{"POST", "/lake/w/t-1/a?select&select-type=2", kDenied},
           Case{"DELETE", "/lake/w/t-1/a?versionId=x", kDenied},
           Case{"GET", "/lake/w/t-1/a?X-Amz-Signature=x", kDenied},
           Case{"PATCH", "/lake/w/t-1/a", kDenied},
           Case{"OPTIONS", "/lake/w/t-1/a", kDenied},
           Case{"BREW", "/lake/w/t-1/a", kBad},
           // Buckets.
           Case{"GET", "/lake", kDenied},
           Case{"GET", "/lake?list-type=2", kDenied},
           Case{"GET", "/lake?list-type=2&prefix=", kDenied},
           Case{"GET", "/lake?list-type=2&prefix=w/", kDenied},
           Case{"GET", "/lake?list-type=2&prefix=w/t-1", kDenied},
           Case{"GET", "/lake?list-type=2&prefix=w/t-1/../", kDenied},
           Case{"GET", "/lake?list-type=2&prefix=w/t-1/&prefix=", kBad},
           Case{"GET", "/lake?list-type=2&prefix=w/t-1/&%70refix=", kBad},
           Case{"GET", "/lake?list-type=2&prefix=w/t-1/+", kBad},
           Case{"GET", "/lake?versions&prefix=w/t-1/", kDenied},
           Case{"GET", "/lake?uploads&prefix=w/t-1/", kDenied},
           Case{"GET", "/lake?list-type=3&prefix=w/t-1/", kDenied},
           Case{"HEAD", "/lake", kDenied},
           Case{"DELETE", "/lake", kDenied},
           Case{"PUT", "/lake", kDenied},
           Case{"POST", "/lake?delete", kBad},
       }) {
    EXPECT_EQ(CodeOf(c.method, c.path), c.code) << c.method << " " << c.path;
  }
}

TEST(S3Signing, OnlyForTheStoreItself) {
  auto code = [](const char* uri) { return Sign(Asking("GET", uri)).status().code(); };
  EXPECT_EQ(code("http://127.0.0.1:8333/lake/w/t-1/a"), Code::kOk);
  EXPECT_EQ(code("http://lake.127.0.0.1:8333/w/t-1/a"), Code::kOk);
  for (const char* uri :
       {"https://127.0.0.1:8333/lake/w/t-1/a", "http://127.0.0.1:8334/lake/w/t-1/a",
        "http://127.0.0.2:8333/lake/w/t-1/a", "http://127.0.0.1/lake/w/t-1/a",
        "http://pond.127.0.0.1:8333/lake/w/t-1/a", "http://x.lake.127.0.0.1:8333/w/t-1/a"}) {
    EXPECT_EQ(code(uri), Code::kPermissionDenied) << uri;
  }
  for (const char* uri :
       {"", "lake/w/t-1/a", "s3://lake/w/t-1/a", "http://u:p@127.0.0.1:8333/lake/w/t-1/a",
        "http://127.0.0.1:8333@evil/lake/w/t-1/a", "http://127.0.0.1:8333/lake/w/t-1/a b"}) {
    EXPECT_EQ(code(uri), Code::kInvalidArgument) << uri;
  }
  auto other_region = Asking("GET", "http://127.0.0.1:8333/lake/w/t-1/a");
  other_region.region = "us-east-1";
  EXPECT_THAT(Sign(other_region).status().message(), HasSubstr("region: the store is in eu"));
}

TEST(S3Signing, KnowsAmazonsHosts) {
  Warehouse amazon = Signing();
  amazon.storage.erase("s3.endpoint");
  auto code = [&](const char* uri) { return Sign(Asking("GET", uri), amazon).status().code(); };
  for (const char* uri :
       {"https://lake.s3.eu.amazonaws.com/w/t-1/a", "https://s3.eu.amazonaws.com/lake/w/t-1/a",
        "https://lake.s3.dualstack.eu.amazonaws.com/w/t-1/a"}) {
    EXPECT_EQ(code(uri), Code::kOk) << uri;
  }
  for (const char* uri :
       {"http://lake.s3.eu.amazonaws.com/w/t-1/a", "https://lake.s3.us.amazonaws.com/w/t-1/a",
        "https://s3.amazonaws.com/lake/w/t-1/a", "https://lake.s3.eu.amazonaws.com.evil/w/t-1/a"}) {
    EXPECT_EQ(code(uri), Code::kPermissionDenied) << uri;
  }
}

TEST(S3Signing, WarehousesThatDoNotSignSaySo) {
  Warehouse off = Signing();
  off.clients.remote_signing = false;
  SignRequest request = Asking("GET", "http://127.0.0.1:8333/lake/w/t-1/a");
  EXPECT_EQ(Sign(request, off).status().code(), Code::kUnsupported);
  Warehouse keyless = Signing();
  keyless.storage.erase("s3.access-key-id");
  keyless.storage.erase("s3.secret-access-key");
  EXPECT_EQ(Sign(request, keyless).status().code(), Code::kUnsupported);
}

TEST(S3Signing, HeadersOfTheStoreAreSignedOrRefused) {
  SignRequest request = Asking("PUT", "http://127.0.0.1:8333/lake/w/t-1/a");
  request.headers.Add("X-Amz-Checksum-CRC32", "AAAAAA==");
  request.headers.Add("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==");
  request.headers.Add("User-Agent", "x");
  request.headers.Add("Range", "bytes=0-1");
  request.headers.Add("X-Amz-Content-SHA256", std::string(64, 'a'));
  request.headers.Add("X-Amz-Security-Token", "of the client");
  auto done = Sign(request);
  ASSERT_TRUE(done.ok()) << done.status().ToString();
  EXPECT_THAT(std::string(done->headers.Get("Authorization").value()),
              HasSubstr("SignedHeaders=content-md5;host;x-amz-checksum-crc32;x-amz-content-sha256;"
                        "x-amz-date,"));
  EXPECT_FALSE(done->headers.Get("X-Amz-Content-Sha256")) << "the client has it already";

  for (auto [name, value] :
       {std::pair("x-amz-acl", "public-read"), std::pair("x-amz-grant-read", "uri=x"),
        std::pair("X-Amz-Copy-Source", "/lake/w/t-2/a"),
        std::pair("x-amz-copy-source", "lake/w/t-1/..%2Ft-2/a"),
        std::pair("x-amz-copy-source", "pond/w/t-1/a"),
        std::pair("x-amz-copy-source", "arn:aws:s3:::lake/w/t-1/a"),
        std::pair("x-amz-copy-source", "lake/w/t-1/a?versionId=3"),
        std::pair("x-amz-bypass-governance-retention", "true"),
        std::pair("x-amz-website-redirect-location", "/x"), std::pair("x-amz-rename-source", "/x"),
        std::pair("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")}) {
    SignRequest bad = Asking("PUT", "http://127.0.0.1:8333/lake/w/t-1/a");
    bad.headers.Add(name, value);
    EXPECT_EQ(Sign(bad).status().code(), Code::kPermissionDenied) << name << ": " << value;
  }
  SignRequest copy = Asking("PUT", "http://127.0.0.1:8333/lake/w/t-1/a");
  copy.headers.Add("x-amz-copy-source", "/lake/w/more/b%20c");
  EXPECT_TRUE(Sign(copy).ok());
  copy.headers.Add("x-amz-copy-source", "/lake/w/more/d");
  EXPECT_EQ(Sign(copy).status().code(), Code::kInvalidArgument) << "the same header twice";
  SignRequest broken = Asking("PUT", "http://127.0.0.1:8333/lake/w/t-1/a");
  broken.headers.Add("x-amz-meta-a", "b\nx-amz-acl:public-read");
  EXPECT_EQ(Sign(broken).status().code(), Code::kInvalidArgument);
}

/// As botocore 1.43 sends them for a client that has no keys.
TEST(S3Signing, UploadsOfBotocoreAreSigned) {
  SignRequest request = Asking("PUT", "http://127.0.0.1:8333/lake/w/t-1/a");
  request.headers.Add("User-Agent", "aiobotocore/3.10.0");
  request.headers.Add("Expect", "100-continue");
  request.headers.Add("x-amz-checksum-crc32", "SX1w2w==");
  request.headers.Add("x-amz-sdk-checksum-algorithm", "CRC32");
  auto done = Sign(request);
  ASSERT_TRUE(done.ok()) << done.status().ToString();
  EXPECT_EQ(done->headers.Get("X-Amz-Content-Sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_THAT(std::string(done->headers.Get("Authorization").value()),
              HasSubstr("SignedHeaders=host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;"
                        "x-amz-sdk-checksum-algorithm,"));

  Warehouse amazon = Signing();
  amazon.storage.erase("s3.endpoint");
  request = Asking("PUT", "https://lake.s3.eu.amazonaws.com/w/t-1/a");
  request.headers.Add("Transfer-Encoding", "chunked");
  request.headers.Add("Content-Encoding", "aws-chunked");
  request.headers.Add("X-Amz-Trailer", "x-amz-checksum-crc32");
  request.headers.Add("X-Amz-Decoded-Content-Length", "17");
  request.headers.Add("x-amz-sdk-checksum-algorithm", "CRC32");
  done = Sign(request, amazon);
  ASSERT_TRUE(done.ok()) << done.status().ToString();
  EXPECT_EQ(done->headers.Get("X-Amz-Content-Sha256"), "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
  EXPECT_THAT(
      std::string(done->headers.Get("Authorization").value()),
      HasSubstr("SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
                "x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer,"));
}

Result<SignedRequest> Delete(const std::string& body) {
  SignRequest request = Asking("POST", "http://127.0.0.1:8333/lake?delete=");
  request.body = body;
  request.headers.Add("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
  return Sign(request);
}

TEST(S3Signing, DeletionsOfManyAreBoundToTheirBody) {
  std::string body =
      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>w/t-1/a&amp;b</Key>"
      "</Object><Object><Key>w/more/c</Key></Object><Quiet>true</Quiet></Delete>";
  auto done = Delete(body);
  ASSERT_TRUE(done.ok()) << done.status().ToString();
  EXPECT_EQ(done->headers.Get("X-Amz-Content-Sha256"), HexEncode(net::Sha256(body)));
  EXPECT_FALSE(done->is_reusable);
  for (const char* inner :
       {"<Object><Key>w/t-2/a</Key></Object>", "<Object><Key>w/t-1</Key></Object>",
        "<Object><Key>w/t-1/a</Key></Object><Object><Key>x</Key></Object>",
        "<Object><Key>w/t-1/../t-2/a</Key></Object>",
        "<Object><Key>w/t-1/a</Key><Key>x</Key></Object>",
        "<Object><Key>w/t-1/a</Key><VersionId>1</VersionId></Object>",
        "<Object><Key>w/t-1/<b>a</b></Key></Object>", "<Object></Object>",
        "<Other><Key>w/t-1/a</Key></Other>", "<!-- x --><Object><Key>w/t-1/a</Key></Object>",
        "<Object><Key><![CDATA[w/t-1/a]]></Key></Object>"}) {
    EXPECT_EQ(Delete(std::string("<Delete>") + inner + "</Delete>").status().code(),
              Code::kPermissionDenied)
        << inner;
  }
  for (const char* bad : {"", "x", "<Delete>", "<Delete></Delete>", "<Remove></Remove>"}) {
    EXPECT_EQ(Delete(bad).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(S3Signing, TellsReadersFromWriters) {
  EXPECT_EQ(UseOf(Asking("GET", "")).value(), StorageUse::kRead);
  EXPECT_EQ(UseOf(Asking("HEAD", "")).value(), StorageUse::kRead);
  for (const char* method : {"PUT", "POST", "DELETE"}) {
    EXPECT_EQ(UseOf(Asking(method, "")).value(), StorageUse::kWrite);
  }
}

}  // namespace
}  // namespace moraine::catalog
