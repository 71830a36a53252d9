// JSON of view updates and requirements (REST protocol, "ViewUpdate", "CommitViewRequest").

#include <fmt/format.h>

#include "moraine/iceberg/view/view_update.h"

namespace moraine::iceberg {
namespace {

constexpr std::string_view kShared[] = {"assign-uuid",    "upgrade-format-version",
                                        "add-schema",     "set-location",
                                        "set-properties", "remove-properties"};

/// One of the updates that tables have, too.
Result<ViewUpdate> SharedFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(TableUpdate update, TableUpdateFromJson(json));
  return std::visit(
      [&](auto&& u) -> Result<ViewUpdate> {
        if constexpr (std::is_constructible_v<ViewUpdate, decltype(u)>) {
          return ViewUpdate(std::move(u));
        } else {
          return json.Error("not an update of views");
        }
      },
      std::move(update));
}

Result<ViewUpdate> ViewUpdateFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("action"));
  MORAINE_ASSIGN(std::string action, member.String());
  if (action == "add-view-version") {
    MORAINE_ASSIGN(auto version, json.Get("view-version"));
    MORAINE_ASSIGN(ViewVersion added, ViewVersionFromJson(version));
    return ViewUpdate(update::AddViewVersion{std::move(added)});
  }
  if (action == "set-current-view-version") {
    MORAINE_ASSIGN(int32_t id, json.Int32("view-version-id"));
    return ViewUpdate(update::SetCurrentViewVersion{id});
  }
  for (std::string_view shared : kShared) {
    if (action == shared) return SharedFromJson(json);
  }
  return member.Error(fmt::format("unknown update action '{}' of a view", action.substr(0, 80)));
}

Result<std::string> AssertedUuidFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("type"));
  MORAINE_ASSIGN(std::string type, member.String());
  if (type == "assert-view-uuid") return json.String("uuid");
  return member.Error(fmt::format("unknown requirement type '{}' of a view", type.substr(0, 80)));
}

}  // namespace

Result<ViewCommitRequest> ViewCommitRequestFromJson(const JsonCursor& json) {
  ViewCommitRequest request;
  MORAINE_ASSIGN(auto requirements, json.Find("requirements"));
  if (requirements) {
    MORAINE_TRY(requirements->ExpectArray());
    for (size_t i = 0; i < requirements->size(); ++i) {
      MORAINE_ASSIGN(auto uuid, AssertedUuidFromJson(requirements->At(i)));
      request.asserted_uuids.push_back(std::move(uuid));
    }
  }
  MORAINE_ASSIGN(auto updates, json.Get("updates"));
  MORAINE_TRY(updates.ExpectArray());
  for (size_t i = 0; i < updates.size(); ++i) {
    MORAINE_ASSIGN(auto update, ViewUpdateFromJson(updates.At(i)));
    request.updates.push_back(std::move(update));
  }
  return request;
}

}  // namespace moraine::iceberg
