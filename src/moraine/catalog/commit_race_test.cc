#include <atomic>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/metrics.h"
#include "moraine/catalog/metadata_cache.h"
#include "moraine/catalog/table_turns.h"
#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

using testing::TestClock;
using testing::TestEnv;

/// A catalog over a database file and the disk; further ones share them as other processes would.
struct DiskWorld {
  DiskWorld() : folder(std::filesystem::path(testing::TempDir()) / "catalog_race_test") {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    Call call = env.call();
    database = store::OpenDatabase(call, "sqlite:///" + (folder / "store.db").string(), {}).value();
    files = io::MakeLocalFileSystem();
    catalog = Another();
    Warehouse warehouse;
    warehouse.name = kTestWarehouse;
    warehouse.root = "file://" + (folder / "wh").string();
    EXPECT_TRUE(catalog->PutWarehouse(call, warehouse).ok());
    EXPECT_TRUE(catalog->CreateNamespace(call, kTestWarehouse, {"ns"}, {}).ok());
    EXPECT_TRUE(catalog->Create(call, kTestWarehouse, SimpleTable(name)).ok());
  }
  ~DiskWorld() {
    catalog.reset();
    database.reset();
    std::filesystem::remove_all(folder);
  }
  std::unique_ptr<Catalog> Another() {
    Call call = env.call();
    auto made = std::make_unique<Catalog>(*database, *files, CatalogOptions());
    EXPECT_TRUE(made->Open(call).ok());
    return made;
  }

  const TableName name = {{"ns"}, "t"};
  TestEnv env{1, TestClock::kSystem};
  std::filesystem::path folder;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<io::FileSystem> files;
  std::unique_ptr<Catalog> catalog;
};

size_t CountMetadataFiles(const std::filesystem::path& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().string().ends_with(".metadata.json")) ++count;
  }
  return count;
}

void RunThreads(size_t count, const std::function<void(size_t)>& body) {
  std::vector<Thread> threads;
  for (size_t i = 0; i < count; ++i) {
    threads.emplace_back("racer", [&body, i](std::stop_token) { body(i); });
  }
  for (auto& thread : threads) thread.Join();
}

/// Every commit that was acknowledged is there, once, in one line of history, and every refused one
/// left no file; with one catalog (its own turns) and with one per thread (only the swap).
class CommitRace : public testing::TestWithParam<bool> {};

TEST_P(CommitRace, AcknowledgedCommitsAreTheSnapshots) {
  constexpr size_t kThreads = 8;
  constexpr int kCommits = 6;
  DiskWorld world;
  std::atomic<int> acknowledged = 0;
  RunThreads(kThreads, [&](size_t i) {
    auto own = GetParam() ? nullptr : world.Another();
    Catalog& catalog = GetParam() ? *world.catalog : *own;
    for (int n = 0; n < kCommits;) {
      Call call = world.env.call();
      auto base = catalog.Load(call, kTestWarehouse, world.name);
      ASSERT_TRUE(base.ok()) << base.status().ToString();
      auto request = AppendRequest(**base, static_cast<int64_t>(i) * 1'000 + n + 1);
      auto committed = catalog.Commit(call, kTestWarehouse, world.name, request, nullptr);
      if (committed.ok()) {
        ++n;
        ++acknowledged;
      } else {
        ASSERT_EQ(committed.status().code(), Code::kConflict) << committed.status().ToString();
      }
    }
  });
  Call call = world.env.call();
  auto table = world.Another()->Load(call, kTestWarehouse, world.name).value();
  EXPECT_EQ(acknowledged, static_cast<int>(kThreads) * kCommits);
  EXPECT_EQ(table->metadata->snapshots.size(), kThreads * kCommits);
  EXPECT_EQ(table->metadata->last_sequence_number, static_cast<int64_t>(kThreads) * kCommits);
  EXPECT_EQ(table->version, static_cast<int64_t>(kThreads) * kCommits + 1);
  const iceberg::Snapshot* at = table->metadata->CurrentSnapshot();
  size_t length = 0;
  for (; at != nullptr; ++length) {
    at = at->parent_snapshot_id ? table->metadata->FindSnapshot(*at->parent_snapshot_id) : nullptr;
  }
  EXPECT_EQ(length, kThreads * kCommits);
  EXPECT_EQ(CountMetadataFiles(world.folder), kThreads * kCommits + 1);
  auto changes = world.catalog->Changes(call, 0, 1'000).value();
  EXPECT_EQ(changes.size(), kThreads * kCommits + 2);  // namespace and table are made, too
}

TEST_P(CommitRace, ChangesThatDoNotCollideAllSucceed) {
  constexpr size_t kThreads = 8;
  DiskWorld world;
  Call setup = world.env.call();
  auto base = world.catalog->Load(setup, kTestWarehouse, world.name).value();
  RunThreads(kThreads, [&](size_t i) {
    auto own = GetParam() ? nullptr : world.Another();
    Catalog& catalog = GetParam() ? *world.catalog : *own;
    Call call = world.env.call();
    auto committed = catalog.Commit(call, kTestWarehouse, world.name,
                                    SetProperty(*base, "k" + std::to_string(i), "v"), nullptr);
    EXPECT_TRUE(committed.ok()) << committed.status().ToString();
  });
  auto table = world.catalog->Load(setup, kTestWarehouse, world.name).value();
  for (size_t i = 0; i < kThreads; ++i) {
    EXPECT_EQ(table->metadata->Property("k" + std::to_string(i), ""), "v");
  }
  EXPECT_EQ(CountMetadataFiles(world.folder), kThreads + 1);
}

INSTANTIATE_TEST_SUITE_P(OneCatalogOrMany, CommitRace, testing::Bool());

TEST(CommitRace, OfCreatesMakesOneTable) {
  DiskWorld world;
  std::atomic<int> made = 0;
  RunThreads(8, [&](size_t) {
    Call call = world.env.call();
    auto created = world.catalog->Create(call, kTestWarehouse, SimpleTable({{"ns"}, "one"}));
    if (created.ok()) ++made;
    EXPECT_TRUE(created.ok() || created.status().code() == Code::kAlreadyExists);
  });
  EXPECT_EQ(made, 1);
  EXPECT_EQ(CountMetadataFiles(world.folder), 2u);
}

TEST(CommitRace, WhoHasTheTurnLosesToNobody) {
  DiskWorld world;
  Catalog& catalog = *world.catalog;
  Call call = world.env.call();
  LoadedTablePtr base = catalog.Load(call, kTestWarehouse, world.name).value();
  auto turn = catalog.TakeTurn(call, base->table_id);
  ASSERT_TRUE(turn.ok());
  std::atomic<bool> other_done = false;
  Thread other("other", [&](std::stop_token) {
    Call writing = world.env.call();
    auto committed = catalog.Commit(writing, kTestWarehouse, world.name, {{}, {}}, nullptr);
    EXPECT_TRUE(committed.ok()) << committed.status().ToString();
    other_done = true;
  });
  auto mine =
      catalog.Commit(call, kTestWarehouse, world.name, AppendRequest(*base, 1), nullptr, &*turn);
  EXPECT_TRUE(mine.ok()) << mine.status().ToString();
  EXPECT_FALSE(other_done);  // it waits for the turn, however long this takes
  { auto given = std::move(turn).value(); }
  other.Join();
  EXPECT_TRUE(other_done);
}

TEST(TableTurns, EndWithTheCall) {
  TestEnv env;
  TableTurns turns;
  Call call = env.call();
  auto held = turns.Take(call, 1);
  ASSERT_TRUE(held.ok());
  EXPECT_FALSE(held->waited());
  EXPECT_TRUE(turns.Take(call, 2).ok());
  Call brief = env.call(std::chrono::seconds(0));
  EXPECT_EQ(turns.Take(brief, 1).status().code(), Code::kDeadline);
  { auto given = std::move(held).value(); }
  auto again = turns.Take(call, 1);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->waited());
}

TEST(MetadataCache, AFileThatIsTooLargeIsNotKeptAndPushesNothingOut) {
  MetadataCache cache(10'000);
  auto entry = [](size_t bytes) {
    return CachedMetadata{std::make_shared<const std::string>(bytes, 'x'),
                          std::make_shared<const iceberg::TableMetadata>()};
  };
  cache.Put("small", entry(100));
  {
    CachedMetadata large = entry(2'001);  // five times that is above the bound
    cache.Put("large", large);
    // Whoever asks while it is in use gets the same copy.
    EXPECT_EQ(cache.Find("large").json, large.json);
    EXPECT_EQ(cache.Find("large").metadata, large.metadata);
    large.metadata.reset();
    EXPECT_EQ(cache.Find("large").json, nullptr);
  }
  EXPECT_EQ(cache.Find("large").json, nullptr);
  EXPECT_NE(cache.Find("small").json, nullptr);
  cache.Put("fits", entry(1'900));
  EXPECT_NE(cache.Find("fits").json, nullptr);
  EXPECT_NE(cache.Find("small").json, nullptr);
}

/// A table whose metadata the cache can't keep works as any other.
TEST(MetadataCache, TablesWorkWithoutIt) {
  CatalogWorld world;
  Call call = world.call();
  Metrics metrics;
  Catalog catalog(world.database(), world.files(),
                  {.metadata_cache_bytes = 0, .metrics = &metrics});
  ASSERT_TRUE(catalog.Open(call).ok());
  auto base = world.MakeTable("t");
  std::string location;
  {
    auto committed =
        catalog.Commit(call, kTestWarehouse, base->name, AppendRequest(*base, 1), nullptr);
    ASSERT_TRUE(committed.ok()) << committed.status().ToString();
    location = (*committed)->metadata_location;
    auto loaded = catalog.Load(call, kTestWarehouse, base->name).value();
    EXPECT_EQ(loaded->metadata_json, (*committed)->metadata_json);
  }
  EXPECT_EQ(catalog.Load(call, kTestWarehouse, base->name).value()->metadata_location, location);
  EXPECT_EQ(catalog.Commit(call, kTestWarehouse, base->name, AppendRequest(*base, 2), nullptr)
                .status()
                .code(),
            Code::kConflict);
  std::string text = metrics.Text();
  for (const char* line : {R"(moraine_catalog_metadata_cache_lookups_total{result="hit"} 1)",
                           R"(moraine_catalog_metadata_cache_lookups_total{result="miss"} 3)",
                           R"(moraine_catalog_commits_total{result="ok"} 1)",
                           R"(moraine_catalog_commits_total{result="Conflict"} 1)",
                           R"(moraine_catalog_commit_conflicts_total{cause="requirement"} 1)",
                           R"(moraine_catalog_commit_conflicts_total{cause="race"} 0)",
                           "moraine_catalog_commit_duration_seconds_count 2"}) {
    EXPECT_THAT(text, testing::HasSubstr(line));
  }
}

TEST(MetadataCache, WhatIsReadAnewReplacesWhatWasKept) {
  auto entry = [](size_t bytes, char c) {
    return CachedMetadata{std::make_shared<const std::string>(bytes, c),
                          std::make_shared<const iceberg::TableMetadata>()};
  };
  MetadataCache cache(10'000);
  cache.Replace("a", entry(100, 'x'));
  cache.Put("a", entry(100, 'y'));
  EXPECT_EQ(cache.Find("a").json->front(), 'x');
  for (char c = 'a'; c <= 'z'; ++c) cache.Replace("a", entry(1'900, c));
  EXPECT_EQ(cache.Find("a").json->front(), 'z');
  const CachedMetadata large = entry(5'000, 'L');
  cache.Replace("a", large);  // too large to be kept: the old one goes all the same
  EXPECT_EQ(cache.Find("a").json, large.json);
  cache.Replace("a", entry(100, 'b'));
  EXPECT_EQ(cache.Find("a").json->front(), 'b');
}

TEST(MetadataCache, IsBoundedAndKeepsTheRecent) {
  auto entry = [](size_t bytes) {
    return CachedMetadata{std::make_shared<const std::string>(bytes, 'x'),
                          std::make_shared<const iceberg::TableMetadata>()};
  };
  MetadataCache cache(20'000);
  cache.Put("a", entry(1'000));
  cache.Put("b", entry(1'000));
  cache.Put("c", entry(1'000));
  EXPECT_NE(cache.Find("a").json, nullptr);
  cache.Put("d", entry(1'500));
  EXPECT_NE(cache.Find("a").json, nullptr);
  EXPECT_EQ(cache.Find("b").json, nullptr);
  EXPECT_NE(cache.Find("d").json, nullptr);
  cache.Put("huge", entry(1'000'000));
  EXPECT_EQ(cache.Find("huge").json, nullptr);
  EXPECT_NE(cache.Find("a").json, nullptr);
}

}  // namespace
}  // namespace moraine::catalog
