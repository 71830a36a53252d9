#include "moraine/events/schema.h"

namespace moraine::events {

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {{1, "webhooks", R"(
CREATE TABLE webhook (
  id {id},
  name {key} NOT NULL UNIQUE,
  url {text} NOT NULL,
  secret {text} NOT NULL,
  filter {text} NOT NULL,
  state {key} NOT NULL,
  reason {text} NOT NULL,
  delivered_seq {bigint} NOT NULL,
  failures {bigint} NOT NULL,
  next_try_ms {bigint} NOT NULL,
  last_status {bigint} NOT NULL,
  last_delivery_ms {bigint} NOT NULL,
  delivered_events {bigint} NOT NULL,
  lost_events {bigint} NOT NULL,
  lease_owner {key} NOT NULL,
  lease_until_ms {bigint} NOT NULL,
  lease_epoch {bigint} NOT NULL,
  created_ms {bigint} NOT NULL,
  created_by {text} NOT NULL
);
)"}};
  return migrations;
}

}  // namespace moraine::events
