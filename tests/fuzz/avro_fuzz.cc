// Avro container files: header, schema, blocks of every codec.

#include "fuzz/fuzz.h"

#include "moraine/iceberg/avro/avro_file.h"

MORAINE_FUZZ(bytes) {
  moraine::Result<moraine::iceberg::AvroFileReader> reader =
      moraine::iceberg::AvroFileReader::Open(bytes);
  if (!reader.ok()) return;
  while (true) {
    moraine::Result<bool> more = reader->NextBlock(1 << 20);
    if (!more.ok() || !*more) return;
  }
}
