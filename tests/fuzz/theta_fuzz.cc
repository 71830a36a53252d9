// Theta sketches: what can be read is written and read again as it was, and can be merged.

#include "fuzz/fuzz.h"

#include "moraine/iceberg/sketches/theta_sketch.h"

using namespace moraine;           // NOLINT: a program, not a library
using namespace moraine::iceberg;  // NOLINT

MORAINE_FUZZ(bytes) {
  const Result<CompactSketch> sketch = SketchFromBytes(bytes);
  if (!sketch.ok()) return;
  const Result<CompactSketch> again = SketchFromBytes(SketchToBytes(*sketch));
  ExpectSame(again.ok() && *again == *sketch, "a sketch", bytes, "");
  if (sketch->distinct_values() < 0) std::abort();
  ThetaSketch merged;
  for (uint64_t hash = 1; hash < 100; ++hash) merged.Add(hash << 50);
  merged.Merge(*sketch);
  const CompactSketch both = merged.Compact();
  const Result<CompactSketch> read = SketchFromBytes(SketchToBytes(both));
  ExpectSame(read.ok() && *read == both, "a merged sketch", bytes, "");
}
