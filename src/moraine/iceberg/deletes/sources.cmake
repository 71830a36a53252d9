list(APPEND ICEBERG_SOURCES
  deletes/deletion_vector.cc deletes/equality_set.cc deletes/portable_bitmap.cc
  deletes/position_set.cc deletes/row_keys.cc)
list(APPEND ICEBERG_TESTS
  deletes/deletes_test.cc deletes/deletion_vector_test.cc)
