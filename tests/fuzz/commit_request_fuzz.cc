// Bodies of commits: decoded, checked against a table and applied to it; what comes out can be
// stored.

#include "fuzz/fuzz.h"

#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"

namespace {

using namespace moraine::iceberg;  // NOLINT: a fuzz entry

const TableMetadata& Base() {
  static const TableMetadata base = [] {
    TableCreation creation;
    creation.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1";
    creation.location = "file:///warehouse/t";
    creation.now_ms = 1;
    creation.schema = Schema(
        0,
        {Field{.id = 1, .name = "id", .required = true, .type = Type::Primitive(TypeKind::kLong)},
         Field{.id = 2, .name = "kind", .type = Type::Primitive(TypeKind::kString)}});
    return *MakeTableMetadata(creation);
  }();
  return base;
}

}  // namespace

MORAINE_FUZZ(bytes) {
  moraine::Result<moraine::Json> json = moraine::Json::Parse(bytes);
  if (!json.ok()) return;
  moraine::Result<CommitRequest> request = CommitRequestFromJson(moraine::JsonCursor(*json));
  if (!request.ok()) return;
  (void)CheckRequirements(&Base(), request->requirements);
  moraine::Result<TableMetadata> applied =
      ApplyUpdates(Base(), request->updates,
                   {.now_ms = 2, .base_metadata_location = "file:///warehouse/t/metadata/0.json"});
  if (applied.ok()) {
    std::string text = TableMetadataToJson(*applied);
    moraine::Result<TableMetadata> again = TableMetadataFromJson(text);
    std::string second = again.ok() ? TableMetadataToJson(*again) : again.status().ToString();
    ExpectSame(text == second, "committed metadata", text, second);
  }
  (void)ApplyCreateUpdates(request->updates, {.now_ms = 2, .base_metadata_location = ""});
}
