#include "moraine/iceberg/view/view_metadata.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

std::string_view PropertyOr(const ViewMetadata& metadata, const std::string& key,
                            std::string_view fallback) {
  auto property = metadata.properties.find(key);
  return property == metadata.properties.end() ? fallback : std::string_view(property->second);
}

}  // namespace

bool ViewVersion::SameAs(const ViewVersion& other) const {
  return schema_id == other.schema_id && summary == other.summary &&
         representations == other.representations && default_catalog == other.default_catalog &&
         default_namespace == other.default_namespace && unknown == other.unknown;
}

bool ViewMetadata::operator==(const ViewMetadata& other) const {
  auto same_schemas = [&] {
    return std::equal(schemas.begin(), schemas.end(), other.schemas.begin(), other.schemas.end(),
                      [](const auto& a, const auto& b) { return a == b || *a == *b; });
  };
  return view_uuid == other.view_uuid && location == other.location &&
         current_version_id == other.current_version_id && versions == other.versions &&
         version_log == other.version_log && properties == other.properties &&
         unknown == other.unknown && same_schemas();
}

const ViewVersion* ViewMetadata::FindVersion(int32_t version_id) const {
  auto found = std::find_if(versions.begin(), versions.end(),
                            [&](const auto& v) { return v.version_id == version_id; });
  return found == versions.end() ? nullptr : &*found;
}

SchemaPtr ViewMetadata::FindSchema(int32_t schema_id) const {
  auto found = std::find_if(schemas.begin(), schemas.end(),
                            [&](const auto& s) { return s->schema_id() == schema_id; });
  return found == schemas.end() ? nullptr : *found;
}

const ViewVersion& ViewMetadata::CurrentVersion() const {
  const ViewVersion* version = FindVersion(current_version_id);
  MORAINE_CHECK(version != nullptr, "view metadata without its current version");
  return *version;
}

std::string ViewMetadataFileLocation(const ViewMetadata& metadata, int64_t version,
                                     std::string_view uuid) {
  std::string default_folder = metadata.location + "/metadata";
  std::string_view folder = PropertyOr(metadata, "write.metadata.path", default_folder);
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  bool gzip = ToLowerAscii(PropertyOr(metadata, "write.metadata.compression-codec", "gzip")) ==
              std::string_view("gzip");
  return fmt::format("{}/{:05}-{}{}.metadata.json", folder, version, uuid, gzip ? ".gz" : "");
}

}  // namespace moraine::iceberg
