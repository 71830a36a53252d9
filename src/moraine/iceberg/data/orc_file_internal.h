#pragma once
// What an ORC file says of itself: tail, types, stripes (ORC specification v1, "File Tail",
// "Stripes"). Internal to the reader of ORC files. The bytes are nobody's promise: every length is
// checked against the file.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_codec.h"
#include "moraine/io/file_system.h"

namespace arrow {
class MemoryPool;
namespace util {
class Codec;
}
}  // namespace arrow

namespace moraine::iceberg {

enum class OrcKind : uint8_t {
  kBoolean,
  kByte,
  kShort,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kString,
  kBinary,
  kTimestamp,
  kList,
  kMap,
  kStruct,
  kUnion,
  kDecimal,
  kDate,
  kVarchar,
  kChar,
  kTimestampInstant,
  kOther,
};

struct OrcType {
  OrcKind kind = OrcKind::kOther;
  std::vector<uint32_t> subtypes;  ///< larger than the type's own number
  std::vector<std::string> names;  ///< of a struct's fields
  uint32_t precision = 0;
  uint32_t scale = 0;
  std::vector<std::pair<std::string, std::string>> attributes;

  std::string_view attribute(std::string_view key) const;
};

/// Of the whole file, from statistics.
struct OrcStatistics {
  int64_t values = 0;
  std::optional<int64_t> text_bytes;  ///< of strings and binaries
};

struct OrcStripe {
  int64_t offset = 0;
  int64_t data_length = 0;  ///< with its indexes
  int64_t footer_length = 0;
  int64_t rows = 0;
};

struct OrcStream {
  enum Kind : uint32_t {
    kPresent = 0,
    kData = 1,
    kLength = 2,
    kDictionaryData = 3,
    kSecondary = 5
  };
  uint32_t kind = 0;
  uint32_t column = 0;
  int64_t offset = 0;  ///< in the file
  int64_t length = 0;
};

struct OrcEncoding {
  enum Kind : uint32_t { kDirect = 0, kDictionary = 1, kDirectV2 = 2, kDictionaryV2 = 3 };
  uint32_t kind = 0;
  uint32_t dictionary_size = 0;

  bool is_dictionary() const { return kind == kDictionary || kind == kDictionaryV2; }
  bool is_v2() const { return kind == kDirectV2 || kind == kDictionaryV2; }
};

struct OrcStripeFooter {
  std::vector<OrcStream> streams;
  std::vector<OrcEncoding> encodings;  ///< by type
  std::string time_zone;
};

/// An open file. Used by one thread.
class OrcFile {
 public:
  /// pool: counts what streams hold. Errors: as io; Corruption; Unsupported for encrypted files and
  /// LZO.
  static Result<std::unique_ptr<OrcFile>> Open(const Call& call,
                                               std::unique_ptr<io::RandomReader> file,
                                               arrow::MemoryPool* pool);
  ~OrcFile();

  const std::vector<OrcType>& types() const { return types_; }
  const std::vector<OrcStatistics>& statistics() const { return statistics_; }
  const std::vector<OrcStripe>& stripes() const { return stripes_; }
  int64_t rows() const { return rows_; }

  Result<OrcStripeFooter> ReadStripeFooter(const OrcStripe& stripe);

  /// What streams are made of.
  io::RandomReader& reader() { return *file_; }
  Call& call() { return call_; }
  arrow::MemoryPool* pool() { return pool_; }
  bool is_compressed() const { return unpacker_ || codec_ != nullptr; }
  int64_t block_bytes() const { return block_bytes_; }
  /// The unpacked bytes of one chunk; valid until the next call.
  Result<std::string_view> Unpack(std::string_view chunk);

 private:
  OrcFile(const Call& call, std::unique_ptr<io::RandomReader> file, arrow::MemoryPool* pool);
  Status ReadTail();
  Status MakeCodec(uint32_t compression);
  Status ReadPostscript(std::string_view postscript, int64_t* footer_length);
  Status ParseFooter(std::string_view footer);
  Status ParseStripe(std::string_view bytes);
  Status CheckStripes() const;
  Result<std::string> ReadMessage(int64_t offset, int64_t length);

  Call call_;
  std::unique_ptr<io::RandomReader> file_;
  arrow::MemoryPool* pool_;
  std::optional<AvroDecompressor> unpacker_;   // of deflate and zstd
  std::unique_ptr<arrow::util::Codec> codec_;  // of the others
  int64_t block_bytes_ = 0;                    // the most that a chunk unpacks to
  std::string unpacked_;
  std::vector<OrcType> types_;
  std::vector<OrcStatistics> statistics_;
  std::vector<OrcStripe> stripes_;
  int64_t rows_ = 0;
};

}  // namespace moraine::iceberg
