list(APPEND ICEBERG_SOURCES
  puffin/puffin_codec.cc puffin/puffin_metadata.cc puffin/puffin_reader.cc puffin/puffin_writer.cc)
list(APPEND ICEBERG_TESTS
  puffin/puffin_test.cc)
