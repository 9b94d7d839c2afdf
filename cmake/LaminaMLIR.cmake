# LLVM/MLIR 22 and the functions for dialects and compiler libraries. The shared libMLIR and libLLVM are linked
# by the tools alone: compiler libraries are object code that needs only MLIR's headers.

find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${MLIR_INCLUDE_DIRS})  # mlir-tblgen takes its search path from the directory

add_library(lamina_mlir_options INTERFACE)
target_link_libraries(lamina_mlir_options INTERFACE lamina_options)
target_include_directories(lamina_mlir_options SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(lamina_mlir_options INTERFACE ${LLVM_DEFINITIONS_LIST})
target_compile_options(lamina_mlir_options INTERFACE -fno-rtti -Wno-unused-but-set-variable)

# These are two thirds and more of a compilation.
lamina_precompiled_headers(lamina_mlir_headers LINKS lamina_mlir_options
  HEADERS <absl/status/statusor.h>
    <mlir/Dialect/Arith/IR/Arith.h> <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Dialect/LLVMIR/LLVMDialect.h>
    <mlir/Dialect/Linalg/IR/Linalg.h> <mlir/Dialect/Math/IR/Math.h> <mlir/Dialect/MemRef/IR/MemRef.h>
    <mlir/Dialect/SCF/IR/SCF.h> <mlir/Dialect/Tensor/IR/Tensor.h> <mlir/Dialect/Vector/IR/VectorOps.h>
    <mlir/IR/Builders.h> <mlir/IR/BuiltinOps.h> <mlir/IR/ImplicitLocOpBuilder.h> <mlir/Pass/Pass.h>)

# lamina_tablegen(TARGET TD out.inc -gen-x [args] [out2.inc -gen-y …]): runs mlir-tblgen on one .td file;
# everything that includes the results depends on TARGET through DEPENDS of lamina_compiler_library.
function(lamina_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(args ${ARGN})
  set(_command "")
  set(_out "")
  foreach(arg IN LISTS args)
    if(arg MATCHES "\\.inc$")
      if(_out)
        mlir_tablegen(${_out} ${_command} -I${PROJECT_SOURCE_DIR})
      endif()
      set(_out ${arg})
      set(_command "")
    else()
      list(APPEND _command ${arg})
    endif()
  endforeach()
  mlir_tablegen(${_out} ${_command} -I${PROJECT_SOURCE_DIR})
  add_public_tablegen_target(${target})
endfunction()

# lamina_compiler_library(NAME SOURCES … LINKS … DEPENDS tablegen-target …)
function(lamina_compiler_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC lamina_mlir_options ${ARG_LINKS})
  target_precompile_headers(${name} REUSE_FROM lamina_mlir_headers)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()
