#include "moraine/iceberg/avro/avro_file.h"

#include <gtest/gtest.h>

#include "moraine/iceberg/avro/avro_records.h"

namespace moraine::iceberg {
namespace {

constexpr std::string_view kSchema =
    R"({"type":"record","name":"r","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]})";
constexpr AvroCodec kCodecs[] = {AvroCodec::kNull, AvroCodec::kDeflate, AvroCodec::kZstd,
                                 AvroCodec::kSnappy};

std::string WriteFile(AvroCodec codec, int records) {
  AvroFileWriter writer(codec);
  for (int i = 0; i < records; ++i) {
    AvroEncoder record = writer.record();
    record.Long(i);
    record.Bytes(std::string(static_cast<size_t>(i % 100), 'x'));
    EXPECT_TRUE(writer.EndRecord().ok());
  }
  return writer.Finish(kSchema, {{"key", "value"}, {"empty", ""}}).value();
}

Status ReadBack(std::string_view bytes, int64_t max_bytes, int64_t* count) {
  MORAINE_ASSIGN(AvroFileReader file, AvroFileReader::Open(bytes));
  EXPECT_EQ(file.FindMetadata("key"), "value");
  EXPECT_EQ(file.FindMetadata("empty"), "");
  EXPECT_FALSE(file.FindMetadata("none"));
  EXPECT_EQ(file.schema_text(), kSchema);
  return ForEachAvroRecord(&file, max_bytes, [&](AvroCursor& cursor) {
    EXPECT_EQ(cursor.ReadLong(), *count);
    EXPECT_EQ(cursor.ReadBytes().size(), static_cast<size_t>(*count % 100));
    ++*count;
    return Status::Ok();
  });
}

TEST(AvroFile, KeepsRecordsInManyBlocksOfEveryCodec) {
  for (AvroCodec codec : kCodecs) {
    for (int records : {0, 1, 10000}) {
      const std::string bytes = WriteFile(codec, records);
      int64_t count = 0;
      const Status status = ReadBack(bytes, 1 << 30, &count);
      EXPECT_TRUE(status.ok()) << status.ToString();
      EXPECT_EQ(count, records);
      EXPECT_EQ(bytes, WriteFile(codec, records));
    }
  }
}

TEST(AvroFile, SizeSoFarIsNearTheTruth) {
  for (AvroCodec codec : kCodecs) {
    AvroFileWriter writer(codec);
    for (int i = 0; i < 5000; ++i) {
      AvroEncoder record = writer.record();
      record.Long(i);
      record.Bytes(std::string(static_cast<size_t>(i % 100), 'x'));
      ASSERT_TRUE(writer.EndRecord().ok());
    }
    const auto guess = static_cast<double>(writer.size_bytes());
    const auto size = static_cast<double>(writer.Finish(kSchema, {}).value().size());
    EXPECT_NEAR(guess, size, size / 4 + 500) << AvroCodecName(codec);
  }
}

TEST(AvroFile, AllBlocksTogetherAreBounded) {
  for (AvroCodec codec : kCodecs) {
    const std::string bytes = WriteFile(codec, 10000);
    int64_t count = 0;
    EXPECT_EQ(ReadBack(bytes, 300000, &count).code(), Code::kExhausted) << AvroCodecName(codec);
    EXPECT_LT(count, 10000);
  }
}

TEST(AvroFile, ChecksumsMarkersAndCountsAreChecked) {
  std::string bytes = WriteFile(AvroCodec::kSnappy, 3);
  int64_t count = 0;
  bytes[bytes.size() - 17] ^= 1;  // the last byte of the checksum
  EXPECT_EQ(ReadBack(bytes, 1 << 20, &count).code(), Code::kCorruption);
  bytes = WriteFile(AvroCodec::kNull, 3);
  bytes.back() ^= 1;  // the sync marker
  EXPECT_EQ(ReadBack(bytes, 1 << 20, &count).code(), Code::kCorruption);
  bytes = WriteFile(AvroCodec::kNull, 1);
  const size_t block = bytes.size() - 16 - 4;
  ASSERT_EQ(bytes[block], 2);  // one record
  for (char wrong : {'\0', '\1', '\4', '\x7e'}) {
    bytes[block] = wrong;
    EXPECT_EQ(ReadBack(bytes, 1 << 20, &count).code(), Code::kCorruption) << int{wrong};
  }
}

TEST(AvroFile, EmptyBlocksAreLetPass) {
  std::string bytes = WriteFile(AvroCodec::kNull, 0);
  const std::string sync = bytes.substr(bytes.size() - 16);
  bytes += std::string(2, '\0') + sync + "\x02\x04" + std::string(2, '\0') + sync;
  int64_t count = 0;
  const Status status = ReadBack(bytes, 1 << 20, &count);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(count, 1);
}

TEST(AvroFile, CodecsOfOthersAreNamed) {
  for (const auto& [name, code] :
       {std::pair("bzip2", Code::kUnsupported), std::pair("xz", Code::kUnsupported),
        std::pair("lzma", Code::kCorruption), std::pair("", Code::kCorruption)}) {
    EXPECT_EQ(AvroCodecFromName(name).status().code(), code) << name;
  }
  for (AvroCodec codec : kCodecs) EXPECT_EQ(AvroCodecFromName(AvroCodecName(codec)).value(), codec);
}

}  // namespace
}  // namespace moraine::iceberg
