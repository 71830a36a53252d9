#include "moraine/net/request_parser.h"

#include <gtest/gtest.h>

namespace moraine::net {
namespace {

using Stage = RequestParser::Stage;

/// Feeds in pieces of step bytes, as a socket would give them, until done or failed.
size_t FeedAll(RequestParser& parser, std::string_view bytes, size_t step) {
  size_t begin = 0;
  size_t end = 0;
  while (parser.stage() != Stage::kDone && parser.stage() != Stage::kFailed) {
    size_t used = parser.Feed(bytes.substr(begin, end - begin));
    begin += used;
    bool is_stuck = used == 0 || begin == end;
    if (is_stuck && parser.stage() == Stage::kHeaderDone && begin < end) continue;
    if (is_stuck && end == bytes.size()) break;
    if (is_stuck) end = std::min(bytes.size(), end + step);
  }
  return begin;
}

struct Good {
  std::string_view bytes;
  Method method;
  std::string_view path;
  std::string_view body;
  bool keeps_alive;
};

TEST(RequestParser, ReadsRequestsHoweverTheyAreCut) {
  const Good cases[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Method::kGet, "/", "", true},
      {"\r\n\r\nGET /a?b=c HTTP/1.1\r\n\r\n", Method::kGet, "/a", "", true},
      {"GET / HTTP/1.0\r\n\r\n", Method::kGet, "/", "", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Method::kGet, "/", "", true},
      {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", Method::kGet, "/", "", false},
      {"POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", Method::kPost, "/p", "hello", true},
      {"POST /p HTTP/1.1\r\nContent-Length: 0\r\n\r\n", Method::kPost, "/p", "", true},
      {"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
       "5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nHost: evil\r\nX: y\r\n\r\n",
       Method::kPost, "/p", "hello!", true},
      // An empty chunked body, cut anywhere, once aborted inside Beast.
      {"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Method::kPost, "/p", "",
       true},
      {"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n00A ;x\r\n0123456789\r\n000\r\n\r\n",
       Method::kPost, "/p", "0123456789", true},
      {"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", Method::kPost,
       "/p", "", true},
      {"DELETE http://h:1/x HTTP/1.1\r\nHost: h\r\n\r\n", Method::kDelete, "/x", "", true},
      {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", Method::kOptions, "*", "", true},
  };
  for (const Good& c : cases) {
    for (size_t step : {size_t{1}, size_t{2}, size_t{7}, size_t{1000}}) {
      RequestParser parser({});
      std::string stream = std::string(c.bytes) + "GET /next HTTP/1.1\r\n\r\n";
      size_t used = FeedAll(parser, stream, step);
      ASSERT_EQ(parser.stage(), Stage::kDone) << c.bytes << step << parser.refusal().message;
      EXPECT_EQ(parser.request().method, c.method);
      EXPECT_EQ(parser.request().path, c.path);
      EXPECT_EQ(parser.request().body, c.body);
      EXPECT_EQ(parser.keeps_alive(), c.keeps_alive) << c.bytes;
      EXPECT_FALSE(parser.request().headers.Get("X").has_value()) << "a trailer";
      EXPECT_EQ(used, c.bytes.size()) << c.bytes << step;
      parser.Next();
      FeedAll(parser, std::string_view(stream).substr(used), step);
      ASSERT_EQ(parser.stage(), Stage::kDone);
      EXPECT_EQ(parser.request().path, "/next");
    }
  }
}

TEST(RequestParser, RefusesWhatIsAmbiguousOrMalformed) {
  struct Bad {
    std::string bytes;
    int status;
  };
  const std::string post = "POST /p HTTP/1.1\r\nHost: h\r\n";
  const Bad cases[] = {
      {"\x16\x03\x01\x02junk\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: h\n\n\r\n\r\n", 400},
      {"GET /a b HTTP/1.1\r\n\r\n", 400},
      {"GET / HTPP/1.1\r\n\r\n", 400},
      {"GET /% HTTP/1.1\r\n\r\n", 400},
      {"GET nopath HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"BREW / HTTP/1.1\r\n\r\n", 501},
      {"CONNECT h:80 HTTP/1.1\r\n\r\n", 501},
      {"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n: empty\r\n\r\n", 400},
      {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
      {post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
      {post + "Content-Length: -1\r\n\r\n", 400},
      {post + "Content-Length: 1x\r\n\r\n", 400},
      {post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {post + "Content-Length: 1001\r\n\r\n", 413},
      {post + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n5\nhello", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n0\r\n01.\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + std::string(5000, 't'), 431},
      {post + "Transfer-Encoding: chunked\r\n\r\n1f4\r\n" + std::string(500, 'x') + "\r\n1f5\r\n",
       413},
      {post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello1\r\n!\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", 413},
      {post + "Expect: miracles\r\n\r\n", 417},
      {"GET / HTTP/1.1\r\nX: " + std::string(5000, 'x') + "\r\n\r\n", 431},
      {"GET /" + std::string(5000, 'x') + " HTTP/1.1\r\n\r\n", 431},
  };
  for (const Bad& c : cases) {
    for (size_t step : {size_t{1}, size_t{1000}, size_t{10000}}) {
      RequestParser parser({.header_bytes = 4096, .body_bytes = 1000});
      FeedAll(parser, c.bytes, step);
      EXPECT_EQ(parser.stage(), Stage::kFailed) << c.bytes.substr(0, 200);
      EXPECT_EQ(parser.refusal().status, c.status)
          << c.bytes.substr(0, 200) << step << parser.refusal().message;
    }
  }
}

TEST(RequestParser, KeepsThePathForTheRefusal) {
  RequestParser parser({.header_bytes = 4096, .body_bytes = 10});
  FeedAll(parser, "POST /iceberg/v1 HTTP/1.1\r\nContent-Length: 11\r\n\r\n", 1000);
  EXPECT_EQ(parser.refusal().status, 413);
  EXPECT_EQ(parser.request().path, "/iceberg/v1");
}

TEST(RequestParser, BoundsTheWholeHeaderHoweverItIsCut) {
  for (size_t step : {size_t{1}, size_t{600}, size_t{10'000}}) {
    RequestParser parser({.header_bytes = 1024, .body_bytes = 10});
    std::string line = "GET /" + std::string(700, 'x') + " HTTP/1.1\r\n";
    FeedAll(parser, line + "X: " + std::string(700, 'y') + "\r\n\r\n", step);
    EXPECT_EQ(parser.refusal().status, 431) << step;
  }
}

TEST(RequestParser, BoundsTheNumberOfFields) {
  std::string bytes = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 300; ++i) bytes += "a: b\r\n";
  RequestParser parser({});
  FeedAll(parser, bytes + "\r\n", 100'000);
  EXPECT_EQ(parser.refusal().status, 431);
}

TEST(RequestParser, StopsBehindTheHeader) {
  RequestParser parser({});
  std::string bytes = "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
  size_t used = parser.Feed(bytes + "ab");
  EXPECT_EQ(used, bytes.size());
  EXPECT_EQ(parser.stage(), Stage::kHeaderDone);
  EXPECT_TRUE(parser.expects_continue());
  EXPECT_TRUE(parser.has_body());
  EXPECT_EQ(parser.Feed("ab"), 2u);
  EXPECT_EQ(parser.stage(), Stage::kDone);
}

}  // namespace
}  // namespace moraine::net
