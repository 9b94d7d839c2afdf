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

# lamina_runtime_library(NAME SOURCES a.cpp … LINKS lib …)
# A static library of the runtime. It must not know MLIR or LLVM (test/e2e/test_build.py checks).
function(lamina_runtime_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC lamina_options ${ARG_LINKS})
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

# lamina_gtest(NAME [THREADS] SOURCES a.cpp … LINKS lib …): a GoogleTest program registered with CTest. THREADS: threads
# meet in it, so CI runs it under ThreadSanitizer too.
add_custom_target(threaded_tests)
function(lamina_gtest name)
  cmake_parse_arguments(ARG "THREADS" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
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
