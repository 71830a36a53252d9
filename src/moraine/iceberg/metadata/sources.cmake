list(APPEND ICEBERG_SOURCES
  metadata/metadata_builder.cc metadata/metadata_builder_snapshots.cc metadata/name_mapping.cc
  metadata/table_creation.cc metadata/table_metadata.cc metadata/table_metadata_json.cc
  metadata/table_requirement_json.cc metadata/table_update.cc metadata/table_update_json.cc)
list(APPEND ICEBERG_TESTS
  metadata/name_mapping_test.cc metadata/table_creation_test.cc metadata/table_metadata_test.cc
  metadata/table_requirement_test.cc metadata/table_update_hostile_test.cc metadata/table_update_test.cc)
