#include <gtest/gtest.h>

#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

TEST(Namespaces, AreATreeOfAnyNames) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  const NamespaceName odd = {"a.b", "c d/é%1F", "...", "\xF0\x9F\xA7\x8A"};
  for (size_t depth = 1; depth <= odd.size(); ++depth) {
    NamespaceName name(odd.begin(), odd.begin() + static_cast<ptrdiff_t>(depth));
    ASSERT_TRUE(catalog.CreateNamespace(call, kTestWarehouse, name, {{"depth", "x"}}).ok());
  }
  EXPECT_EQ(catalog.LoadNamespace(call, kTestWarehouse, odd).value(),
            (iceberg::StringMap{{"depth", "x"}}));
  auto top = catalog.ListNamespaces(call, kTestWarehouse, {}, {}).value();
  EXPECT_EQ(top.items, (std::vector<NamespaceName>{{"a.b"}, {"ns"}}));
  auto below = catalog.ListNamespaces(call, kTestWarehouse, {odd[0], odd[1]}, {}).value();
  EXPECT_EQ(below.items, (std::vector<NamespaceName>{{odd[0], odd[1], odd[2]}}));
  // Names that only look alike are other names.
  EXPECT_EQ(catalog.LoadNamespace(call, kTestWarehouse, {"a", "b"}).status().code(),
            Code::kNotFound);
}

TEST(Namespaces, RefuseBadNames) {
  CatalogWorld world;
  Call call = world.call();
  const NamespaceName bad[] = {{},
                               {""},
                               {"a", ""},
                               {std::string("a\0b", 3)},
                               {"a\x1f"
                                "b"},
                               {"a\nb"},
                               {"."},
                               {"a", ".."},
                               {"\xff\xfe"},
                               {"\x7f"},
                               {std::string(2'000, 'x')},
                               NamespaceName(100, "x")};
  for (const auto& name : bad) {
    EXPECT_EQ(world.catalog().CreateNamespace(call, kTestWarehouse, name, {}).code(),
              Code::kInvalidArgument)
        << ToText(name);
  }
}

TEST(Namespaces, ErrorsHaveTheWordsOfTheProtocol) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  world.MakeTable("t");
  struct Case {
    Status status;
    Code code;
    std::string_view message;
    std::string_view exception;
  };
  const Case cases[] = {
      {catalog.CreateNamespace(call, kTestWarehouse, {"ns"}, {}), Code::kAlreadyExists,
       "Namespace already exists: ns", ""},
      {catalog.CreateNamespace(call, kTestWarehouse, {"no", "way"}, {}), Code::kNotFound,
       "Namespace does not exist: no", "NoSuchNamespaceException"},
      {catalog.LoadNamespace(call, kTestWarehouse, {"no", "way"}).status(), Code::kNotFound,
       "Namespace does not exist: no.way", "NoSuchNamespaceException"},
      {catalog.DropNamespace(call, kTestWarehouse, {"ns"}), Code::kConflict,
       "Namespace ns is not empty", "NamespaceNotEmptyException"},
      {catalog.LoadNamespace(call, "elsewhere", {"ns"}).status(), Code::kNotFound,
       "Warehouse does not exist: elsewhere", "NoSuchWarehouseException"},
      {catalog.UpdateNamespace(call, kTestWarehouse, {"ns"}, {{"a", "1"}}, {"a"}).status(),
       Code::kInvalidArgument, "A key is both removed and updated: a",
       "UnprocessableEntityException"},
      {catalog.ListTables(call, kTestWarehouse, {"x"}, {}).status(), Code::kNotFound,
       "Namespace does not exist: x", "NoSuchNamespaceException"},
      {catalog.Load(call, kTestWarehouse, {{"ns"}, "x"}).status(), Code::kNotFound,
       "Table does not exist: ns.x", "NoSuchTableException"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(c.status.code(), c.code) << c.message;
    EXPECT_EQ(c.status.message(), c.message);
    EXPECT_EQ(ExceptionName(c.status), c.exception);
  }
}

TEST(Namespaces, PropertiesChangeAsOne) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  ASSERT_TRUE(catalog.CreateNamespace(call, kTestWarehouse, {"p"}, {{"a", "1"}, {"b", "2"}}).ok());
  auto changes =
      catalog.UpdateNamespace(call, kTestWarehouse, {"p"}, {{"b", "3"}, {"c", "4"}}, {"a", "zz"});
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(changes->updated, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(changes->removed, (std::vector<std::string>{"a"}));
  EXPECT_EQ(changes->missing, (std::vector<std::string>{"zz"}));
  EXPECT_EQ(catalog.LoadNamespace(call, kTestWarehouse, {"p"}).value(),
            (iceberg::StringMap{{"b", "3"}, {"c", "4"}}));
}

TEST(Namespaces, ListInPagesThatSurviveChanges) {
  CatalogWorld world;
  Call call = world.call();
  Catalog& catalog = world.catalog();
  ASSERT_TRUE(catalog.DropNamespace(call, kTestWarehouse, {"ns"}).ok());
  for (char c : std::string("acegik")) {
    ASSERT_TRUE(catalog.CreateNamespace(call, kTestWarehouse, {std::string(1, c)}, {}).ok());
  }
  auto first = catalog.ListNamespaces(call, kTestWarehouse, {}, {"", 3}).value();
  ASSERT_EQ(first.items, (std::vector<NamespaceName>{{"a"}, {"c"}, {"e"}}));
  // The last one of the page goes, one before and one after it come.
  ASSERT_TRUE(catalog.DropNamespace(call, kTestWarehouse, {"e"}).ok());
  ASSERT_TRUE(catalog.CreateNamespace(call, kTestWarehouse, {"b"}, {}).ok());
  ASSERT_TRUE(catalog.CreateNamespace(call, kTestWarehouse, {"f"}, {}).ok());
  auto second = catalog.ListNamespaces(call, kTestWarehouse, {}, {first.next_token, 3}).value();
  EXPECT_EQ(second.items, (std::vector<NamespaceName>{{"f"}, {"g"}, {"i"}}));
  auto third = catalog.ListNamespaces(call, kTestWarehouse, {}, {second.next_token, 3}).value();
  EXPECT_EQ(third.items, (std::vector<NamespaceName>{{"k"}}));
  EXPECT_EQ(third.next_token, "");

  for (const std::string& token : {std::string("zz"), std::string("00"), first.next_token + "0"}) {
    EXPECT_EQ(catalog.ListNamespaces(call, kTestWarehouse, {}, {token, 3}).status().code(),
              Code::kInvalidArgument);
  }
  EXPECT_EQ(catalog.ListTables(call, kTestWarehouse, {"a"}, {first.next_token, 3}).status().code(),
            Code::kInvalidArgument);
}

TEST(Warehouses, NamesCannotBeTakenForRoutes) {
  CatalogWorld world;
  Call call = world.call();
  for (const char* name : {"", "a/b", "namespaces", "config", "tables", "a b", "é"}) {
    Warehouse warehouse;
    warehouse.name = name;
    warehouse.root = "file:///x";
    EXPECT_EQ(world.catalog().PutWarehouse(call, warehouse).code(), Code::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace moraine::catalog
