# Compiler settings and the functions that every CMakeLists.txt of the tree uses.

find_program(LAMINA_CCACHE ccache)
if(LAMINA_CCACHE)
  # Without these it keeps nothing of what has a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${LAMINA_CCACHE})
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

# What precompiled headers ask for: that all code is compiled alike, programs too; and for ccache, that they are the same
# whenever they are made.
target_compile_options(lamina_options INTERFACE -fPIC "$<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>")

# lamina_precompiled_headers(NAME LINKS lib … HEADERS <a.h> …): headers that many sources include, compiled once, for
# target_precompile_headers(… REUSE_FROM NAME). Sources include what they need all the same, so that they compile with
# -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON too.
function(lamina_precompiled_headers name)
  cmake_parse_arguments(ARG "" "" "LINKS;HEADERS" ${ARGN})
  file(CONFIGURE OUTPUT ${name}.cpp CONTENT "")
  add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()

# A status alone is a second or two of a compilation.
lamina_precompiled_headers(lamina_status_headers LINKS lamina_options
  HEADERS <absl/status/statusor.h> <absl/strings/str_cat.h>
    <algorithm> <map> <memory> <optional> <span> <string> <string_view> <vector>)

# lamina_runtime_library(NAME SOURCES a.cpp … LINKS lib …)
# A static library of the runtime, or of what the compiler shares with its tools. It must not know MLIR or LLVM
# (test/e2e/test_build.py checks).
function(lamina_runtime_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC lamina_options ${ARG_LINKS})
  target_precompile_headers(${name} REUSE_FROM lamina_status_headers)
endfunction()

# lamina_runtime_program(NAME SOURCES a.cpp … LINKS lib …)
# The program NAME of main.cpp, which needs nothing but glibc at run time, and of the library of the same name (with _ for
# -) with all the rest, so that tests reach it. Sanitizers bring their own runtime.
function(lamina_runtime_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  string(REPLACE - _ library ${name})
  lamina_runtime_library(${library} SOURCES ${ARG_SOURCES} LINKS ${ARG_LINKS})
  target_compile_definitions(${library} PRIVATE LAMINA_VERSION="${PROJECT_VERSION}")
  add_executable(${name} main.cpp)
  target_link_libraries(${name} PRIVATE ${library})
  if(NOT LAMINA_SANITIZE)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc LINKER:--gc-sections LINKER:--as-needed)
  endif()
endfunction()

# lamina_gtest(NAME [THREADS] [MLIR] SOURCES a.cpp … LINKS lib …): a GoogleTest program registered with CTest. THREADS: threads
# meet in it, so CI runs it under ThreadSanitizer too. MLIR: a test of the compiler.
add_custom_target(threaded_tests)
function(lamina_gtest name)
  cmake_parse_arguments(ARG "THREADS;MLIR" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(ARG_MLIR)
    target_link_libraries(${name} PRIVATE MLIR LLVM)
    target_precompile_headers(${name} REUSE_FROM lamina_mlir_headers)
  else()
    target_precompile_headers(${name} REUSE_FROM lamina_test_headers)
  endif()
  target_link_libraries(${name} PRIVATE lamina_options ${ARG_LINKS} GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE LAMINA_TEST_DATA="${LAMINA_TEST_DATA}"
    LAMINA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LAMINA_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  if(ARG_THREADS)
    set_tests_properties(${name} PROPERTIES LABELS threads)
    add_dependencies(threaded_tests ${name})
  endif()
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
