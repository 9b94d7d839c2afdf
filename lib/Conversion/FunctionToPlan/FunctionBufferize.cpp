//===- FunctionBufferize.cpp - functions on tensors into functions on memory --------------------------------===//

#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"

#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

namespace lamina {
#define GEN_PASS_DEF_FUNCTIONBUFFERIZEPASS
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"
} // namespace lamina

using namespace mlir;
using namespace lamina;

void lamina::registerBufferization(DialectRegistry &registry) {
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
}

namespace {

LogicalResult bufferize(ModuleOp module) {
  bufferization::OneShotBufferizationOptions options;
  options.bufferizeFunctionBoundaries = true;
  options.allowReturnAllocsFromLoops = true;
  options.setFunctionBoundaryTypeConversion(bufferization::LayoutMapOption::IdentityLayoutMap);
  // Everything that is made here lies row by row; views of other layouts do not occur.
  options.unknownTypeConverterFn = [](TensorType type, Attribute space,
                                      const bufferization::BufferizationOptions &) {
    return bufferization::getMemRefTypeWithStaticIdentityLayout(type, space);
  };
  bufferization::BufferizationState state;
  return bufferization::runOneShotModuleBufferize(module, options, state);
}

/// Also hands on the attributes of results.
LogicalResult makeResultsArguments(ModuleOp module) {
  llvm::MapVector<func::FuncOp, SmallVector<DictionaryAttr>> attrs;
  for (auto function : module.getOps<func::FuncOp>())
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      attrs[function].push_back(function.getResultAttrDict(i));
  bufferization::BufferResultsToOutParamsOpts options;
  options.hoistStaticAllocs = true;
  options.modifyPublicFunctions = true;
  if (failed(bufferization::promoteBufferResultsToOutParams(module, options)))
    return failure();
  for (auto &[function, ofResults] : attrs)
    for (auto [i, dictionary] : llvm::enumerate(ofResults))
      function.setArgAttrs(function.getNumArguments() - ofResults.size() + i, dictionary);
  return success();
}

/// Copies that become loops: memcpy would be another library's.
void expandCopies(ModuleOp module) {
  module.walk([](memref::CopyOp copy) {
    OpBuilder b(copy);
    linalg::CopyOp::create(b, copy.getLoc(), copy.getSource(), copy.getTarget());
    copy.erase();
  });
}

struct FunctionBufferizePass : lamina::impl::FunctionBufferizePassBase<FunctionBufferizePass> {
  using Base::Base;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    OpPassManager cleanup(ModuleOp::getOperationName());
    cleanup.addPass(createCanonicalizerPass());
    cleanup.addPass(createCSEPass());
    if (failed(runPipeline(cleanup, module)) || failed(bufferize(module)))
      return signalPassFailure();
    // Casts in front of results would hide that these are allocations, which the arguments then replace.
    if (failed(runPipeline(cleanup, module)) || failed(makeResultsArguments(module)))
      return signalPassFailure();
    expandCopies(module);
  }
};

} // namespace
