#pragma once
// View metadata, format version 1 (view spec, "View Metadata"). A plain value; the JSON codec loses
// nothing: members that Moraine does not know are written back.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

inline constexpr int kViewFormatVersion = 1;

/// The text of a view in one dialect of SQL.
struct ViewRepresentation {
  std::string type = "sql";
  std::string sql;
  std::string dialect;
  Json::Object unknown;  ///< all members, where the type is not "sql"
  bool operator==(const ViewRepresentation&) const = default;
};

struct ViewVersion {
  int32_t version_id = 1;
  int64_t timestamp_ms = 0;
  int32_t schema_id = 0;
  StringMap summary;
  std::vector<ViewRepresentation> representations;
  std::optional<std::string> default_catalog;
  std::vector<std::string> default_namespace;
  Json::Object unknown;

  /// Whether it says the same, whatever its id and time.
  bool SameAs(const ViewVersion& other) const;
  bool operator==(const ViewVersion&) const = default;
};

struct ViewLogEntry {
  int64_t timestamp_ms = 0;
  int32_t version_id = 0;
  bool operator==(const ViewLogEntry&) const = default;
};

struct ViewMetadata {
  std::string view_uuid;
  std::string location;
  std::vector<SchemaPtr> schemas;
  int32_t current_version_id = 0;
  std::vector<ViewVersion> versions;
  std::vector<ViewLogEntry> version_log;
  StringMap properties;
  Json::Object unknown;

  /// Deep equality; cheap where two values share their schemas.
  bool operator==(const ViewMetadata& other) const;

  const ViewVersion* FindVersion(int32_t version_id) const;  ///< or nullptr
  SchemaPtr FindSchema(int32_t schema_id) const;             ///< or nullptr
  const ViewVersion& CurrentVersion() const;                 ///< of metadata that was checked
};
using ViewPtr = std::shared_ptr<const ViewMetadata>;

std::string ViewMetadataToJson(const ViewMetadata& metadata);
/// Errors: InvalidArgument with the path of the field, or where the current version or a version's
/// schema is not there; Unsupported for a format version over 1.
Result<ViewMetadata> ViewMetadataFromJson(std::string_view text);
Result<ViewMetadata> ViewMetadataFromJson(const JsonCursor& json);

void WriteViewVersion(const ViewVersion& version, JsonWriter* out);
/// Errors: InvalidArgument with the path of the field.
Result<ViewVersion> ViewVersionFromJson(const JsonCursor& json);

/// "<location>/metadata/<version padded to 5>-<uuid>.gz.metadata.json"; write.metadata.path and
/// write.metadata.compression-codec (gzip, unlike tables, if it is not set) are honoured.
std::string ViewMetadataFileLocation(const ViewMetadata& metadata, int64_t version,
                                     std::string_view uuid);

}  // namespace moraine::iceberg
