#include "moraine/catalog/request_keys.h"

#include <gtest/gtest.h>

#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

KeyedRequest Keyed(std::string key, std::string principal = "") {
  return {std::move(key), std::move(principal), "POST /x", "digest"};
}

TEST(RequestKeys, AChangeKeepsItsReceiptWithIt) {
  CatalogWorld world;
  RequestKeys& keys = world.catalog().request_keys();
  auto base = world.MakeTable("t");
  Call call = world.call();
  KeyedRequest keyed = Keyed("k");
  LoadedTablePtr committed;
  {
    RequestKeys::Scope scope(keys, call, keyed, 200);
    EXPECT_FALSE(scope.sealed());
    committed = world.catalog()
                    .Commit(call, kTestWarehouse, base->name, SetProperty(*base, "a", "b"), nullptr)
                    .value();
    EXPECT_TRUE(scope.sealed());
  }
  auto kept = keys.Find(call, keyed).value();
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->status, 200);
  EXPECT_EQ(kept->digest, "digest");
  EXPECT_EQ(kept->receipt.tabular_id, committed->table_id);
  EXPECT_EQ(kept->receipt.metadata_location, committed->metadata_location);
  auto text = world.catalog().MetadataOf(call, kept->receipt);
  ASSERT_TRUE(text.ok()) << text.status().ToString();
  EXPECT_EQ(*text->metadata_json, *committed->metadata_json);
  EXPECT_EQ(text->metadata_location, committed->metadata_location);
  // Without a scope nothing is kept; another's key is not seen.
  Call plain = world.call();
  EXPECT_TRUE(world.catalog().CreateNamespace(plain, kTestWarehouse, {"other"}, {}).ok());
  EXPECT_FALSE(keys.Find(call, Keyed("k", "somebody")).value().has_value());
}

TEST(RequestKeys, ASecondChangeUnderAKeyIsUndone) {
  CatalogWorld world;
  RequestKeys& keys = world.catalog().request_keys();
  Call call = world.call();
  KeyedRequest keyed = Keyed("k");
  for (const char* name : {"first", "second"}) {
    RequestKeys::Scope scope(keys, call, keyed, 200);
    Status made = world.catalog().CreateNamespace(call, kTestWarehouse, {name}, {});
    bool is_first = std::string_view(name) == "first";
    EXPECT_EQ(made.code(), is_first ? Code::kOk : Code::kUnavailable) << made.ToString();
    EXPECT_EQ(scope.sealed(), is_first);
  }
  EXPECT_FALSE(world.catalog().LoadNamespace(call, kTestWarehouse, {"second"}).ok());
  EXPECT_EQ(keys.Keep(call, keyed, 404, {}).code(), Code::kAlreadyExists);
}

TEST(RequestKeys, AFailedChangeKeepsNothing) {
  CatalogWorld world;
  RequestKeys& keys = world.catalog().request_keys();
  Call call = world.call();
  KeyedRequest keyed = Keyed("k");
  {
    RequestKeys::Scope scope(keys, call, keyed, 204);
    EXPECT_EQ(world.catalog().DropNamespace(call, kTestWarehouse, {"none"}).code(),
              Code::kNotFound);
    EXPECT_FALSE(scope.sealed());
  }
  EXPECT_FALSE(keys.Find(call, keyed).value().has_value());
  ASSERT_TRUE(keys.Keep(call, keyed, 404, {0, "", "text"}).ok());
  EXPECT_EQ(keys.Find(call, keyed).value()->receipt.answer, "text");
}

TEST(RequestKeys, OldOnesAreForgotten) {
  CatalogWorld world;
  RequestKeys& keys = world.catalog().request_keys();
  Call call = world.call();
  ASSERT_TRUE(keys.Keep(call, Keyed("old"), 204, {}).ok());
  world.env().clock().Advance(std::chrono::minutes(31));
  Call later = world.call();
  ASSERT_TRUE(keys.Keep(later, Keyed("new"), 204, {}).ok());
  ASSERT_TRUE(keys.Trim(later, ToMillis(later.clock().Wall()) - 30 * 60'000).ok());
  EXPECT_FALSE(keys.Find(later, Keyed("old")).value().has_value());
  EXPECT_TRUE(keys.Find(later, Keyed("new")).value().has_value());
  // More than go at once.
  for (int i = 0; i < 1'010; ++i) {
    if (i == 500) world.env().clock().Advance(std::chrono::seconds(1));
    Call each = world.call();
    ASSERT_TRUE(keys.Keep(each, Keyed(std::to_string(i)), 204, {}).ok());
  }
  ASSERT_TRUE(keys.Trim(later, ToMillis(later.clock().Wall()) + 10).ok());
  EXPECT_FALSE(keys.Find(later, Keyed("0")).value().has_value());
  EXPECT_FALSE(keys.Find(later, Keyed("1009")).value().has_value());
}

/// Principals may be longer than an index takes.
TEST(RequestKeys, LongPrincipals) {
  CatalogWorld world;
  RequestKeys& keys = world.catalog().request_keys();
  Call call = world.call();
  std::string name(3'000, 'p');
  ASSERT_TRUE(keys.Keep(call, Keyed("k", name + "1"), 204, {}).ok());
  EXPECT_TRUE(keys.Find(call, Keyed("k", name + "1")).value().has_value());
  EXPECT_FALSE(keys.Find(call, Keyed("k", name + "2")).value().has_value());
}

}  // namespace
}  // namespace moraine::catalog
