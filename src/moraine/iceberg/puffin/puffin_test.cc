// Puffin files: ours and back, Spark's, and files that are broken in one place each.

#include <fstream>
#include <iterator>

#include <arrow/util/compression.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/puffin/puffin_codec.h"
#include "moraine/iceberg/puffin/puffin_reader.h"
#include "moraine/iceberg/puffin/puffin_writer.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

const std::string kSpark = MORAINE_TEST_DATA_DIR "/golden/spark_v3/lineage/";
constexpr char kPath[] = "/t/a.puffin";
constexpr int64_t kLimit = 1 << 20;

std::string Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string Little(uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

std::string FileOf(const std::string& blobs, const std::string& payload, uint32_t flags = 0) {
  return "PFA1" + blobs + "PFA1" + payload + Little(static_cast<uint32_t>(payload.size())) +
         Little(flags) + "PFA1";
}

std::string Lz4Frame(std::string_view bytes) {
  auto codec = arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME).ValueOrDie();
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto size = static_cast<int64_t>(bytes.size());
  std::string out(static_cast<size_t>(codec->MaxCompressedLen(size, in)), '\0');
  out.resize(static_cast<size_t>(*codec->Compress(size, in, static_cast<int64_t>(out.size()),
                                                  reinterpret_cast<uint8_t*>(out.data()))));
  return out;
}

class Puffin : public testing::Test {
 protected:
  Result<PuffinReader> Open(std::string bytes) {
    files_.Put(kPath, std::move(bytes), 0);
    return PuffinReader::Open(call_, files_, kPath, std::nullopt);
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
};

TEST_F(Puffin, ComesBackAsItWas) {
  auto writer = PuffinWriter::Create(call_, files_, kPath);
  ASSERT_TRUE(writer.ok());
  PuffinBlob plain{.type = "a", .fields = {1, 2}, .properties = {{"k", "v\n"}}};
  PuffinBlob packed{.type = "b", .snapshot_id = 7, .sequence_number = 9};
  packed.codec = PuffinCodec::kZstd;
  const std::string text(5000, 'x');
  const auto first = writer->Add(call_, plain, "hello");
  const auto second = writer->Add(call_, packed, text);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->offset, 4);
  EXPECT_EQ(first->length, 5);
  EXPECT_EQ(second->offset, 9);
  EXPECT_LT(second->length, 100);
  const auto size = writer->Close(call_);
  ASSERT_TRUE(size.ok());
  auto reader = PuffinReader::Open(call_, files_, kPath, *size);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ(reader->metadata(), writer->metadata());
  EXPECT_EQ(reader->footer_size_bytes(), *size - second->offset - second->length);
  EXPECT_EQ(*reader->ReadBlob(call_, *first, kLimit), "hello");
  EXPECT_EQ(*reader->ReadBlob(call_, *second, kLimit), text);
  EXPECT_EQ(*reader->ReadBlob(call_, *second, 5000), text);
  EXPECT_EQ(reader->ReadBlob(call_, *second, 4999).status().code(), Code::kExhausted);
  EXPECT_EQ(reader->ReadBlob(call_, *first, 4).status().code(), Code::kExhausted);
}

TEST_F(Puffin, ReadsSparksVectors) {
  auto reader =
      Open(Load(kSpark + "data/00000-7-0e5fc1d8-e40e-4f14-9bc0-1b71c3694848-00001-deletes.puffin"));
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  ASSERT_EQ(reader->metadata().blobs.size(), 2u);
  const PuffinBlob& blob = reader->metadata().blobs[1];
  EXPECT_EQ(blob.type, kDeletionVectorBlobType);
  EXPECT_EQ(blob.fields, std::vector<int32_t>{2147483645});
  EXPECT_EQ(blob.snapshot_id, -1);
  EXPECT_EQ(blob.offset, 46);
  EXPECT_EQ(blob.length, 42);
  EXPECT_EQ(blob.properties.at("cardinality"), "1");
  EXPECT_TRUE(reader->metadata().properties.at("created-by").starts_with("Apache Iceberg"));
}

TEST_F(Puffin, ReadsSparksSketches) {
  auto reader = Open(
      Load(kSpark + "metadata/7590230219080111535-d6755775-a8f1-4b1d-912a-87268ab4f246.stats"));
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  ASSERT_EQ(reader->metadata().blobs.size(), 3u);
  for (const PuffinBlob& blob : reader->metadata().blobs) {
    EXPECT_EQ(blob.type, kThetaSketchBlobType);
    EXPECT_EQ(blob.codec, PuffinCodec::kZstd);
    const auto bytes = reader->ReadBlob(call_, blob, kLimit);
    ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
    EXPECT_EQ(bytes->size() % 8, 0u);  // a compact theta sketch is made of longs
  }
}

TEST_F(Puffin, ReadsLz4) {
  const std::string text(3000, 'y');
  const std::string blob = Lz4Frame(text);
  const std::string payload =
      R"({"blobs":[{"type":"t","fields":[],"snapshot-id":1,"sequence-number":1,"offset":4,"length":)" +
      std::to_string(blob.size()) + R"(,"compression-codec":"lz4"}]})";
  auto reader = Open(FileOf(blob, Lz4Frame(payload), 1));
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ(*reader->ReadBlob(call_, reader->metadata().blobs[0], kLimit), text);
  EXPECT_EQ(reader->ReadBlob(call_, reader->metadata().blobs[0], 2999).status().code(),
            Code::kExhausted);
}

TEST_F(Puffin, RefusesBrokenFiles) {
  const auto blob_at = [](const std::string& offset, const std::string& length) {
    return R"({"blobs":[{"type":"t","fields":[],"snapshot-id":1,"sequence-number":1,"offset":)" +
           offset + R"(,"length":)" + length + "}]}";
  };
  const std::string none = R"({"blobs":[]})";
  const std::string whole = FileOf("", none);
  ASSERT_TRUE(Open(whole).ok());
  const std::tuple<const char*, std::string, Code> cases[] = {
      {"empty", "", Code::kCorruption},
      {"cut at the front", whole.substr(1), Code::kCorruption},
      {"cut at the end", whole.substr(0, whole.size() - 1), Code::kCorruption},
      {"no footer magic", "PFA1xxxx" + whole.substr(8), Code::kCorruption},
      {"not JSON", FileOf("", "{"), Code::kCorruption},
      {"no blobs", FileOf("", "{}"), Code::kCorruption},
      {"a flag of later", FileOf("", none, 2), Code::kUnsupported},
      {"compressed that is not", FileOf("", none, 1), Code::kCorruption},
      {"compressed and more", FileOf("", Lz4Frame(none) + "x", 1), Code::kCorruption},
      {"compressed and cut", FileOf("", Lz4Frame(none).substr(0, 10), 1), Code::kCorruption},
      {"a blob in the magic", FileOf("abcd", blob_at("3", "1")), Code::kCorruption},
      {"a blob in the footer", FileOf("abcd", blob_at("4", "5")), Code::kCorruption},
      {"a blob of no length", FileOf("abcd", blob_at("4", "-1")), Code::kCorruption},
      {"a blob past all", FileOf("abcd", blob_at("9223372036854775807", "9223372036854775807")),
       Code::kCorruption},
      {"payload size past all", "PFA1PFA1{}" + Little(0xFFFFFFFF) + Little(0) + "PFA1",
       Code::kCorruption},
  };
  for (const auto& [name, bytes, code] : cases) {
    EXPECT_EQ(Open(bytes).status().code(), code) << name << ": " << Open(bytes).status().ToString();
  }
}

}  // namespace
}  // namespace moraine::iceberg
