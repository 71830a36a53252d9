#include "moraine/catalog/lifecycle_schema.h"

namespace moraine::catalog {

const std::vector<store::Migration>& LifecycleMigrations() {
  static const std::vector<store::Migration> migrations = {{1, "lifecycle", R"(
CREATE TABLE dropped (
  id {id},
  kind {key} NOT NULL,
  object_id {bigint} NOT NULL,
  warehouse_id {bigint} NOT NULL,
  path_key {path} NOT NULL,
  name {key} NOT NULL,
  dropped_ms {bigint} NOT NULL,
  dropped_by {text} NOT NULL,
  purge_after_ms {bigint} NOT NULL,
  purge_requested {bigint} NOT NULL,
  dropped_with {bigint} NOT NULL,
  yielded_to {text},
  UNIQUE (object_id, kind)
);
CREATE INDEX dropped_due ON dropped (purge_after_ms);
CREATE INDEX dropped_name ON dropped (warehouse_id, name);
CREATE INDEX dropped_together ON dropped (dropped_with);
CREATE TABLE protection (
  kind {key} NOT NULL,
  object_id {bigint} NOT NULL,
  set_ms {bigint} NOT NULL,
  set_by {text} NOT NULL,
  reason {text} NOT NULL,
  PRIMARY KEY (object_id, kind)
);
CREATE INDEX table_change_table ON table_change (table_id, id);
)"}};
  return migrations;
}

}  // namespace moraine::catalog
