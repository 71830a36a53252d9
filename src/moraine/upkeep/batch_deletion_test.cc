#include "moraine/upkeep/batch_deletion.h"

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/file_copy.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::upkeep {
namespace {

/// A store whose copies fail.
class NoCopies final : public io::FileSystem, public io::StoreCopies {
 public:
  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> known_size) override {
    return inner.Open(call, location, known_size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return inner.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner.Stat(call, location);
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override {
    return inner.List(call, prefix, after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    if (on_delete) on_delete();
    return inner.DeleteMany(call, locations);
  }
  Status Copy(Call&, const std::string&, const std::string&) override {
    return NotFound("no such bucket");
  }

  io::MemoryFileSystem inner;
  std::function<void()> on_delete;
};

TEST(BatchDeletion, SaysHowFarItIs) {
  constexpr int64_t kFiles = 2'500;
  testing::TestEnv env;
  Call call = env.call();
  NoCopies files;
  std::vector<io::FileInfo> what;
  for (int64_t i = 0; i < kFiles; ++i) {
    what.push_back({.location = "file:///t/" + std::to_string(i)});
    files.inner.Put(what.back().location, "", 0);
  }
  std::atomic<int64_t> done = 0;
  std::vector<int64_t> before;
  files.on_delete = [&] { before.push_back(done); };
  const auto proof = iceberg::DeletionProof::NotReachable("uuid", 1, 1);
  auto deleted = DeleteInBatches(call, files, proof, what, {.done = &done});
  ASSERT_TRUE(deleted.ok()) << deleted.status().ToString();
  EXPECT_EQ(deleted->deleted, kFiles);
  EXPECT_EQ(before, (std::vector<int64_t>{0, 1'000, 2'000}));
  EXPECT_EQ(done, kFiles);
}

TEST(BatchDeletion, OnlyAFileThatIsGoneCountsAsMoved) {
  constexpr char kFolder[] = "file:///t/.quarantine/run";
  testing::TestEnv env;
  Call call = env.call();
  NoCopies files;
  const std::string there = std::string(kFolder) + "/0/a", gone = std::string(kFolder) + "/0/b";
  files.inner.Put(there, "bytes", 0);
  const std::vector<Move> moves = {{{.location = there, .size_bytes = 5}, "file:///t/a"},
                                   {{.location = gone, .size_bytes = 5}, "file:///t/b"}};
  auto moved = MoveInBatches(call, files, iceberg::DeletionProof::Quarantined(kFolder), moves, {});
  ASSERT_TRUE(moved.ok()) << moved.status().ToString();
  EXPECT_EQ(moved->deleted, 1);
  ASSERT_EQ(moved->failed.size(), 1U);
  EXPECT_EQ(moved->failed[0].first, there);
  EXPECT_EQ(moved->failed[0].second.code(), Code::kUnavailable);
  EXPECT_TRUE(files.inner.Has(there));
}

}  // namespace
}  // namespace moraine::upkeep
