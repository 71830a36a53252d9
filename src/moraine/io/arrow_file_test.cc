#include "moraine/io/arrow_file.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <gtest/gtest.h>

#include "moraine/io/arrow_status.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::io {
namespace {

TEST(ArrowStatus, KeepsTheCodeBothWays) {
  for (Code code : {Code::kNotFound, Code::kCommitUnknown, Code::kDeadline, Code::kCancelled,
                    Code::kPermissionDenied, Code::kExhausted}) {
    Status ours(code, "why");
    EXPECT_EQ(moraine::ToStatus(ToArrow(ours)), ours);
    EXPECT_EQ(moraine::ToStatus(ToArrow(ours).WithMessage("reading a column")).code(), code);
  }
  EXPECT_TRUE(moraine::ToStatus(ToArrow(Status())).ok());
  EXPECT_EQ(moraine::ToStatus(arrow::Status::Invalid("bad magic")).code(), Code::kCorruption);
  EXPECT_EQ(moraine::ToStatus(arrow::Status::NotImplemented("x")).code(), Code::kUnsupported);
  EXPECT_EQ(moraine::ToStatus(arrow::Status::OutOfMemory("x")).code(), Code::kExhausted);
}

TEST(ArrowStatus, WorksInTheMacros) {
  auto pass = [](arrow::Result<int> from) -> Result<int> {
    MORAINE_TRY(arrow::Status::OK());
    MORAINE_ASSIGN(int value, std::move(from));
    return value;
  };
  EXPECT_EQ(*pass(3), 3);
  EXPECT_EQ(pass(arrow::Status::KeyError("x")).status().code(), Code::kNotFound);
}

TEST(ArrowFile, WritesAndReads) {
  testing::TestEnv env;
  Call call = env.call();
  MemoryFileSystem disk;
  testing::FaultInjector faults;
  FaultyFileSystem files(disk, faults);
  auto stream = ToArrowStream(call, *files.Create(call, "/f"));
  ASSERT_TRUE(stream->Write("0123456789", 10).ok());
  EXPECT_EQ(*stream->Tell(), 10);
  EXPECT_FALSE(disk.Has("/f"));
  ASSERT_TRUE(stream->Close().ok());
  EXPECT_EQ(*stream->Tell(), 10);
  EXPECT_FALSE(stream->Write("x", 1).ok());

  auto file = ToArrowFile(call, *files.Open(call, "/f", {}));
  EXPECT_EQ(*file->GetSize(), 10);
  EXPECT_EQ((*file->ReadAt(2, 3))->ToString(), "234");
  EXPECT_EQ((*file->ReadAt(8, int64_t{1} << 60))->ToString(), "89") << "bounded by the file";
  ASSERT_TRUE(file->Seek(4).ok());
  EXPECT_EQ((*file->Read(2))->ToString(), "45");
  EXPECT_EQ(*file->Tell(), 6);
  EXPECT_FALSE(file->ReadAt(-1, 3).ok());

  faults.Arm({.operation = "read", .fault = {.code = Code::kDeadline}});
  EXPECT_EQ(moraine::ToStatus(file->ReadAt(0, 1)).code(), Code::kDeadline);
}

TEST(ArrowFile, DroppedStreamsLeaveNothing) {
  testing::TestEnv env;
  Call call = env.call();
  MemoryFileSystem disk;
  auto stream = ToArrowStream(call, *disk.Create(call, "/f"));
  ASSERT_TRUE(stream->Write("0123456789", 10).ok());
  stream.reset();
  EXPECT_EQ(disk.size(), 0u);
}

}  // namespace
}  // namespace moraine::io
