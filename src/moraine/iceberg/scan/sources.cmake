list(APPEND ICEBERG_SOURCES scan/delete_index.cc scan/plan_files.cc scan/splits.cc scan/table_filter.cc)
