// Random histories against a model (testing/random_lives.h). MORAINE_SEED runs one seed and prints
// its history; MORAINE_SEEDS runs so many, from MORAINE_SEED on.

#include "moraine/maintenance/testing/random_lives.h"

#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/purges.h"
#include "moraine/catalog/schema.h"
#include "moraine/maintenance/schema.h"
#include "moraine/optimizing/schema.h"
#include "moraine/store/testing/test_database.h"
#include "moraine/upkeep/orphan_task.h"

namespace moraine::maintenance {
namespace {

constexpr uint64_t kSeeds = 100;
constexpr uint64_t kSeedsForBugs = 100;

std::string Story(uint64_t seed, const LivesReport& report) {
  std::string text = fmt::format("seed {}\n", seed);
  for (const auto& line : report.history) text += line + "\n";
  return text;
}

TEST(RandomLives, EverySnapshotReadsItsRows) {
  uint64_t first = 1;
  uint64_t count = kSeeds;
  const char* seed = std::getenv("MORAINE_SEED");
  const char* seeds = std::getenv("MORAINE_SEEDS");
  if (seeds != nullptr) count = std::stoull(seeds);
  if (seed != nullptr) first = std::stoull(seed);
  const bool one = seed != nullptr && seeds == nullptr;
  if (one) count = 1;
  LivesReport sum;
  int64_t bad = 0;
  for (uint64_t i = first; i < first + count; ++i) {
    LivesOptions options;
    options.quiet_end = one || i % 4 == 0;  // they take most of the time
    options.restless = i % 5 == 0;
    const LivesReport report = LiveRandomly(i, options);
    if (one) GTEST_LOG_(INFO) << Story(i, report);
    sum.snapshots += report.snapshots;
    sum.deleted += report.deleted;
    sum.expired += report.expired;
    sum.crashes += report.crashes;
    sum.purged += report.purged;
    sum.staged += report.staged;
    if (report.faults.empty()) continue;
    ++bad;
    if (bad <= 3) {
      ADD_FAILURE() << Story(i, report);
    } else {
      ADD_FAILURE() << "seed " << i << ": " << report.faults[0];
    }
  }
  GTEST_LOG_(INFO) << fmt::format(
      "{} seeds: {} snapshots read, {} expired, {} files deleted, {} crashes, {} purges", count,
      sum.snapshots, sum.expired, sum.deleted, sum.crashes, sum.purged);
  if (count < 20) return;
  EXPECT_GT(sum.expired, 0);
  EXPECT_GT(sum.deleted, 0);
  EXPECT_GT(sum.crashes, 0);
  EXPECT_GT(sum.purged, 0);
  EXPECT_GT(sum.staged, 0);
}

/// The first seed whose history finds the bug; 0: none does.
uint64_t Finds(const PlantedBug& bug, const std::string& what, bool restless = false) {
  LivesOptions options;
  options.restless = restless;
  options.bug = bug;
  options.quiet_end = false;
  for (uint64_t seed = 1; seed <= kSeedsForBugs; ++seed) {
    const LivesReport report = LiveRandomly(seed, options);
    for (const auto& fault : report.faults) {
      if (fault.find(what) != std::string::npos) return seed;
    }
  }
  return 0;
}

TEST(RandomLives, FindALookThatMissesASnapshot) {
  // Of each table the second manifest list that is read is taken for the first one.
  auto first = std::make_shared<std::map<std::string, std::string>>();
  auto mutex = std::make_shared<std::mutex>();
  PlantedBug bug;
  bug.read = [first, mutex](const std::string& location) {
    const size_t name = location.find("/snap-");
    if (name == std::string::npos) return location;
    std::lock_guard lock(*mutex);
    return first->try_emplace(location.substr(0, name), location).first->second;
  };
  EXPECT_GT(Finds(bug, "a table needs it"), 0);
}

TEST(RandomLives, FindAListThatTakesYoungFiles) {
  PlantedBug bug;
  bug.task = [](tasks::MaintenanceTask* task) {
    if (task->kind != upkeep::kFindOrphansKind) return;
    auto body = upkeep::OrphanBodyFromJson(task->body).value();
    body.older_than_ms = std::numeric_limits<int64_t>::max();
    body.metadata_older_than_ms = 0;
    task->body = upkeep::OrphanBodyToJson(body);
  };
  EXPECT_GT(Finds(bug, "a writer is going to commit it"), 0);
}

TEST(RandomLives, FindSnapshotsThatGoThoughTheyAreHeldOrYoung) {
  PlantedBug bug;
  bug.context = [](upkeep::Action action, RunContext* context) {
    if (action != upkeep::Action::kExpireSnapshots) return;
    context->holds.clear();
    context->config.snapshot_keep = Millis(0);
  };
  EXPECT_GT(Finds(bug, "went too young"), 0);
}

TEST(RandomLives, FindAPurgeThatDoesNotLookAround) {
  testing::TestEnv env;
  Call call = env.call();
  // Nobody else has a place there, as far as it knows.
  const auto empty = store::MakeTestDatabase(call);
  ASSERT_TRUE(store::Migrate(call, *empty, "catalog", catalog::Migrations()).ok());
  ASSERT_TRUE(store::Migrate(call, *empty, "purges", catalog::PurgeMigrations()).ok());
  ASSERT_TRUE(store::Migrate(call, *empty, "optimizing", optimizing::Migrations()).ok());
  ASSERT_TRUE(store::Migrate(call, *empty, "maintenance", Migrations()).ok());
  PlantedBug bug;
  bug.context = [&](upkeep::Action action, RunContext* context) {
    if (action == upkeep::Action::kPurgeTable) context->database = empty.get();
  };
  EXPECT_GT(Finds(bug, "a table needs it", true), 0);
}

}  // namespace
}  // namespace moraine::maintenance
