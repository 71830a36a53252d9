// Holds api/openapi/moraine.yaml against itself, the routes and real answers. The world is that of
// service_test.cc.

#include "moraine/api/openapi.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/api/testing/api_world.h"
#include "moraine/base/text.h"

namespace moraine::api {
namespace {

using net::Method;
using testing::HasSubstr;

/// Every "example" and "examples" of a content object with its schema.
void CollectExamples(const Json& json, std::vector<std::pair<const Json*, const Json*>>* found) {
  if (json.is_array()) {
    for (const auto& item : json.as_array()) CollectExamples(item, found);
  }
  if (!json.is_object()) return;
  if (const Json* schema = json.Find("schema"); schema != nullptr && schema->is_object()) {
    if (const Json* example = json.Find("example")) found->push_back({schema, example});
    if (const Json* examples = json.Find("examples")) {
      for (const auto& [name, example] : examples->as_object()) {
        found->push_back({schema, example.Find("value")});
      }
    }
  }
  for (const auto& [key, value] : json.as_object()) CollectExamples(value, found);
}

void CollectRefs(const Json& json, std::set<std::string>* refs) {
  if (json.is_array()) {
    for (const auto& item : json.as_array()) CollectRefs(item, refs);
  }
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.as_object()) {
    if (key == "$ref") refs->insert(value.as_string());
    CollectRefs(value, refs);
  }
}

TEST(OpenApi, NamesExactlyTheRoutes) {
  ApiWorld world;
  std::set<std::string> described;
  for (const auto& [path, item] : world.document().Find("paths")->as_object()) {
    for (const char* method : {"get", "post", "put", "delete", "patch", "head"}) {
      if (path.starts_with("/api/v1") && item.Find(method) != nullptr) {
        described.insert(fmt::format("{} {}", method, path));
      }
    }
  }
  std::set<std::string> served;
  for (const auto& route : world.router().routes()) {
    if (!route.pattern.starts_with("/api/v1")) continue;
    served.insert(fmt::format("{} {}", ToLowerAscii(net::MethodName(route.method)), route.pattern));
  }
  EXPECT_EQ(described, served);
  EXPECT_GE(served.size(), 19u);
  const Json& paths = *world.document().Find("paths");
  EXPECT_NE(paths.Find("/health"), nullptr);
  EXPECT_NE(paths.Find("/metrics"), nullptr);
}

TEST(OpenApi, DescribesEveryParameterOfEveryPath) {
  ApiWorld world;
  for (const auto& [path, item] : world.document().Find("paths")->as_object()) {
    std::set<std::string> in_path, described;
    for (auto segment : Split(path, '/')) {
      if (segment.starts_with("{")) in_path.emplace(segment.substr(1, segment.size() - 2));
    }
    if (const Json* parameters = item.Find("parameters")) {
      for (const auto& parameter : parameters->as_array()) {
        described.insert(world.schema().Resolve(parameter).Find("name")->as_string());
      }
    }
    EXPECT_EQ(in_path, described) << path;
  }
}

TEST(OpenApi, OperationsHaveNamesOfTheirOwnAndASummary) {
  ApiWorld world;
  std::set<std::string> ids;
  size_t operations = 0;
  for (const auto& [path, item] : world.document().Find("paths")->as_object()) {
    for (const char* method : {"get", "post"}) {
      const Json* operation = item.Find(method);
      if (operation == nullptr) continue;
      ++operations;
      ids.insert(operation->Find("operationId")->as_string());
      EXPECT_FALSE(operation->Find("summary")->as_string().empty()) << path;
      EXPECT_NE(operation->Find("responses"), nullptr) << path;
    }
  }
  EXPECT_EQ(ids.size(), operations);
}

TEST(OpenApi, ReferencesResolveAndEverySchemaIsUsed) {
  ApiWorld world;
  std::set<std::string> refs;
  CollectRefs(world.document(), &refs);
  for (const auto& ref : refs) {
    EXPECT_NE(world.schema().Find(ref), nullptr) << ref;
  }
  const Json& components = *world.document().Find("components");
  for (const char* kind : {"schemas", "responses", "parameters"}) {
    for (const auto& [name, value] : components.Find(kind)->as_object()) {
      EXPECT_TRUE(refs.contains(fmt::format("#/components/{}/{}", kind, name)))
          << kind << " " << name;
    }
  }
}

TEST(OpenApi, ExamplesFitTheirSchemas) {
  ApiWorld world;
  std::vector<std::pair<const Json*, const Json*>> examples;
  CollectExamples(world.document(), &examples);
  EXPECT_GE(examples.size(), 25u);
  for (const auto& [schema, example] : examples) {
    EXPECT_EQ(world.schema().Problem(*schema, *example), "") << example->ToString();
  }
}

TEST(OpenApi, IsServedAsYamlAndAsJson) {
  ApiWorld world;
  net::Response yaml = world.Send(Method::kGet, "/api/v1/openapi.yaml");
  EXPECT_EQ(yaml.status, 200);
  EXPECT_EQ(yaml.headers.Get("Content-Type"), "application/yaml");
  EXPECT_EQ(yaml.headers.Count("Content-Type"), 1u);
  EXPECT_EQ(yaml.BodyText(), OpenApiYaml());
  EXPECT_THAT(yaml.BodyText(), HasSubstr("openapi: 3.1.0"));
  net::Response json = world.Send(Method::kGet, "/api/v1/openapi.json");
  EXPECT_EQ(json.status, 200);
  EXPECT_EQ(Json::Parse(json.BodyText()).value(), world.document());
  EXPECT_EQ(world.document().Find("info")->Find("version")->as_string(), "1");
}

/// The validator itself must refuse, or the tests above prove nothing.
TEST(SchemaCheck, RefusesWhatDoesNotFit) {
  Json document = Json::Parse(R"({"components":{"schemas":{
    "Name":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}},
    "Thing":{"allOf":[{"$ref":"#/components/schemas/Name"},
      {"type":"object","required":["size"],"properties":{"size":{"type":"integer","minimum":1,"maximum":9},
       "kind":{"type":"string","enum":["a","b"]},"list":{"type":"array","items":{"type":"boolean"}},
       "map":{"type":"object","additionalProperties":{"type":"string"}}}}]}}}})")
                      .value();
  SchemaCheck check(document);
  Json schema = Json::Parse(R"({"$ref":"#/components/schemas/Thing"})").value();
  struct Case {
    const char* value;
    const char* problem;  // "": it fits
  };
  const Case cases[] = {
      {R"({"name":"x","size":1})", ""},
      {R"({"name":"x","size":9,"kind":"a","list":[true],"map":{"k":"v"}})", ""},
      {R"({"size":1})", "name: missing"},
      {R"({"name":"x"})", "size: missing"},
      {R"({"name":1,"size":1})", "name: expected string"},
      {R"({"name":"x","size":"1"})", "size: expected integer"},
      {R"({"name":"x","size":1.5})", "size: expected integer"},
      {R"({"name":"x","size":0})", "size: below the minimum"},
      {R"({"name":"x","size":10})", "size: above the maximum"},
      {R"({"name":"x","size":1,"kind":"c"})", "kind: not in the enum"},
      {R"({"name":"x","size":1,"list":[true,1]})", "list[1]: expected boolean"},
      {R"({"name":"x","size":1,"map":{"k":1}})", "map.k: expected string"},
      {R"({"name":"x","size":1,"more":1})", "more: not described"},
      {R"([])", "expected object"},
  };
  EXPECT_THAT(check.NeverSeen({&schema}),
              testing::UnorderedElementsAre("Name.name", "Thing.size", "Thing.kind", "Thing.list",
                                            "Thing.map"));
  EXPECT_EQ(check.Problem(schema, Json::Parse(cases[0].value).value()), "");
  EXPECT_THAT(check.NeverSeen({&schema}),
              testing::UnorderedElementsAre("Thing.kind", "Thing.list", "Thing.map"));
  for (const auto& c : cases) {
    Json value = Json::Parse(c.value).value();
    if (*c.problem == '\0') {
      EXPECT_EQ(check.Problem(schema, value), "") << c.value;
    } else {
      EXPECT_THAT(check.Problem(schema, value), HasSubstr(c.problem)) << c.value;
    }
  }
}

}  // namespace
}  // namespace moraine::api
