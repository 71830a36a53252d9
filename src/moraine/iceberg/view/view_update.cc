#include "moraine/iceberg/view/view_update.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

constexpr char kHistorySize[] = "version.history.num-entries";
constexpr int64_t kHistorySizeDefault = 10;
constexpr char kDropDialect[] = "replace.drop-dialect.allowed";

std::string WithoutTrailingSlash(std::string location) {
  while (location.size() > 1 && location.back() == '/') location.pop_back();
  return location;
}

/// The dialects of a version's SQL texts, in lower case.
std::set<std::string> DialectsOf(const ViewVersion& version) {
  std::set<std::string> dialects;
  for (const auto& representation : version.representations) {
    if (representation.type == "sql") dialects.insert(ToLowerAscii(representation.dialect));
  }
  return dialects;
}

Status CheckRepresentations(const ViewVersion& version) {
  if (version.representations.empty()) {
    return InvalidArgument("Invalid view version: representations: expected at least one SQL text");
  }
  std::set<std::string> dialects;
  for (const auto& representation : version.representations) {
    if (representation.type != "sql") {
      return InvalidArgument(fmt::format(
          "Invalid view version: representations: expected type sql, got {}", representation.type));
    }
    if (dialects.insert(ToLowerAscii(representation.dialect)).second) continue;
    return InvalidArgument(
        fmt::format("Invalid view version: Cannot add multiple queries for dialect {}",
                    ToLowerAscii(representation.dialect)));
  }
  return Status();
}

class ViewBuilder {
 public:
  ViewBuilder(const ViewMetadata* base, ViewMetadata start, int64_t now_ms)
      : base_(base), now_ms_(now_ms), m_(std::move(start)) {}

  Status operator()(const update::AssignUuid& u) {
    if (u.uuid.empty()) return InvalidArgument("Cannot set uuid to null");
    if (!m_.view_uuid.empty() && ToLowerAscii(u.uuid) != ToLowerAscii(m_.view_uuid)) {
      return InvalidArgument(fmt::format("Cannot reassign uuid: {} to {}", m_.view_uuid, u.uuid));
    }
    if (m_.view_uuid.empty()) m_.view_uuid = u.uuid;
    return Status();
  }

  Status operator()(const update::UpgradeFormatVersion& u) {
    if (u.format_version == kViewFormatVersion) return Status();
    if (u.format_version < kViewFormatVersion) {
      return InvalidArgument(
          fmt::format("Cannot downgrade v{} view to v{}", kViewFormatVersion, u.format_version));
    }
    return InvalidArgument(
        fmt::format("Cannot upgrade view to unsupported format version: v{} (supported: v{})",
                    u.format_version, kViewFormatVersion));
  }

  Status operator()(const update::AddSchema& u) {
    MORAINE_TRY(ValidateSchema(u.schema, kMaxFormatVersion));
    int32_t id = u.schema.schema_id();
    for (const SchemaPtr& schema : m_.schemas) {
      if (schema->SameAs(u.schema)) {
        last_added_schema_ = schema->schema_id();
        return Status();
      }
      id = std::max(id, schema->schema_id() + 1);
    }
    m_.schemas.push_back(std::make_shared<const Schema>(u.schema.WithId(id)));
    last_added_schema_ = id;
    return Status();
  }

  Status operator()(const update::SetLocation& u) {
    if (u.location.empty()) return InvalidArgument("Invalid location: empty");
    m_.location = WithoutTrailingSlash(u.location);
    return Status();
  }

  Status operator()(const update::SetProperties& u) {
    for (const auto& [key, value] : u.properties) m_.properties[key] = value;
    return Status();
  }

  Status operator()(const update::RemoveProperties& u) {
    for (const auto& key : u.keys) m_.properties.erase(key);
    return Status();
  }

  Status operator()(const update::AddViewVersion& u) {
    ViewVersion version = u.version;
    if (version.schema_id == kLastAdded) {
      if (!last_added_schema_) {
        return InvalidArgument("Cannot set last added schema: no schema has been added");
      }
      version.schema_id = *last_added_schema_;
    }
    if (m_.FindSchema(version.schema_id) == nullptr) {
      return InvalidArgument(
          fmt::format("Cannot add version with unknown schema: {}", version.schema_id));
    }
    MORAINE_TRY(CheckRepresentations(version));
    for (const ViewVersion& there : m_.versions) {
      if (there.SameAs(version)) {
        last_added_version_ = there.version_id;
        return Status();
      }
      version.version_id = std::max(version.version_id, there.version_id + 1);
    }
    last_added_version_ = version.version_id;
    added_versions_.insert(version.version_id);
    m_.versions.push_back(std::move(version));
    return Status();
  }

  Status operator()(const update::SetCurrentViewVersion& u) {
    int32_t id = u.version_id;
    if (id == kLastAdded) {
      if (!last_added_version_) {
        return InvalidArgument("Cannot set last version id: no current version id has been set");
      }
      id = *last_added_version_;
    }
    const ViewVersion* version = m_.FindVersion(id);
    if (version == nullptr) {
      return InvalidArgument(fmt::format("Cannot set current version to unknown version: {}", id));
    }
    if (id == m_.current_version_id) return Status();
    m_.current_version_id = id;
    int64_t since = added_versions_.contains(id) ? version->timestamp_ms : now_ms_;
    m_.version_log.push_back({since, id});
    return Status();
  }

  Result<ViewMetadata> Finish() && {
    if (m_.location.empty()) return InvalidArgument("Invalid location: empty");
    if (m_.versions.empty()) return InvalidArgument("Invalid view: no versions were added");
    if (m_.FindVersion(m_.current_version_id) == nullptr) {
      return InvalidArgument("Invalid view: no current version was set");
    }
    MORAINE_TRY(CheckDialects());
    MORAINE_TRY(TrimVersions());
    return std::move(m_);
  }

 private:
  /// Who reads the view in a dialect must not lose it by a replace in another.
  Status CheckDialects() const {
    if (base_ == nullptr || base_->current_version_id == m_.current_version_id) return Status();
    auto allowed = m_.properties.find(kDropDialect);
    if (allowed != m_.properties.end() && ToLowerAscii(allowed->second) == "true") return Status();
    auto before = DialectsOf(base_->CurrentVersion());
    auto now = DialectsOf(m_.CurrentVersion());
    if (std::includes(now.begin(), now.end(), before.begin(), before.end())) return Status();
    return InvalidArgument(fmt::format(
        "Cannot replace view due to loss of view dialects ({}=false): previous dialects: [{}], new "
        "dialects: [{}]",
        kDropDialect, fmt::join(before, ", "), fmt::join(now, ", ")));
  }

  Result<size_t> HistorySize() const {
    int64_t size = kHistorySizeDefault;
    auto property = m_.properties.find(kHistorySize);
    if (property != m_.properties.end()) {
      auto parsed = ParseInt64(Trim(property->second));
      if (!parsed.ok()) {
        return InvalidArgument(fmt::format("View property {} must have integer value, got '{}'",
                                           kHistorySize, property->second.substr(0, 40)));
      }
      size = *parsed;
    }
    if (size > 0) return static_cast<size_t>(size);
    return InvalidArgument(fmt::format("{} must be positive but was {}", kHistorySize, size));
  }

  /// Keeps the current version and the newest of the others; the log begins after the last entry
  /// whose version is gone.
  Status TrimVersions() {
    MORAINE_ASSIGN(size_t kept, HistorySize());
    kept = std::max(kept, added_versions_.size());
    if (m_.versions.size() <= kept) return Status();
    std::vector<int32_t> ids;
    for (const auto& version : m_.versions) {
      if (version.version_id != m_.current_version_id) ids.push_back(version.version_id);
    }
    std::sort(ids.begin(), ids.end(), std::greater<>());
    ids.resize(kept - 1);
    std::set<int32_t> stay(ids.begin(), ids.end());
    stay.insert(m_.current_version_id);
    std::erase_if(m_.versions, [&](const auto& v) { return !stay.contains(v.version_id); });
    std::vector<ViewLogEntry> log;
    for (const ViewLogEntry& entry : m_.version_log) {
      if (!stay.contains(entry.version_id)) {
        log.clear();
      } else {
        log.push_back(entry);
      }
    }
    m_.version_log = std::move(log);
    return Status();
  }

  const ViewMetadata* base_;
  const int64_t now_ms_;
  ViewMetadata m_;
  std::optional<int32_t> last_added_schema_;
  std::optional<int32_t> last_added_version_;
  std::set<int32_t> added_versions_;
};

Result<ViewMetadata> ApplyAll(ViewBuilder builder, const std::vector<ViewUpdate>& updates) {
  for (const ViewUpdate& update : updates) MORAINE_TRY(std::visit(builder, update));
  return std::move(builder).Finish();
}

}  // namespace

Status CheckViewRequirements(const ViewMetadata& base, const ViewCommitRequest& request) {
  for (const std::string& uuid : request.asserted_uuids) {
    if (ToLowerAscii(uuid) == ToLowerAscii(base.view_uuid)) continue;
    return Conflict(fmt::format("Requirement failed: view UUID does not match: expected {} != {}",
                                base.view_uuid, uuid));
  }
  return Status();
}

Result<ViewMetadata> ApplyViewUpdates(const ViewMetadata& base,
                                      const std::vector<ViewUpdate>& updates, int64_t now_ms) {
  return ApplyAll(ViewBuilder(&base, base, now_ms), updates);
}

Result<ViewMetadata> MakeViewMetadata(const ViewCreation& creation) {
  ViewVersion version = creation.version;
  version.version_id = 1;
  version.schema_id = kLastAdded;
  std::vector<ViewUpdate> updates = {
      update::AssignUuid{creation.view_uuid},     update::AddSchema{creation.schema.WithId(0), {}},
      update::SetLocation{creation.location},     update::SetProperties{creation.properties},
      update::AddViewVersion{std::move(version)}, update::SetCurrentViewVersion{kLastAdded},
  };
  return ApplyAll(ViewBuilder(nullptr, {}, creation.now_ms), updates);
}

}  // namespace moraine::iceberg
