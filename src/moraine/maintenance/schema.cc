#include "moraine/maintenance/schema.h"

namespace moraine::maintenance {

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {{1, "schedules, runs, deletions", R"(
CREATE TABLE maintenance_cursor (
  consumer {key} NOT NULL PRIMARY KEY,
  feed_seq {bigint} NOT NULL
);
CREATE TABLE maintenance_table (
  table_id {bigint} NOT NULL PRIMARY KEY,
  warehouse {key} NOT NULL,
  name {text} NOT NULL,
  looked_ms {bigint} NOT NULL,
  look_ms {bigint},
  problem {text} NOT NULL
);
CREATE INDEX maintenance_table_look ON maintenance_table (look_ms);
CREATE TABLE maintenance_schedule (
  table_id {bigint} NOT NULL,
  action {key} NOT NULL,
  subject {text} NOT NULL,
  due_ms {bigint},
  reason {text} NOT NULL,
  last_run_ms {bigint} NOT NULL,
  last_run_id {key} NOT NULL,
  last_state {key} NOT NULL,
  last_reason {text} NOT NULL,
  memory {text} NOT NULL,
  failures {bigint} NOT NULL,
  last_failure {text} NOT NULL,
  retry_ms {bigint} NOT NULL,
  paused_ms {bigint} NOT NULL,
  paused_by {text} NOT NULL,
  asked_run_id {key} NOT NULL,
  asked_dry {bigint} NOT NULL,
  asked_by {text} NOT NULL,
  asked_options {text} NOT NULL,
  row_version {bigint} NOT NULL,
  PRIMARY KEY (table_id, action)
);
CREATE INDEX maintenance_schedule_due ON maintenance_schedule (due_ms);
CREATE TABLE maintenance_active (
  table_id {bigint} NOT NULL,
  action {key} NOT NULL,
  run_id {key} NOT NULL,
  PRIMARY KEY (table_id, action)
);
CREATE TABLE maintenance_run (
  run_id {key} NOT NULL PRIMARY KEY,
  table_id {bigint} NOT NULL,
  action {key} NOT NULL,
  subject {text} NOT NULL,
  table_name {text} NOT NULL,
  state {key} NOT NULL,
  started_by {text} NOT NULL,
  dry_run {bigint} NOT NULL,
  options {text} NOT NULL,
  reason {text} NOT NULL,
  stage {text} NOT NULL,
  steps {bigint} NOT NULL,
  next_task {bigint} NOT NULL,
  must_finish {bigint} NOT NULL,
  tries {bigint} NOT NULL,
  not_before_ms {bigint} NOT NULL,
  may_write_until_ms {bigint} NOT NULL,
  output_prefix {text} NOT NULL,
  created_ms {bigint} NOT NULL,
  finished_ms {bigint} NOT NULL,
  tasks {bigint} NOT NULL,
  files_removed {bigint} NOT NULL,
  bytes_removed {bigint} NOT NULL,
  details {text} NOT NULL,
  error {text} NOT NULL,
  row_version {bigint} NOT NULL
);
CREATE INDEX maintenance_run_table ON maintenance_run (table_id, created_ms);
CREATE INDEX maintenance_run_finished ON maintenance_run (finished_ms);
CREATE TABLE file_deletion (
  run_id {key} NOT NULL,
  task_id {bigint} NOT NULL,
  table_id {bigint} NOT NULL,
  table_uuid {key} NOT NULL,
  table_version {bigint} NOT NULL,
  metadata_location {text} NOT NULL,
  proof {key} NOT NULL,
  list_location {text} NOT NULL,
  files {bigint} NOT NULL,
  bytes {bigint} NOT NULL,
  decided_ms {bigint} NOT NULL,
  finished_ms {bigint} NOT NULL,
  state {key} NOT NULL,
  result {text} NOT NULL,
  PRIMARY KEY (run_id, task_id)
);
CREATE INDEX file_deletion_table ON file_deletion (table_id, decided_ms);
CREATE INDEX file_deletion_finished ON file_deletion (finished_ms)
)"},
                                                           {2, "what is due, in its order", R"(
CREATE INDEX maintenance_schedule_next ON maintenance_schedule (due_ms, table_id, action)
)"},
                                                           {3, "who cancelled a run", R"(
ALTER TABLE maintenance_run ADD COLUMN cancelled_by {text}
)"},
                                                           {4, "schedules by the run asked for", R"(
CREATE INDEX maintenance_schedule_asked ON maintenance_schedule (asked_run_id)
)"}};
  return migrations;
}

}  // namespace moraine::maintenance
