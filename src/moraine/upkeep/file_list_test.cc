#include "moraine/upkeep/file_list.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::upkeep {
namespace {

constexpr char kList[] = "s3://b/t/metadata/x.list";

class FileListTest : public ::testing::Test {
 protected:
  static io::FileInfo Entry(int i) {
    return {fmt::format("s3://b/t/data/day={}/{:08}-{}.parquet", i / 1000, i, i * 7919LL),
            i == 5 ? 0 : 1000LL + i, i == 7 ? -1 : 1'700'000'000'000 + i};
  }
  void Write(int count) {
    auto writer = FileListWriter::Make(call_, files_, kList);
    ASSERT_TRUE(writer.ok()) << writer.status().ToString();
    for (int i = 0; i < count; ++i) ASSERT_TRUE(writer->Add(call_, Entry(i)).ok());
    ASSERT_TRUE(writer->Close(call_).ok());
    EXPECT_EQ(writer->entries(), count);
  }
  std::string Bytes() {
    auto bytes = io::ReadFile(call_, files_, kList, 1 << 30);
    return bytes.ok() ? *bytes : "";
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
};

TEST_F(FileListTest, ReadsBackFromAnyEntry) {
  constexpr int kCount = 50'000;
  Write(kCount);
  auto reader = FileListReader::Open(call_, files_, kList);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ(reader->entries(), kCount);
  for (int first : {0, 1, 9'999, 10'000, 25'003, kCount - 1, kCount}) {
    auto some = reader->Read(call_, first, 3);
    ASSERT_TRUE(some.ok()) << some.status().ToString();
    ASSERT_EQ(some->size(), static_cast<size_t>(std::min(3, kCount - first)));
    for (size_t i = 0; i < some->size(); ++i) {
      const io::FileInfo want = Entry(first + static_cast<int>(i));
      EXPECT_EQ((*some)[i].location, want.location);
      EXPECT_EQ((*some)[i].size_bytes, want.size_bytes);
      EXPECT_EQ((*some)[i].modified_ms, want.modified_ms);
    }
  }
  ASSERT_TRUE(reader->Seek(call_, 0).ok());
  int seen = 0;
  io::FileInfo file;
  for (;;) {
    auto more = reader->Next(call_, &file);
    ASSERT_TRUE(more.ok());
    if (!*more) break;
    ASSERT_EQ(file.location, Entry(seen++).location);
  }
  EXPECT_EQ(seen, kCount);
}

TEST_F(FileListTest, EmptyListIsAList) {
  Write(0);
  auto reader = FileListReader::Open(call_, files_, kList);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  auto none = reader->Read(call_, 0, 10);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

TEST_F(FileListTest, IsWrittenOnce) {
  Write(1);
  auto writer = FileListWriter::Make(call_, files_, kList);
  Status outcome = writer.ok() ? writer->Close(call_) : writer.status();
  EXPECT_EQ(outcome.code(), Code::kAlreadyExists);
}

TEST_F(FileListTest, EveryCutIsCorruption) {
  Write(300);
  const std::string whole = Bytes();
  for (size_t size = 0; size < whole.size(); size += size < 100 ? 1 : 97) {
    files_.Put(kList, whole.substr(0, size), 0);
    EXPECT_EQ(FileListReader::Open(call_, files_, kList).status().code(), Code::kCorruption)
        << size;
  }
}

TEST_F(FileListTest, EveryChangedByteIsSeenOrHarmless) {
  Write(300);
  const std::string whole = Bytes();
  for (size_t at = 0; at < whole.size(); at += at + 200 < whole.size() ? 13 : 1) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    files_.Put(kList, changed, 0);
    auto reader = FileListReader::Open(call_, files_, kList);
    if (!reader.ok()) continue;
    auto read = reader->Read(call_, 0, 1000);
    if (!read.ok()) {
      EXPECT_EQ(read.status().code(), Code::kCorruption);
      continue;
    }
    for (size_t i = 0; i < read->size(); ++i) {
      ASSERT_EQ((*read)[i].location, Entry(static_cast<int>(i)).location) << at;
    }
  }
}

}  // namespace
}  // namespace moraine::upkeep
