// Table metadata of any writer: what is written once is read and written again as it was. (The
// first reading may put right what a version does not allow.)

#include "fuzz/fuzz.h"

#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/metadata/table_metadata.h"

MORAINE_FUZZ(bytes) {
  (void)moraine::iceberg::NameMapping::FromJson(bytes);
  moraine::Result<moraine::iceberg::TableMetadata> metadata =
      moraine::iceberg::TableMetadataFromJson(bytes);
  if (!metadata.ok()) return;
  std::string text = moraine::iceberg::TableMetadataToJson(*metadata);
  moraine::Result<moraine::iceberg::TableMetadata> again =
      moraine::iceberg::TableMetadataFromJson(text);
  std::string second =
      again.ok() ? moraine::iceberg::TableMetadataToJson(*again) : again.status().ToString();
  ExpectSame(text == second, "table metadata", text, second);
}
