// Manifests and manifest lists, read as those of one table (make_corpus.py has its schema).

#include <utility>
#include <vector>

#include "fuzz/fuzz.h"

#include "moraine/iceberg/manifest/manifest_reader.h"

namespace {

using namespace moraine::iceberg;  // NOLINT: a fuzz entry

const Schema& TableSchema() {
  static const Schema schema(
      0, {Field{.id = 1, .name = "id", .required = true, .type = Type::Primitive(TypeKind::kLong)},
          Field{.id = 2, .name = "kind", .type = Type::Primitive(TypeKind::kString)},
          Field{.id = 3, .name = "price", .type = Type::Decimal(9, 2)}});
  return schema;
}

}  // namespace

MORAINE_FUZZ(bytes) {
  PartitionSpec spec{.spec_id = 0,
                     .fields = {{.source_ids = {2}, .field_id = 1000, .name = "kind"}}};
  moraine::Result<std::vector<ManifestFile>> lines = DecodeManifestList(bytes, "list");
  ManifestFile line;
  if (lines.ok() && !lines->empty()) line = lines->front();
  line.partition_spec_id = 0;
  ManifestReadOptions options{.deleted_entries = true, .max_bytes = 1 << 20};
  (void)DecodeManifest(bytes, "manifest", line, spec, TableSchema(), options,
                       [](ManifestEntry&) { return moraine::Status::Ok(); });
  options.bounds = options.counts = false;
  (void)DecodeManifest(bytes, "manifest", line, spec, TableSchema(), options,
                       [](ManifestEntry&) { return moraine::Status::Ok(); });
}
