list(APPEND ICEBERG_SOURCES
  manifest/column_map.cc manifest/data_file.cc manifest/entry_decoder.cc manifest/field_summary.cc
  manifest/manifest_list_reader.cc manifest/manifest_list_writer.cc manifest/manifest_reader.cc
  manifest/manifest_schema.cc manifest/manifest_writer.cc manifest/partition_value.cc)

list(APPEND ICEBERG_TESTS manifest/manifest_golden_test.cc manifest/manifest_hostile_test.cc
  manifest/manifest_reader_test.cc manifest/manifest_test.cc manifest/manifest_writer_test.cc)
list(APPEND ICEBERG_TESTING testing/manifest_dump.cc testing/manifest_fuzz.cc testing/manifest_samples.cc)
