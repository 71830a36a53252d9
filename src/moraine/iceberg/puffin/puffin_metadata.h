#pragma once
// What a Puffin file says of itself (Puffin spec, "Footer payload"): its blobs and properties, and
// their JSON. Used by puffin_reader.h and puffin_writer.h.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"

namespace moraine::iceberg {

inline constexpr char kDeletionVectorBlobType[] = "deletion-vector-v1";
inline constexpr char kThetaSketchBlobType[] = "apache-datasketches-theta-v1";

enum class PuffinCodec : uint8_t { kNone, kLz4, kZstd };

struct PuffinBlob {
  std::string type;
  std::vector<int32_t> fields;
  int64_t snapshot_id = -1;
  int64_t sequence_number = -1;
  int64_t offset = 0;  ///< in the file
  int64_t length = 0;  ///< as stored
  PuffinCodec codec = PuffinCodec::kNone;
  StringMap properties;
  bool operator==(const PuffinBlob&) const = default;
};

struct PuffinMetadata {
  std::vector<PuffinBlob> blobs;
  StringMap properties;
  bool operator==(const PuffinMetadata&) const = default;
};

std::string PuffinMetadataToJson(const PuffinMetadata& metadata);
/// Errors: InvalidArgument with the path of the field; Unsupported for an unknown codec.
Result<PuffinMetadata> PuffinMetadataFromJson(std::string_view text);

}  // namespace moraine::iceberg
