list(APPEND ICEBERG_SOURCES
  commit/branch_history.cc commit/change_rules.cc commit/commit_loop.cc commit/conflict_check.cc commit/file_deletion.cc
  commit/manifest_counts.cc commit/manifest_filter.cc commit/manifest_merge.cc commit/manifest_output.cc
  commit/snapshot_producer.cc commit/snapshot_summary.cc)
list(APPEND ICEBERG_TESTS commit/snapshot_producer_test.cc)
list(APPEND ICEBERG_TESTING testing/test_table.cc)
list(APPEND ICEBERG_TESTS
  commit/commit_loop_test.cc commit/conflict_check_test.cc commit/manifest_merge_test.cc)
list(APPEND ICEBERG_TESTS commit/commit_history_test.cc commit/golden_v3_test.cc commit/table_cases_test.cc)
