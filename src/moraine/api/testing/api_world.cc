#include "moraine/api/testing/api_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/api/openapi.h"
#include "moraine/base/config.h"
#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::api {
namespace {

constexpr int kMostTicks = 20;

Json LoadDocument() { return Json::Parse(YamlToJson(OpenApiYaml()).value()).value(); }

}  // namespace

ApiWorld::ApiWorld()
    : receiver_([](Call&, const net::Request&) { return net::Response::Empty(204); }),
      deliveries_(
          [this](Call& call, const net::Request& request) { return receiver_(call, request); }),
      router_([](const net::Refusal& refusal, std::string_view) { return RefusalOf(refusal); }),
      document_(LoadDocument()),
      schema_(document_) {
  optimizing_ = std::make_unique<optimizing::Service>(world_.engine(), world_.disk(),
                                                      world_.store(), world_.options());
  service_ = std::make_unique<Service>(world_.engine(), files_, *optimizing_,
                                       world_.call().clock().Wall());
  events_ = std::make_unique<events::Service>(world_.engine(), world_.store(), deliveries_,
                                              events::Options());
  Call call = world_.call();
  Status opened = events_->Open(call);
  EXPECT_TRUE(opened.ok()) << opened.ToString();
  world_.engine().OnChange([this] { events_->Announce(); });
  maintenance_ = std::make_unique<maintenance::Controls>(world_.engine(), world_.store(),
                                                         maintenance::ControlOptions());
  opened = maintenance_->Open(call);
  EXPECT_TRUE(opened.ok()) << opened.ToString();
  service_->ServeEvents(*events_);
  service_->ServeMaintenance(*maintenance_);
  service_->Register(router_);
}

net::Answer ApiWorld::Serve(net::Method method, const std::string& target, const std::string& body,
                            const net::Headers& headers) {
  auto parsed = net::ParseTarget(target).value();
  net::Request request;
  request.method = method;
  request.path = parsed.path;
  request.query = parsed.query;
  request.body = body;
  request.headers = headers;
  Call call = world_.call();
  return router_.Serve(call, request);
}

net::Response ApiWorld::Send(net::Method method, const std::string& target,
                             const std::string& body) {
  Call call = world_.call();
  net::Response response = net::AnswerNow(call, Serve(method, target, body));
  ExpectDescribed(method, response, target);
  return response;
}

void ApiWorld::ExpectDescribed(net::Method method, const net::Response& response,
                               const std::string& target) {
  std::string where = fmt::format("{} {} -> {}", net::MethodName(method), target, response.status);
  const Json* path = document_.Find("paths")->Find(response.route);
  ASSERT_NE(path, nullptr) << where << ", route " << response.route;
  const Json* operation = path->Find(ToLowerAscii(net::MethodName(method)));
  ASSERT_NE(operation, nullptr) << where;
  const Json& responses = *operation->Find("responses");
  const Json* described = responses.Find(std::to_string(response.status));
  if (described == nullptr && response.status >= 400) described = responses.Find("default");
  ASSERT_NE(described, nullptr) << where << " is not described";
  const Json* content = schema_.Resolve(*described).Find("content");
  if (content == nullptr) {
    EXPECT_EQ(response.BodyText(), "") << where;
    return;
  }
  const Json* json = content->Find("application/json");
  if (json == nullptr) return;
  auto body = Json::Parse(response.BodyText());
  ASSERT_TRUE(body.ok()) << where << ": " << response.BodyText();
  EXPECT_EQ(schema_.Problem(*json->Find("schema"), *body), "") << where << ": " << body->ToString();
}

Json ApiWorld::Get(const std::string& target) {
  net::Response response = Send(net::Method::kGet, target);
  EXPECT_EQ(response.status, 200) << target << ": " << response.BodyText();
  return Json::Parse(response.BodyText()).value();
}

Json ApiWorld::Post(const std::string& target, const std::string& body) {
  net::Response response = Send(net::Method::kPost, target, body);
  EXPECT_EQ(response.status, 200) << target << ": " << response.BodyText();
  return Json::Parse(response.BodyText()).value();
}

void ApiWorld::Settle() {
  for (int i = 0; i < kMostTicks; ++i) {
    Call call = world_.call();
    auto busy = optimizing_->Tick(call);
    ASSERT_TRUE(busy.ok()) << busy.status().ToString();
    if (!*busy) return;
  }
  FAIL() << "the optimizing service never settles";
}

}  // namespace moraine::api
