#pragma once
// What a commit did, in a few words, for the history of a table: written with the rows of the feed.
// Pure; called where swaps are planned.

#include <string>
#include <vector>

#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::catalog {

/// The counts of a snapshot's summary that people ask for.
iceberg::StringMap CountsOf(const iceberg::Snapshot& snapshot);
/// Those of the current snapshot, if the commit brought it.
iceberg::StringMap CountsOfCommit(const iceberg::TableMetadata& base,
                                  const iceberg::TableMetadata& next);
/// The actions of updates, each once, as the protocol names them: "add-schema, set-properties".
std::string ActionsOf(const std::vector<iceberg::TableUpdate>& updates);
/// ActionsOf, or "rollback" where main went back to a snapshot that was there; empty for a commit
/// that brought a snapshot.
std::string DescribeUpdates(const iceberg::TableMetadata& base, const iceberg::TableMetadata& next,
                            const std::vector<iceberg::TableUpdate>& updates);

}  // namespace moraine::catalog
