list(APPEND ICEBERG_SOURCES
  expression/bind.cc expression/expression.cc expression/expression_json.cc expression/filter_parser.cc
  expression/literal.cc expression/metrics_evaluation.cc expression/projection.cc)
