#include "moraine/net/response_head.h"

#include <gtest/gtest.h>

#include "moraine/base/gzip.h"
#include "moraine/net/trace_id.h"

namespace moraine::net {
namespace {

TEST(ResponseHead, WritesDates) {
  EXPECT_EQ(HttpDate(FromMillis(784111777000)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(HttpDate(FromMillis(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(HttpDate(FromMillis(1709164799999)), "Wed, 28 Feb 2024 23:59:59 GMT");
}

TEST(ResponseHead, OwnsItsFieldsAndLetsNoLineBreakThrough) {
  Response response = Response::Text(200, "body");
  response.headers.Add("Content-Length", "99");
  response.headers.Add("TRANSFER-ENCODING", "chunked");
  response.headers.Add("X-Note", "a\r\nSet-Cookie: b");
  EXPECT_EQ(
      MakeResponseHead(response, {.use = ConnectionUse::kClose, .date = "D", .trace_id = "T"}),
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "X-Note: a  Set-Cookie: b\r\nDate: D\r\nX-Request-ID: T\r\n"
      "X-Content-Type-Options: nosniff\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(MakeResponseHead(Response::Empty(204), {.date = "D"}),
            "HTTP/1.1 204 No Content\r\nDate: D\r\nX-Content-Type-Options: nosniff\r\n\r\n");
  EXPECT_TRUE(MakeResponseHead(Response::Empty(7), {}).starts_with("HTTP/1.1 500 "));
}

TEST(ResponseHead, KnowsWhoAcceptsGzip) {
  struct Case {
    const char* value;
    bool accepts;
  };
  const Case cases[] = {{"gzip", true},
                        {"GZIP, deflate", true},
                        {"deflate, gzip;q=0.5", true},
                        {"gzip;q=0", false},
                        {"gzip; q=0.000", false},
                        {"gzip;q=0.001", true},
                        {"*", true},
                        {"*;q=0", false},
                        {"gzip;q=0, *", false},
                        {"identity", false},
                        {"", false},
                        {"x-gzip-like", false}};
  for (const Case& c : cases) {
    Headers headers;
    headers.Add("Accept-Encoding", c.value);
    EXPECT_EQ(AcceptsGzip(headers), c.accepts) << c.value;
  }
  EXPECT_FALSE(AcceptsGzip({}));
}

TEST(ResponseHead, CompressesLargeJson) {
  Request request;
  request.headers.Add("Accept-Encoding", "gzip");
  std::string text(5000, 'x');
  auto make = [&](size_t size) { return Response::Json(200, text.substr(0, size)); };

  Response large = make(5000);
  large.body.push_back(std::make_shared<const std::string>("tail"));
  CompressResponse(request, 1024, &large);
  EXPECT_EQ(large.headers.Get("Content-Encoding"), "gzip");
  EXPECT_EQ(*GzipDecompress(large.BodyText(), 10000), text + "tail");

  Response small = make(1024);
  CompressResponse(request, 1024, &small);
  Response never = make(5000);
  never.compression = Response::Compression::kNever;
  CompressResponse(request, 1024, &never);
  Response binary = make(5000);
  binary.headers.Set("Content-Type", "application/octet-stream");
  CompressResponse(request, 1024, &binary);
  Response unasked = make(5000);
  CompressResponse(Request{}, 1024, &unasked);
  for (const Response* response : {&small, &never, &binary, &unasked}) {
    EXPECT_FALSE(response->headers.Get("Content-Encoding").has_value());
  }
  EXPECT_EQ(unasked.headers.Get("Vary"), "Accept-Encoding");
}

TEST(TraceId, IsTheClientsOrNew) {
  auto trace = [](const char* name, const char* value) {
    Headers headers;
    headers.Add(name, value);
    return TraceIdOf(headers, SystemRandom());
  };
  EXPECT_EQ(trace("X-Request-ID", "abc-1.2"), "abc-1.2");
  EXPECT_EQ(trace("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            "4bf92f3577b34da6a3ce929d0e0e4736");
  for (const char* bad : {"", "a b", "a\"b", "\x01"}) {
    EXPECT_EQ(trace("X-Request-ID", bad).size(), 32u) << bad;
  }
  EXPECT_EQ(trace("X-Request-ID", std::string(129, 'a').c_str()).size(), 32u);
  EXPECT_NE(trace("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            "00000000000000000000000000000000");
  EXPECT_NE(trace("a", "b"), trace("a", "b"));
}

}  // namespace
}  // namespace moraine::net
