list(APPEND ICEBERG_SOURCES
  types/bucket_hash.cc types/calendar.cc types/decimal.cc types/partition_spec.cc
  types/partition_spec_json.cc types/schema.cc types/schema_json.cc types/schema_rules.cc
  types/snapshot_json.cc types/transform.cc types/type.cc types/uuid.cc types/value.cc
  types/value_json.cc types/value_text.cc)
list(APPEND ICEBERG_TESTS
  types/partition_spec_test.cc types/schema_test.cc types/snapshot_test.cc types/transform_test.cc
  types/type_test.cc types/value_test.cc)
