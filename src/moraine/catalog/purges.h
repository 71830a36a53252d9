#pragma once
// Tables that are gone for good and whose files are to go, too, as rows: written with the removal,
// taken by maintenance, which may hear of it much later than the feed remembers. While files go,
// the places of such a table are busy: nobody gets a place there, since what a table that is
// registered there names may be deleted by a task that is out.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "moraine/store/database.h"

namespace moraine::catalog {

const std::vector<store::Migration>& PurgeMigrations();

struct PurgeRequest {
  int64_t table_id = 0;
  std::string warehouse;
  std::string name;  ///< "db.t", for people
  std::string table_uuid;
  std::string metadata_location;  ///< the last one
};

/// In the transaction that removes the table.
Status RequestPurge(store::Transaction& t, const PurgeRequest& request);
/// By table, from the one after this on.
Result<std::vector<PurgeRequest>> WaitingPurges(store::Transaction& t, int64_t after, size_t limit);
/// Files in these places, normalised, may go until then, by the store's clock. Replaces what was
/// said before.
Status BeginPurge(store::Transaction& t, int64_t table_id, const std::vector<std::string>& places,
                  int64_t until_ms);
/// The request is done with. Its places stay busy until then where that is later than now.
Status EndPurge(store::Transaction& t, int64_t table_id, int64_t busy_until_ms);

/// Conflict, when files are being deleted in the place, in one that holds it, or, with inside, in
/// one that it holds.
Status CheckNotBeingPurged(store::Transaction& t, const std::string& place, bool inside);

}  // namespace moraine::catalog
