// ORC files: tails, stripe footers, chunks, runs of every kind.

#include "fuzz/data_file_fuzz.h"

MORAINE_FUZZ(bytes) {
  moraine::iceberg::ReadClaimedColumns(bytes, moraine::iceberg::FileFormat::kOrc);
}
