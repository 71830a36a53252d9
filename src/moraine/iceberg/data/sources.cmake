list(APPEND ICEBERG_SOURCES
  data/arrow_schema.cc data/avro_columns.cc data/avro_decoders.cc data/avro_reader.cc
  data/avro_rows.cc data/column_metrics.cc data/column_projection.cc data/column_sketch.cc
  data/column_values.cc
  data/data_file_reader.cc data/data_file_writer.cc data/delete_filter.cc data/delete_loading.cc
  data/delete_writer.cc data/dictionary_trial.cc data/file_columns.cc data/file_sketches.cc data/foreign_errors.cc data/key_sample.cc
  data/key_columns.cc data/leaf_levels.cc data/matching_rows.cc data/metrics_mode.cc data/open_dictionary.cc
  data/orc_columns.cc data/orc_decoders.cc data/orc_file.cc data/orc_reader.cc data/orc_rows.cc
  data/orc_runs.cc
  data/parquet_properties.cc
  data/parquet_reader.cc data/parquet_schema.cc data/parquet_shape.cc data/parquet_writer.cc
  data/partition_statistics.cc data/value_cast.cc)
list(APPEND ICEBERG_TESTS
  data/column_metrics_test.cc data/column_sketch_test.cc data/deletion_vectors_test.cc data/dictionaries_test.cc
  data/dictionary_trial_test.cc
  data/metrics_mode_test.cc
  data/other_formats_test.cc data/parquet_test.cc data/partition_statistics_test.cc)
list(APPEND ICEBERG_TESTING
  testing/other_formats.cc testing/row_delta.cc testing/rows.cc testing/table_rows.cc)
