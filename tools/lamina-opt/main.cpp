//===- main.cpp - lamina-opt ----------------------------------------------------------------------------------===//

#include "tools/lamina-opt/Compile.h"

#include "lib/Pipelines/Pipelines.h"
#include "tools/common/StandardStreams.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  lamina::occupyStandardStreams();
  if (lamina::wantsCompile(argc, argv))
    return lamina::compileMain(argc, argv);
  mlir::DialectRegistry registry;
  lamina::registerDialects(registry);
  lamina::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "lamina passes over .mlir files\n", registry));
}
