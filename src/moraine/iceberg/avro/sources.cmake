list(APPEND ICEBERG_SOURCES
  avro/avro_codec.cc avro/avro_cursor.cc avro/avro_file.cc avro/avro_program.cc avro/avro_schema.cc
  avro/avro_stream.cc avro/avro_type.cc)

list(APPEND ICEBERG_TESTS
  avro/avro_cursor_test.cc avro/avro_file_test.cc avro/avro_program_test.cc avro/avro_schema_test.cc)
