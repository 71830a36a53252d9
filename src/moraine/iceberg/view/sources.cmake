list(APPEND ICEBERG_SOURCES
  view/view_metadata.cc view/view_metadata_json.cc view/view_update.cc view/view_update_json.cc)
list(APPEND ICEBERG_TESTS view/view_metadata_test.cc view/view_update_test.cc)
