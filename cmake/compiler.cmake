# Warnings, linker, debug paths and sanitizers: what every target of ours is compiled with.
# (Foreign headers come in as SYSTEM and are not judged.)
add_library(moraine_compiler INTERFACE)
target_compile_options(moraine_compiler INTERFACE
  -Wall -Wextra -Werror -Wno-missing-field-initializers
  -fno-omit-frame-pointer -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees these in std::string, std::optional and std::variant where there is nothing to see; from a
  # precompiled header it forgets, too, that they are system headers.
  target_compile_options(moraine_compiler INTERFACE
    -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized)
endif()
target_include_directories(moraine_compiler INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(moraine_compiler INTERFACE MORAINE_VERSION="${MORAINE_VERSION}")

if(MORAINE_SANITIZE)
  target_compile_options(moraine_compiler INTERFACE -fsanitize=${MORAINE_SANITIZE})
  target_link_options(moraine_compiler INTERFACE -fsanitize=${MORAINE_SANITIZE})
  if(MORAINE_SANITIZE MATCHES "undefined")
    # vptr needs RTTI of foreign libraries that were built elsewhere.
    target_compile_options(moraine_compiler INTERFACE
      -fno-sanitize=vptr -fno-sanitize-recover=undefined)
    target_link_options(moraine_compiler INTERFACE -fno-sanitize=vptr)
  endif()
endif()

if(MORAINE_FUZZ)
  # Coverage for the fuzzer; clang's warnings are for its checks, not to fail a build that GCC accepts.
  target_compile_options(moraine_compiler INTERFACE -fsanitize=fuzzer-no-link -Wno-error)
endif()

find_program(MOLD mold)
if(MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_link_options(moraine_compiler INTERFACE -fuse-ld=mold)
endif()
