# Compiler settings and the three functions that every CMakeLists.txt of the tree uses.

find_program(LAMINA_CCACHE ccache)
if(LAMINA_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LAMINA_CCACHE})
endif()

add_library(lamina_options INTERFACE)
target_include_directories(lamina_options INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR})
target_compile_options(lamina_options INTERFACE -Wall -Wextra -Wno-unused-parameter -fvisibility=hidden
  -ffunction-sections -fdata-sections)
if(LAMINA_SANITIZE)
  target_compile_options(lamina_options INTERFACE
    -fsanitize=${LAMINA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(lamina_options INTERFACE -fsanitize=${LAMINA_SANITIZE})
endif()
if(LAMINA_ENABLE_FUZZERS)
  target_compile_options(lamina_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# lamina_runtime_library(NAME SOURCES a.cpp … LINKS lib …)
# A static library of the runtime. It must not know MLIR or LLVM (test/runtime/no_llvm_test checks).
function(lamina_runtime_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC lamina_options ${ARG_LINKS})
endfunction()

# lamina_gtest(NAME SOURCES a.cpp … LINKS lib …): a GoogleTest program registered with CTest.
function(lamina_gtest name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE lamina_options ${ARG_LINKS} GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE LAMINA_TEST_DATA="${LAMINA_TEST_DATA}"
    LAMINA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LAMINA_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# lamina_fuzzer(NAME SOURCES a.cpp LINKS lib …): a libFuzzer program; run by tools/dev/run-fuzzers.
function(lamina_fuzzer name)
  if(NOT LAMINA_ENABLE_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE lamina_options ${ARG_LINKS} -fsanitize=fuzzer)
endfunction()
