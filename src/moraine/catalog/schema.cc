#include "moraine/catalog/schema.h"

namespace moraine::catalog {

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {{1, "catalog", R"(
CREATE TABLE warehouse (
  id {id},
  name {key} NOT NULL UNIQUE,
  root {text} NOT NULL,
  storage {text} NOT NULL,
  defaults {text} NOT NULL,
  overrides {text} NOT NULL
);
CREATE TABLE namespace (
  id {id},
  warehouse_id {bigint} NOT NULL REFERENCES warehouse (id),
  parent_id {bigint} NOT NULL,
  name {key} NOT NULL,
  path_key {path} NOT NULL,
  properties {text} NOT NULL,
  created_ms {bigint} NOT NULL,
  updated_ms {bigint} NOT NULL,
  UNIQUE (warehouse_id, path_key)
);
CREATE INDEX namespace_children ON namespace (warehouse_id, parent_id, name);
CREATE TABLE tabular (
  id {id},
  warehouse_id {bigint} NOT NULL,
  namespace_id {bigint} NOT NULL REFERENCES namespace (id),
  kind {key} NOT NULL,
  name {key} NOT NULL,
  table_uuid {key} NOT NULL,
  version {bigint} NOT NULL,
  metadata_location {text} NOT NULL,
  previous {text} NOT NULL,
  location {text} NOT NULL,
  format_version {bigint} NOT NULL,
  current_snapshot_id {bigint} NOT NULL,
  origin {key} NOT NULL,
  deleted_at {bigint} NOT NULL,
  protected {bigint} NOT NULL,
  created_ms {bigint} NOT NULL,
  updated_ms {bigint} NOT NULL,
  created_by {text} NOT NULL,
  updated_by {text} NOT NULL,
  UNIQUE (namespace_id, name, deleted_at)
);
CREATE TABLE tabular_claim (
  id {id},
  table_id {bigint} NOT NULL,
  location {path} NOT NULL
);
CREATE INDEX tabular_claim_location ON tabular_claim (location);
CREATE INDEX tabular_claim_table ON tabular_claim (table_id);
CREATE TABLE table_change (
  id {id},
  feed_seq {bigint},
  table_id {bigint} NOT NULL,
  kind {key} NOT NULL,
  version {bigint} NOT NULL,
  snapshot_id {bigint} NOT NULL,
  changed_ms {bigint} NOT NULL,
  metadata_location {path} NOT NULL,
  detail {text} NOT NULL
);
CREATE UNIQUE INDEX table_change_feed ON table_change (feed_seq);
CREATE INDEX table_change_metadata ON table_change (metadata_location);
CREATE TABLE metrics_report (
  id {id},
  table_id {bigint} NOT NULL,
  reported_ms {bigint} NOT NULL,
  report {text} NOT NULL
);
CREATE INDEX metrics_report_table ON metrics_report (table_id, id);
)"}};
  return migrations;
}

}  // namespace moraine::catalog
