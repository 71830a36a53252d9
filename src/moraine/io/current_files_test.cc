#include "moraine/io/current_files.h"

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::io {
namespace {

TEST(CurrentFiles, TheOldOneLivesAsLongAsItsFilesAreOpen) {
  testing::TestEnv env;
  Call call = env.call();
  auto current = std::make_shared<MemoryFileSystem>();
  ASSERT_TRUE(WriteFile(call, *current, "file:///a", "12345").ok());
  bool refuses = false;
  auto files =
      MakeCurrentFileSystem([&](Call&, const std::string&) -> Result<std::shared_ptr<FileSystem>> {
        if (refuses) return PermissionDenied("no");
        return std::shared_ptr<FileSystem>(current);
      });
  std::weak_ptr<MemoryFileSystem> old = current;
  auto reader = files->Open(call, "file:///a", std::nullopt);
  ASSERT_TRUE(reader.ok());
  auto writer = files->Create(call, "file:///b");
  ASSERT_TRUE(writer.ok());
  current = std::make_shared<MemoryFileSystem>();
  EXPECT_EQ(files->Stat(call, "file:///a").status().code(), Code::kNotFound);
  std::string some(2, '\0');
  ASSERT_TRUE((*reader)->ReadAt(call, 3, some).ok());
  EXPECT_EQ(some, "45");
  ASSERT_TRUE((*writer)->Append(call, "x").ok());
  ASSERT_TRUE((*writer)->Close(call).ok());
  reader->reset();
  EXPECT_FALSE(old.expired());
  writer->reset();
  EXPECT_TRUE(old.expired());
  refuses = true;
  std::vector<std::string> paths = {"file:///a", "file:///b"};
  EXPECT_EQ(files->DeleteMany(call, paths)[1].code(), Code::kPermissionDenied);
  EXPECT_EQ(files->Create(call, "file:///c").status().code(), Code::kPermissionDenied);
}

}  // namespace
}  // namespace moraine::io
