list(APPEND ICEBERG_SOURCES
  sketches/compact_sketch.cc sketches/theta_hash.cc sketches/theta_sketch.cc)
list(APPEND ICEBERG_TESTS
  sketches/theta_sketch_test.cc)
