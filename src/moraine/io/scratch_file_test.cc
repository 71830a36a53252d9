#include "moraine/io/scratch_file.h"

#include <filesystem>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <gtest/gtest.h>

namespace moraine::io {
namespace {

TEST(ScratchFile, HoldsWhatWasWrittenAndLeavesNoName) {
  const std::string folder = testing::TempDir() + "/scratch";
  std::filesystem::create_directories(folder);
  auto file = ScratchFile::Make(folder);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  auto writer = file->OpenWriter().value();
  ASSERT_TRUE(writer->Write("hello", 5).ok());
  ASSERT_TRUE(writer->Close().ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  auto reader = file->OpenReader(arrow::default_memory_pool()).value();
  EXPECT_EQ(reader->GetSize().ValueOrDie(), 5);
  EXPECT_EQ(reader->ReadAt(1, 3).ValueOrDie()->ToString(), "ell");
}

TEST(ScratchFile, SaysWhichFolderIsNotThere) {
  auto file = ScratchFile::Make("/no such folder");
  EXPECT_EQ(file.status().code(), Code::kNotFound);
  EXPECT_EQ(file.status().message(),
            "cannot make a temporary file in /no such folder: No such file or directory");
}

TEST(ScratchFile, AFullDiskIsExhausted) {
  EXPECT_TRUE(ScratchStatus(arrow::Status::OK()).ok());
  EXPECT_EQ(ScratchStatus(arrow::Status::IOError("x")).code(), Code::kUnavailable);
  EXPECT_EQ(ScratchStatus(arrow::Status::OutOfMemory("x")).code(), Code::kExhausted);
}

}  // namespace
}  // namespace moraine::io
