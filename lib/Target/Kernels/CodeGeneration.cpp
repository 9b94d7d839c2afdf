//===- CodeGeneration.cpp - kernels in MLIR to optimised LLVM IR --------------------------------------===//

#include "lib/Target/Kernels/CodeGeneration.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace lamina;

static LogicalResult lowerToLLVMDialect(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.enableVerifier(false);
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  return passes.run(module);
}

llvm::Expected<std::unique_ptr<llvm::Module>> lamina::translateKernels(ModuleOp module,
                                                                       llvm::LLVMContext &context) {
  if (failed(lowerToLLVMDialect(module)))
    return llvm::createStringError("a kernel could not be lowered to LLVM");
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  if (std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context, "kernels"))
    return code;
  return llvm::createStringError("a kernel could not be translated to LLVM IR");
}

/// Generators have tiled, unrolled and vectorised already: what is left is cleaning up.
void lamina::optimizeKernels(llvm::Module &module, llvm::TargetMachine &machine, Loops loopsAre) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = loopsAre == Loops::Plain;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = loopsAre == Loops::Plain;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}
