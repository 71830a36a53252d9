#include "moraine/net/router.h"

#include <gtest/gtest.h>

#include "moraine/net/testing/handler_transport.h"

namespace moraine::net {
namespace {

using namespace std::chrono_literals;

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    for (const char* pattern :
         {"/v1/config", "/v1/namespaces", "/v1/{prefix}/namespaces", "/v1/namespaces/{namespace}",
          "/v1/{prefix}/namespaces/{namespace}", "/v1/namespaces/{namespace}/tables/{table}",
          "/v1/{prefix}/namespaces/{namespace}/tables/{table}", "/web/{path...}"}) {
      router_.Add(Method::kGet, pattern, Echo(pattern));
    }
    router_.Add(Method::kPost, "/v1/namespaces", Echo("POST"));
    router_.Add(Method::kDelete, "/v1/{other}/namespaces", Echo("DELETE"));
  }

  /// Answers "pattern|name=value,..." for the names of the pattern.
  static RouteHandler Echo(std::string pattern) {
    return [pattern](Call&, const Request&, const PathParams& params) -> Answer {
      std::string text = pattern;
      for (const char* name : {"prefix", "namespace", "table", "path"}) {
        if (pattern.find(std::string("{") + name) == pattern.npos) continue;
        text += std::string("|") + params.Get(name);
      }
      return Response::Text(200, text);
    };
  }

  Response Send(Method method, std::string path) {
    Call call(SystemEnv(NullLogger()), 10s);
    Request request{.method = method, .path = std::move(path)};
    return AnswerNow(call, router_.Serve(call, request));
  }

  Router router_{FormatRefusal};
};

TEST_F(RouterTest, FindsRoutes) {
  struct Case {
    const char* path;
    const char* body;
  };
  const Case cases[] = {
      {"/v1/config", "/v1/config"},
      {"/v1/namespaces", "/v1/namespaces"},
      {"/v1/w/namespaces", "/v1/{prefix}/namespaces|w"},
      {"/v1/namespaces/a%1Fb",
       "/v1/namespaces/{namespace}|a\x1f"
       "b"},
      {"/v1/namespaces/a%2Fb+c", "/v1/namespaces/{namespace}|a/b c"},
      // A dead end behind the literal: the name takes it.
      {"/v1/namespaces/namespaces/x", "/v1/{prefix}/namespaces/{namespace}|namespaces|x"},
      {"/v1/namespaces/x/tables/tables", "/v1/namespaces/{namespace}/tables/{table}|x|tables"},
      {"/v1/p/namespaces/n/tables/t", "/v1/{prefix}/namespaces/{namespace}/tables/{table}|p|n|t"},
      {"/web/", "/web/{path...}|"},
      {"/web/a/b%20c.js", "/web/{path...}|a/b c.js"},
  };
  for (const Case& c : cases) {
    Response response = Send(Method::kGet, c.path);
    EXPECT_EQ(response.status, 200) << c.path << response.BodyText();
    EXPECT_EQ(response.BodyText(), c.body) << c.path;
    EXPECT_EQ(response.route, std::string(c.body).substr(0, std::string(c.body).find('|')));
  }
}

TEST_F(RouterTest, RefusesWhatItDoesNotKnow) {
  for (const char* path : {"/", "/v1", "/v1/", "/v1/config/", "/v2/config", "/v1/a/b", "*", "/web",
                           "/v1/namespaces/x/tables"}) {
    EXPECT_EQ(Send(Method::kGet, path).status, 404) << path;
  }
  for (const char* path :
       {"/v1/namespaces/", "/v1//namespaces", "/v1/namespaces/%ff", "/v1/namespaces/a%",
        "/v1/namespaces//tables/t", "/web/../etc/passwd", "/web/a/%2e%2e/b", "/web/a%2f..%2fb"}) {
    EXPECT_EQ(Send(Method::kGet, path).status, 400) << path;
  }
}

TEST_F(RouterTest, TellsWhichMethodsAreAllowed) {
  Response response = Send(Method::kPut, "/v1/namespaces");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.Get("Allow"), "GET, HEAD, POST");
  EXPECT_EQ(Send(Method::kPut, "/v1/w/namespaces").headers.Get("Allow"), "GET, HEAD, DELETE");
  EXPECT_EQ(Send(Method::kDelete, "/v1/w/namespaces").BodyText(), "DELETE");
  Response options = Send(Method::kOptions, "/v1/config");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.Get("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(Send(Method::kHead, "/v1/config").status, 200);
}

TEST_F(RouterTest, ListsItsRoutes) {
  EXPECT_EQ(router_.routes().size(), 10u);
  EXPECT_EQ(router_.routes()[0], (Router::RouteName{Method::kGet, "/v1/config"}));
}

TEST_F(RouterTest, LabelsAnswersThatComeLater) {
  router_.Add(Method::kGet, "/poll/{id}", [](Call&, const Request&, const PathParams&) -> Answer {
    auto later = std::make_shared<Later>();
    later->resume = [](Call&, Later::Reason) { return Response::Empty(204); };
    return later;
  });
  Response response = Send(Method::kGet, "/poll/1");
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.route, "/poll/{id}");
}

TEST_F(RouterTest, ServesThroughTheTransportDouble) {
  HandlerTransport transport(router_.AsHandler());
  Call call(SystemEnv(NullLogger()), 10s);
  Request request{.path = "/config"};
  auto response = transport.Send(call, "http://x/v1", request);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->BodyText(), "/v1/config");
  transport.LoseAnswers(1);
  request.method = Method::kPost;
  EXPECT_EQ(transport.Send(call, "http://x/v1", request).status().code(), Code::kCommitUnknown);
  transport.RefuseRequests(1);
  EXPECT_EQ(transport.Send(call, "http://x/v1", request).status().code(), Code::kUnavailable);
  EXPECT_EQ(transport.log().size(), 3u);
}

}  // namespace
}  // namespace moraine::net
