// Puffin files: footers, blobs of every codec, and deletion vectors, which come back as they were.

#include "fuzz/fuzz.h"

#include "moraine/iceberg/deletes/deletion_vector.h"
#include "moraine/iceberg/puffin/puffin_reader.h"
#include "moraine/io/testing/memory_file_system.h"

namespace {

using namespace moraine;           // NOLINT: a program, not a library
using namespace moraine::iceberg;  // NOLINT

// The bytes behind the checksum, so that fuzzing gets past it.
void ReadPositions(std::string_view portable) {
  const Result<PositionSet> set = PositionSet::FromPortable(portable);
  if (!set.ok() || set->cardinality() > (1 << 20)) return;
  const Result<PositionSet> again = PositionSet::FromPortable(set->ToPortable());
  ExpectSame(again.ok() && again->ToVector() == set->ToVector(), "a bitmap", portable, "");
}

}  // namespace

MORAINE_FUZZ(bytes) {
  ReadPositions(bytes);
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  io::MemoryFileSystem files;
  files.Put("/f", std::string(bytes), 0);
  Result<PuffinReader> reader = PuffinReader::Open(call, files, "/f", std::nullopt);
  if (!reader.ok()) return;
  const Result<PuffinMetadata> again =
      PuffinMetadataFromJson(PuffinMetadataToJson(reader->metadata()));
  ExpectSame(again.ok() && *again == reader->metadata(), "a footer", bytes, "");
  for (const PuffinBlob& blob : reader->metadata().blobs) {
    const Result<std::string> content = reader->ReadBlob(call, blob, 1 << 20);
    if (!content.ok()) continue;
    static_cast<void>(DecodeDeletionVector(*content));
    if (content->size() > 8) ReadPositions(std::string_view(*content).substr(8));
  }
}
