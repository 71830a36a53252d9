# Foreign libraries, one block each: version here, licence, the module that is its door, the reason.
# A module names them in DEPS of moraine_module(); tools/tidy.py checks who includes what.

find_package(Threads REQUIRED)

# fmt 9, MIT. Door: none, it is our printf. Reason: <format> is absent in GCC 12.
find_package(fmt REQUIRED)

# spdlog 1.10, MIT. Door: base. Reason: asynchronous, bounded, rotating logs.
find_package(spdlog REQUIRED)

# simdjson 3.6, Apache-2.0. Door: base. Reason: strict, fast reading of metadata files. Compiled here under another
# name (base/simdjson_internal.h): Arrow's libraries export a version of their own, and the loader would take one for both.
set(MORAINE_SIMDJSON_ROOT "$ENV{MORAINE_SIMDJSON_ROOT}" CACHE PATH "folder of simdjson.h and simdjson.cpp")
if(NOT EXISTS ${MORAINE_SIMDJSON_ROOT}/simdjson.cpp)
  message(FATAL_ERROR "simdjson's sources were not found. Run ./dev setup, or set MORAINE_SIMDJSON_ROOT to the folder of "
                      "simdjson.h and simdjson.cpp 3.6.")
endif()
add_library(simdjson STATIC ${MORAINE_SIMDJSON_ROOT}/simdjson.cpp)
target_compile_definitions(simdjson PRIVATE simdjson=moraine_simdjson PUBLIC SIMDJSON_THREADS_ENABLED=1)
target_compile_options(simdjson PRIVATE -w)
set_target_properties(simdjson PROPERTIES POSITION_INDEPENDENT_CODE ON)

# yaml-cpp 0.7, MIT. Door: base. Reason: the server's config file.
find_package(yaml-cpp REQUIRED)

# CLI11 2.3, BSD. Door: cli. Reason: commands, flags, help texts. Header only.
# prometheus-cpp 1.0, MIT. Door: base. Reason: the metrics registry and its text form.
find_package(prometheus-cpp REQUIRED COMPONENTS core)

# Boost 1.81 (Asio, Beast, URL), BSL. Door: net. Reason: a proven HTTP parser and event loop.
find_package(Boost 1.81 REQUIRED COMPONENTS url)

# OpenSSL 3.0, Apache-2.0. Door: net. Reason: TLS, SHA-256 for SigV4.
find_package(OpenSSL REQUIRED)

# libcurl 7.88, curl. Door: net. Reason: the HTTP client with proxies, TLS and HTTP/2.
find_package(CURL REQUIRED)

# SOCI 4.0, BSL. Door: store. Reason: opens SQLite. Ships no CMake config.
find_path(SOCI_INCLUDE_DIR soci/soci.h REQUIRED)
find_library(SOCI_CORE soci_core REQUIRED)
find_library(SOCI_SQLITE3 soci_sqlite3 REQUIRED)
find_library(SQLITE3 sqlite3 REQUIRED)
add_library(soci INTERFACE)
target_include_directories(soci SYSTEM INTERFACE ${SOCI_INCLUDE_DIR})
target_link_libraries(soci INTERFACE ${SOCI_CORE} ${SOCI_SQLITE3} ${SQLITE3} ${CMAKE_DL_LIBS})

# libpq 15, PostgreSQL licence. Door: store. Reason: pipelines, SQLSTATEs and waits with limits, which SOCI hides.
find_path(PQ_INCLUDE_DIR libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)
find_library(PQ_LIBRARY pq REQUIRED)

# libmariadb 3.3, LGPL-2.1. Door: store. Reason: error numbers and limits, as above; speaks to MySQL, too.
find_path(MARIADB_INCLUDE_DIR mysqld_error.h PATH_SUFFIXES mariadb REQUIRED)
find_library(MARIADB_LIBRARY mariadb REQUIRED)

# CRoaring 0.2, Apache-2.0. Door: iceberg/deletes, iceberg/puffin. Reason: deletion bitmaps.
find_package(roaring REQUIRED)

# zstd 1.5, zlib 1.2, snappy 1.1, xxhash 0.8 (BSD, zlib). Doors: base, iceberg. Reason: Avro codecs, hashes.
find_package(ZLIB REQUIRED)
find_package(zstd REQUIRED)
find_package(Snappy REQUIRED)

# libdeflate 1.14, MIT. Door: iceberg/avro. Reason: reads deflate blocks of manifests three times as fast as
# zlib (planning is mostly that), and writes them faster too. Ships no CMake config.
find_path(DEFLATE_INCLUDE_DIR libdeflate.h REQUIRED)
find_library(DEFLATE_LIBRARY deflate REQUIRED)
add_library(deflate INTERFACE)
target_include_directories(deflate SYSTEM INTERFACE ${DEFLATE_INCLUDE_DIR})
target_link_libraries(deflate INTERFACE ${DEFLATE_LIBRARY})

# Arrow and Parquet 26.0.1, Apache-2.0. Doors: io, iceberg/data, rewrite. Reason: columns and Parquet.
# Debian has none: the pinned pyarrow wheel carries headers and libraries (./dev setup installs it).
set(MORAINE_ARROW_ROOT "$ENV{MORAINE_ARROW_ROOT}" CACHE PATH "pyarrow's package folder, or empty")
find_package(Arrow 26 QUIET CONFIG)
find_package(Parquet 26 QUIET CONFIG)
add_library(arrow INTERFACE)
if(Arrow_FOUND AND Parquet_FOUND AND NOT MORAINE_ARROW_ROOT)
  target_link_libraries(arrow INTERFACE Arrow::arrow_shared Parquet::parquet_shared)
else()
  if(NOT MORAINE_ARROW_ROOT)
    message(FATAL_ERROR "Arrow 26 was not found. Run ./dev setup, or set MORAINE_ARROW_ROOT to the "
                        "folder of the pyarrow 26.0.1 package.")
  endif()
  target_include_directories(arrow SYSTEM INTERFACE ${MORAINE_ARROW_ROOT}/include)
  foreach(lib arrow arrow_compute parquet)
    target_link_libraries(arrow INTERFACE ${MORAINE_ARROW_ROOT}/lib${lib}.so.2600)
  endforeach()
  target_link_options(arrow INTERFACE LINKER:-rpath-link,${MORAINE_ARROW_ROOT})
endif()

# GoogleTest 1.12, BSD; Google Benchmark 1.7, Apache-2.0. Doors: tests, bench.
if(MORAINE_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(MORAINE_BENCH)
  find_package(benchmark REQUIRED)
endif()
