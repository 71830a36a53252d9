list(APPEND ICEBERG_SOURCES
  deletes/equality_set.cc deletes/position_set.cc deletes/row_keys.cc)
list(APPEND ICEBERG_TESTS
  deletes/deletes_test.cc)
