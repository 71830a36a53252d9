#include <gtest/gtest.h>

#include "moraine/base/gzip.h"
#include "moraine/net/server_core_internal.h"

namespace moraine::net {
namespace {

Request WithBody(std::string body, const std::string& coding) {
  Request request;
  request.body = std::move(body);
  if (!coding.empty()) request.headers.Add("Content-Encoding", coding);
  return request;
}

TEST(ServerCore, UnpacksBodiesWithinTheLimit) {
  std::string_view text = "some text that is packed";
  std::string packed = GzipCompress({&text, 1}, 6);
  for (const char* coding : {"gzip", "x-gzip", "GZIP"}) {
    Request request = WithBody(packed, coding);
    EXPECT_FALSE(DecodeBody(&request, 100).has_value()) << coding;
    EXPECT_EQ(request.body, text);
  }
  Request plain = WithBody("plain", "");
  EXPECT_FALSE(DecodeBody(&plain, 1).has_value());
  EXPECT_EQ(plain.body, "plain");
  Request large = WithBody(packed, "gzip");
  EXPECT_EQ(DecodeBody(&large, text.size() - 1)->status, 413);
  Request broken = WithBody("not packed", "gzip");
  EXPECT_EQ(DecodeBody(&broken, 100)->status, 400);
  Request unknown = WithBody("x", "br");
  EXPECT_EQ(DecodeBody(&unknown, 100)->status, 415);
  Request empty = WithBody("", "br");
  EXPECT_FALSE(DecodeBody(&empty, 100).has_value());
}

TEST(ServerCore, TimesOfReadsFollowThePhase) {
  ServerOptions options;
  RequestParser parser({});
  EXPECT_EQ(PhaseOf(parser, Buffered::kNo), ReadPhase::kIdle);
  EXPECT_EQ(PhaseOf(parser, Buffered::kYes), ReadPhase::kHeader);
  constexpr std::string_view kHead = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
  parser.Feed(kHead);
  EXPECT_EQ(PhaseOf(parser, Buffered::kNo), ReadPhase::kBody);
  EXPECT_EQ(TimeFor(options, ReadPhase::kIdle, 0), options.idle_timeout);
  EXPECT_EQ(TimeFor(options, ReadPhase::kHeader, 0), options.header_timeout);
  EXPECT_EQ(TimeFor(options, ReadPhase::kBody, 0), options.body_timeout);
  // A second more for each 16 KiB that came.
  EXPECT_EQ(TimeFor(options, ReadPhase::kBody, 64 << 10),
            options.body_timeout + std::chrono::seconds(4));
  EXPECT_EQ(TimeForAnswer(options, 0), options.write_timeout);
  EXPECT_EQ(TimeForAnswer(options, 64 << 10), options.write_timeout + std::chrono::seconds(4));
}

}  // namespace
}  // namespace moraine::net
