list(APPEND ICEBERG_SOURCES scan/delete_index.cc scan/plan_files.cc scan/scan_usage.cc scan/splits.cc scan/table_filter.cc)
list(APPEND ICEBERG_TESTS scan/delete_index_test.cc scan/plan_files_test.cc scan/scan_usage_test.cc scan/splits_test.cc)
