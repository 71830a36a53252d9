// Avro data files: schemas as columns, records as Arrow arrays.

#include "fuzz/data_file_fuzz.h"

MORAINE_FUZZ(bytes) {
  moraine::iceberg::ReadClaimedColumns(bytes, moraine::iceberg::FileFormat::kAvro);
}
