// Holds api/openapi/iceberg-rest.yaml against itself and the routes. Real answers are held against
// it by tests/engines/test_requests_at_random.py.

#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/config.h"
#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"

namespace moraine::rest {
namespace {

constexpr std::string_view kBase = "/iceberg/v1/";
constexpr std::string_view kPrefixed = "/iceberg/v1/{prefix}/";
constexpr const char* kMethods[] = {"get", "head", "post", "put", "delete", "patch"};

Json Document() {
  std::ifstream file(MORAINE_TEST_DATA_DIR "/../api/openapi/iceberg-rest.yaml");
  std::stringstream text;
  text << file.rdbuf();
  return Json::Parse(YamlToJson(text.str()).value()).value();
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

/// What "#/a/b" names, or nullptr.
const Json* Follow(const Json& document, std::string_view ref) {
  const Json* at = &document;
  for (auto part : Split(ref.substr(2), '/')) {
    if (at != nullptr) at = at->Find(part);
  }
  return at;
}

TEST(RestOpenApi, NamesExactlyTheRoutes) {
  const Json document = Document();
  std::set<std::string> described;
  for (const auto& [path, item] : document.Find("paths")->as_object()) {
    for (const char* method : kMethods) {
      if (item.Find(method) != nullptr) described.insert(fmt::format("{} {}", method, path));
    }
  }
  catalog::CatalogWorld world;
  Service service(world.catalog(), {});
  net::Router router(RefusalOf);
  service.Register(router);
  std::set<std::string> served, prefixed, bare;
  for (const auto& route : router.routes()) {
    std::string method = ToLowerAscii(net::MethodName(route.method));
    std::string_view pattern = route.pattern;
    if (pattern.starts_with(kPrefixed)) {
      served.insert(fmt::format("{} {}", method, pattern));
      prefixed.insert(fmt::format("{} {}", method, pattern.substr(kPrefixed.size())));
    } else if (pattern == "/iceberg/v1/config") {
      served.insert(fmt::format("{} {}", method, pattern));
    } else if (pattern.starts_with(kBase)) {
      bare.insert(fmt::format("{} {}", method, pattern.substr(kBase.size())));
    }
  }
  EXPECT_EQ(described, served);
  EXPECT_GE(served.size(), 34u);
  EXPECT_EQ(bare, prefixed) << "every path is served with and without a prefix";
}

TEST(RestOpenApi, DescribesEveryParameterOfEveryPath) {
  const Json document = Document();
  for (const auto& [path, item] : document.Find("paths")->as_object()) {
    std::set<std::string> in_path, described;
    for (auto segment : Split(path, '/')) {
      if (segment.starts_with("{")) in_path.emplace(segment.substr(1, segment.size() - 2));
    }
    if (const Json* parameters = item.Find("parameters")) {
      for (const auto& parameter : parameters->as_array()) {
        const Json* named = Follow(document, parameter.Find("$ref")->as_string());
        ASSERT_NE(named, nullptr) << path;
        described.insert(named->Find("name")->as_string());
      }
    }
    EXPECT_EQ(in_path, described) << path;
  }
}

TEST(RestOpenApi, OperationsHaveNamesOfTheirOwnAndASummary) {
  const Json document = Document();
  std::set<std::string> ids;
  size_t operations = 0;
  for (const auto& [path, item] : document.Find("paths")->as_object()) {
    for (const char* method : kMethods) {
      const Json* operation = item.Find(method);
      if (operation == nullptr) continue;
      ++operations;
      ids.insert(operation->Find("operationId")->as_string());
      EXPECT_FALSE(operation->Find("summary")->as_string().empty()) << path;
      EXPECT_NE(operation->Find("responses")->Find("default"), nullptr) << path;
    }
  }
  EXPECT_EQ(ids.size(), operations);
}

TEST(RestOpenApi, ReferencesResolveAndEveryComponentIsUsed) {
  const Json document = Document();
  std::set<std::string> refs;
  CollectRefs(document, &refs);
  for (const auto& ref : refs) EXPECT_NE(Follow(document, ref), nullptr) << ref;
  const Json& components = *document.Find("components");
  for (const char* kind : {"schemas", "responses", "parameters"}) {
    for (const auto& [name, value] : components.Find(kind)->as_object()) {
      EXPECT_TRUE(refs.contains(fmt::format("#/components/{}/{}", kind, name)))
          << kind << " " << name;
    }
  }
}

}  // namespace
}  // namespace moraine::rest
