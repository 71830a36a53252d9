#pragma once
// The changes that a commit to a view asks for and the requirements it makes, as the REST protocol
// has them (rest-catalog spec, "ViewUpdate", "ViewRequirement"), and the pure function that applies
// them by the rules of Java's ViewMetadata.Builder.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/iceberg/view/view_metadata.h"

namespace moraine::iceberg {

namespace update {
struct AddViewVersion {
  ViewVersion version;  ///< schema_id kLastAdded: the schema added last in this commit
};
struct SetCurrentViewVersion {
  int32_t version_id;  ///< or kLastAdded
};
}  // namespace update

using ViewUpdate =
    std::variant<update::AssignUuid, update::UpgradeFormatVersion, update::AddSchema,
                 update::SetLocation, update::SetProperties, update::RemoveProperties,
                 update::AddViewVersion, update::SetCurrentViewVersion>;

struct ViewCommitRequest {
  std::vector<std::string> asserted_uuids;  ///< of the assert-view-uuid requirements
  std::vector<ViewUpdate> updates;
};

/// "requirements" (may be absent) and "updates" of a commit body. Errors: InvalidArgument with the
/// path; an action or requirement that is not one of views is InvalidArgument.
Result<ViewCommitRequest> ViewCommitRequestFromJson(const JsonCursor& json);

/// Errors: Conflict ("Requirement failed: ...").
Status CheckViewRequirements(const ViewMetadata& base, const ViewCommitRequest& request);

/// Applies the updates in order. No effective change gives a value equal to base. Errors:
/// InvalidArgument (illegal change; a dialect lost without replace.drop-dialect.allowed).
Result<ViewMetadata> ApplyViewUpdates(const ViewMetadata& base,
                                      const std::vector<ViewUpdate>& updates, int64_t now_ms);

/// What create is given.
struct ViewCreation {
  std::string view_uuid;
  std::string location;
  Schema schema{0, {}};
  ViewVersion version;  ///< its id becomes 1, its schema the one above
  StringMap properties;
  int64_t now_ms = 0;
};
/// Errors: InvalidArgument naming the field; a view needs one SQL text, at most one a dialect.
Result<ViewMetadata> MakeViewMetadata(const ViewCreation& creation);

}  // namespace moraine::iceberg
