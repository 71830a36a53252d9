#include "moraine/scanning/schema.h"

namespace moraine::scanning {

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {{1, "scanning", R"(
CREATE TABLE scan_secret (
  id {bigint} NOT NULL PRIMARY KEY,
  secret {key} NOT NULL,
  created_ms {bigint} NOT NULL
);
CREATE TABLE scan_plan (
  plan_id {key} NOT NULL PRIMARY KEY,
  table_id {bigint} NOT NULL,
  principal {text} NOT NULL,
  scan {text} NOT NULL,
  created_ms {bigint} NOT NULL,
  expires_ms {bigint} NOT NULL
);
CREATE INDEX scan_plan_expires ON scan_plan (expires_ms);
)"}};
  return migrations;
}

}  // namespace moraine::scanning
