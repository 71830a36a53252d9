#include "moraine/io/testing/faulty_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/io/testing/memory_file_system.h"

namespace moraine::io {
namespace {

using testing::EveryFault;
using testing::FaultInjector;
using testing::FaultKind;
using testing::TestEnv;

TEST(MemoryFileSystem, KeepsThePromises) {
  TestEnv env;
  Call call = env.call();
  MemoryFileSystem files;
  ASSERT_TRUE(WriteFile(call, files, "file:///w/a/1", "one").ok());
  ASSERT_TRUE(WriteFile(call, files, "/w/a/2", "two").ok());
  ASSERT_TRUE(WriteFile(call, files, "/w/ab", "three").ok());
  EXPECT_EQ(*ReadFile(call, files, "file:/w/a//1", 10), "one");
  EXPECT_EQ(WriteFile(call, files, "file:///w/a/2", "x").code(), Code::kAlreadyExists);
  EXPECT_EQ(files.Stat(call, "/w/a/3").status().code(), Code::kNotFound);
  EXPECT_EQ(files.Stat(call, "/w/a/1")->modified_ms, ToMillis(env.clock().Wall()));

  Result<FileListing> page = files.List(call, "/w/a", "", 2);
  EXPECT_FALSE(page->complete);
  EXPECT_EQ(page->files[1].location, "/w/a/2");
  page = files.List(call, "/w/a", "/w/a/2", 2);
  EXPECT_TRUE(page->complete);
  EXPECT_EQ(page->files[0].location, "/w/ab");
  EXPECT_EQ(files.List(call, "file:///w/a/", "", 9)->files.size(), 2u);

  std::vector<std::string> names = {"/w/a/1", "/w/none", "bad"};
  EXPECT_THAT(files.DeleteMany(call, names),
              testing::ElementsAre(Status(), Status(), testing::Not(Status())));
  EXPECT_THAT(files.Locations(), testing::ElementsAre("/w/a/2", "/w/ab"));
}

struct World {
  explicit World(FaultInjector& faults) : files(disk, faults, &env.clock()) {}
  TestEnv env;
  MemoryFileSystem disk;
  FaultyFileSystem files;
};

TEST(FaultyFileSystem, FailsBeforeAfterAndTorn) {
  struct Case {
    FaultKind kind;
    std::optional<std::string> left;
  };
  for (const Case& c : std::vector<Case>{{FaultKind::kBefore, std::nullopt},
                                         {FaultKind::kAfter, "12345678"},
                                         {FaultKind::kTorn, "1234"}}) {
    FaultInjector faults;
    faults.Arm({.operation = "close", .pattern = "/f", .fault = {.kind = c.kind}});
    World world(faults);
    Call call = world.env.call();
    EXPECT_EQ(WriteFile(call, world.files, "/f", "12345678").code(), Code::kUnavailable);
    EXPECT_EQ(world.disk.Has("/f"), c.left.has_value());
    if (c.left) {
      EXPECT_EQ(*ReadFile(call, world.disk, "/f", 100), *c.left);
    }
  }
}

TEST(FaultyFileSystem, SlowCallsRunIntoTheDeadline) {
  FaultInjector faults;
  faults.Arm({.operation = "close",
              .fault = {.kind = FaultKind::kSlow, .delay = std::chrono::minutes(2)}});
  World world(faults);
  Call call = world.env.call(std::chrono::minutes(1));
  EXPECT_EQ(WriteFile(call, world.files, "/f", "x").code(), Code::kDeadline);
}

TEST(FaultyFileSystem, DeletesHalf) {
  FaultInjector faults;
  faults.Arm({.operation = "delete", .fault = {.kind = FaultKind::kTorn}});
  World world(faults);
  Call call = world.env.call();
  std::vector<std::string> names = {"/a", "/b", "/c", "/d"};
  for (const std::string& name : names) world.disk.Put(name, "x", 0);
  std::vector<Status> got = world.files.DeleteMany(call, names);
  ASSERT_EQ(got.size(), 4u);
  for (const Status& status : got) EXPECT_FALSE(status.ok());
  EXPECT_THAT(world.disk.Locations(), testing::ElementsAre("/c", "/d"));
}

TEST(FaultyFileSystem, EveryFaultOfACopy) {
  auto copy = [](Call& call, FileSystem& files) -> Status {
    MORAINE_ASSIGN(std::string bytes, ReadFile(call, files, "/from", 100));
    return WriteFile(call, files, "/to", bytes);
  };
  auto scenario = [&](FaultInjector& faults) {
    World world(faults);
    Call call = world.env.call();
    world.disk.Put("/from", "bytes", 0);
    Status first = copy(call, world.files);
    faults.Stop();
    EXPECT_EQ(first.ok(), faults.fired() == 0);
    if (world.disk.Has("/to")) {
      EXPECT_EQ(*ReadFile(call, world.disk, "/to", 100), "bytes");
    }
    Status again = copy(call, world.files);
    EXPECT_EQ(again.ok() || again.code() == Code::kAlreadyExists, true) << again.ToString();
    EXPECT_TRUE(world.disk.Has("/to"));
  };
  testing::EveryFaultReport report = EveryFault(scenario);
  EXPECT_EQ(report.calls, 5u) << "open, read, create, append, close";
  EXPECT_EQ(report.runs, 7u);
  EXPECT_EQ(report.fired, 7u);
}

}  // namespace
}  // namespace moraine::io
