list(APPEND ICEBERG_SOURCES
  expression/bind.cc expression/expression.cc expression/expression_json.cc expression/filter_parser.cc
  expression/literal.cc expression/metrics_evaluation.cc expression/projection.cc
  expression/rest_filter.cc)
list(APPEND ICEBERG_TESTS
  expression/bind_test.cc expression/expression_json_test.cc expression/filter_parser_test.cc
  expression/metrics_evaluation_test.cc expression/projection_test.cc expression/rest_filter_test.cc)
