list(APPEND ICEBERG_SOURCES scan/delete_index.cc scan/table_filter.cc)
