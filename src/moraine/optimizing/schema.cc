#include "moraine/optimizing/schema.h"

namespace moraine::optimizing {

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {
      {1, "optimizing", R"(
CREATE TABLE optimizing_table (
  table_id {bigint} NOT NULL PRIMARY KEY,
  warehouse {key} NOT NULL,
  name {text} NOT NULL,
  resource_group {key} NOT NULL,
  state {key} NOT NULL,
  reason {text} NOT NULL,
  table_version {bigint} NOT NULL,
  snapshot_id {bigint} NOT NULL,
  score {bigint} NOT NULL,
  health {text} NOT NULL,
  candidates {bigint} NOT NULL,
  pending_since_ms {bigint} NOT NULL,
  requested_type {key} NOT NULL,
  last_minor_ms {bigint} NOT NULL,
  last_major_ms {bigint} NOT NULL,
  last_full_ms {bigint} NOT NULL,
  last_planned_ms {bigint} NOT NULL,
  last_refreshed_ms {bigint} NOT NULL,
  failures {bigint} NOT NULL,
  last_failure {text} NOT NULL,
  retry_ms {bigint} NOT NULL,
  written_bytes {bigint} NOT NULL,
  due_ms {bigint}
);
CREATE INDEX optimizing_table_due ON optimizing_table (due_ms);
CREATE INDEX optimizing_table_state ON optimizing_table (state);
CREATE TABLE manifest_digest (
  table_id {bigint} NOT NULL,
  manifest_path {path} NOT NULL,
  digest {text} NOT NULL,
  PRIMARY KEY (table_id, manifest_path)
);
CREATE TABLE process (
  process_id {key} NOT NULL PRIMARY KEY,
  table_id {bigint} NOT NULL,
  table_name {text} NOT NULL,
  resource_group {key} NOT NULL,
  type {key} NOT NULL,
  state {key} NOT NULL,
  reason {text} NOT NULL,
  snapshot_id {bigint} NOT NULL,
  sequence_number {bigint} NOT NULL,
  quota_threads {bigint} NOT NULL,
  num_retries {bigint} NOT NULL,
  partial_commit {bigint} NOT NULL,
  created_ms {bigint} NOT NULL,
  finished_ms {bigint} NOT NULL,
  tasks {bigint} NOT NULL,
  input_files {bigint} NOT NULL,
  input_bytes {bigint} NOT NULL,
  output_files {bigint} NOT NULL,
  output_bytes {bigint} NOT NULL,
  committed_snapshot_id {bigint} NOT NULL,
  commit_attempts {bigint} NOT NULL,
  error {text} NOT NULL
);
CREATE INDEX process_table ON process (table_id, created_ms);
CREATE INDEX process_state ON process (state);
CREATE TABLE active_process (
  table_id {bigint} NOT NULL PRIMARY KEY,
  process_id {key} NOT NULL
);
CREATE TABLE task (
  process_id {key} NOT NULL,
  task_id {bigint} NOT NULL,
  state {key} NOT NULL,
  attempt {bigint} NOT NULL,
  failures {bigint} NOT NULL,
  input {text} NOT NULL,
  output {text} NOT NULL,
  error {text} NOT NULL,
  optimizer {key} NOT NULL,
  thread {bigint} NOT NULL,
  handed_ms {bigint} NOT NULL,
  acknowledged_ms {bigint} NOT NULL,
  finished_ms {bigint} NOT NULL,
  input_files {bigint} NOT NULL,
  input_bytes {bigint} NOT NULL,
  bytes_read {bigint} NOT NULL,
  PRIMARY KEY (process_id, task_id)
);
CREATE INDEX task_state ON task (state);
CREATE TABLE optimizer (
  token {key} NOT NULL PRIMARY KEY,
  resource_group {key} NOT NULL,
  threads {bigint} NOT NULL,
  memory_bytes {bigint} NOT NULL,
  host {text} NOT NULL,
  pid {bigint} NOT NULL,
  version {text} NOT NULL,
  embedded {bigint} NOT NULL,
  registered_ms {bigint} NOT NULL,
  heartbeat_ms {bigint} NOT NULL
);
CREATE TABLE feed_cursor (
  consumer {key} NOT NULL PRIMARY KEY,
  feed_seq {bigint} NOT NULL
);
)"},
      {2, "attempt files, failures, versions of rows", R"(
ALTER TABLE optimizing_table ADD COLUMN row_version {bigint} NOT NULL DEFAULT 0;
ALTER TABLE optimizing_table ADD COLUMN equal_failures {bigint} NOT NULL DEFAULT 0;
ALTER TABLE optimizing_table ADD COLUMN failed_schema_id {bigint} NOT NULL DEFAULT -1;
CREATE TABLE deletion (
  process_id {key} NOT NULL,
  task_id {bigint} NOT NULL,
  attempt {bigint} NOT NULL,
  table_id {bigint} NOT NULL,
  proof {key} NOT NULL,
  prefix {text} NOT NULL,
  created_ms {bigint} NOT NULL,
  due_ms {bigint} NOT NULL,
  last_ms {bigint} NOT NULL,
  tries {bigint} NOT NULL,
  error {text} NOT NULL,
  PRIMARY KEY (process_id, task_id, attempt)
);
CREATE INDEX deletion_due ON deletion (due_ms);
)"},
      {3, "who asked, waits of tasks", R"(
ALTER TABLE process ADD COLUMN started_by {text};
ALTER TABLE task ADD COLUMN not_before_ms {bigint} NOT NULL DEFAULT 0;
)"},
      {4, "a layout that was asked for", R"(
ALTER TABLE optimizing_table ADD COLUMN requested_layout {text};
)"},
      {5, "files of a try at the commit that was not the one", R"(
ALTER TABLE deletion ADD COLUMN keep {text};
)"},
      {6, "branches, rows that were left out as duplicates", R"(
ALTER TABLE optimizing_table ADD COLUMN requested_dedup_key {text};
ALTER TABLE optimizing_table ADD COLUMN requested_dedup_by {text};
ALTER TABLE optimizing_table ADD COLUMN requested_branch {text};
ALTER TABLE process ADD COLUMN branch {text};
ALTER TABLE process ADD COLUMN deduplicated_rows {bigint} NOT NULL DEFAULT 0;
)"},
      {7, "servers of embedded optimizers", R"(
ALTER TABLE optimizer ADD COLUMN server {key};
)"},
      {8, "tasks beside rewrites", R"(
ALTER TABLE task ADD COLUMN kind {key};
ALTER TABLE task ADD COLUMN job_group {key};
ALTER TABLE task ADD COLUMN job_table {bigint};
ALTER TABLE task ADD COLUMN job_retries {bigint};
CREATE INDEX task_job ON task (job_group, state, process_id);
ALTER TABLE optimizer ADD COLUMN protocol {bigint} NOT NULL DEFAULT 2;
)"},
      {9, "how far tasks beside rewrites are", R"(
ALTER TABLE task ADD COLUMN files_seen {bigint} NOT NULL DEFAULT 0;
)"}};
  return migrations;
}

}  // namespace moraine::optimizing
