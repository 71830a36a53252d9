#pragma once
// Changes of the catalog as other systems hear of them: CloudEvents 1.0 in their JSON form
// (https://github.com/cloudevents/spec), made from rows of the feed. Pure.
//
// Who calls: Feed, and the notices of webhooks.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"

namespace moraine::events {

inline constexpr std::string_view kTypePrefix = "io.moraine.";

/// One event; immutable once it is made.
struct Event {
  int64_t sequence = 0;  ///< of the feed; its id, too
  std::string type;      ///< "table.committed", without kTypePrefix
  std::string warehouse;
  catalog::TableName name;  ///< of a namespace only ns
  std::optional<catalog::TableName> renamed_from;
  std::string json;  ///< the whole CloudEvent, on one line
};
using EventPtr = std::shared_ptr<const Event>;

/// source: the URI reference that names this catalog.
Event MakeEvent(const catalog::TableChange& change, std::string_view source);

/// What a webhook gets instead of events that were removed before they could be delivered: those
/// from first to last.
std::string LostNotice(std::string_view source, int64_t first, int64_t last, WallTime now);
/// What a webhook gets when a person tests it.
std::string TestNotice(std::string_view source, std::string_view webhook, std::string_view id,
                       WallTime now);

/// Which events somebody wants. Empty parts let everything through.
struct EventFilter {
  std::vector<std::string> types;  ///< "table.committed", or "table.*"
  std::string warehouse;
  catalog::NamespaceName ns;  ///< this one and those below it
  std::string table;          ///< or view; in ns itself

  /// A rename counts under both names.
  bool Matches(const Event& event) const;
  bool operator==(const EventFilter&) const = default;
};

/// Takes the prefix off and looks whether there may be such types. Errors: InvalidArgument.
Result<std::vector<std::string>> TypesFrom(const std::vector<std::string>& texts);
/// Whether the parts go together. Errors: InvalidArgument.
Status CheckFilter(const EventFilter& filter);

std::string ToText(const EventFilter& filter);
Result<EventFilter> FilterFromText(const std::string& text);

}  // namespace moraine::events
