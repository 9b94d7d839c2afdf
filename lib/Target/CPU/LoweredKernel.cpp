//===- LoweredKernel.cpp - kernels that are loops over memory already ---------------------------------===//

#include "lib/Target/CPU/LoweredKernel.h"

#include "lib/Target/CPU/LoopDivision.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace lamina;

namespace {

constexpr llvm::StringLiteral kBody = "body";

/// Functions of math become arithmetic: first whatever is defined by others, then approximations, then what these use.
struct ExpandMathPass : PassWrapper<ExpandMathPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMathPass)

  void runOnOperation() final {
    apply([](RewritePatternSet &patterns) {
      math::populateExpansionPatterns(patterns, {"sinh", "cosh", "asinh", "acosh", "atanh", "tan"});
    });
    apply([](RewritePatternSet &patterns) { populateMathPolynomialApproximationPatterns(patterns); });
    apply([](RewritePatternSet &patterns) { math::populateExpansionPatterns(patterns, {"fmaf", "ctlz"}); });
  }

  void apply(llvm::function_ref<void(RewritePatternSet &)> populate) {
    RewritePatternSet patterns(&getContext());
    populate(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

LogicalResult lowerToLLVM(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(std::make_unique<ExpandMathPass>());
  arith::ArithExpandOpsPassOptions small;
  small.includeBf16 = true; // conversions of bfloat16 would be calls of compiler-rt
  passes.addPass(arith::createArithExpandOpsPass(small));
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions pointers;
  pointers.useBarePtrCallConv = true;
  passes.addPass(createConvertFuncToLLVMPass(pointers));
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  return passes.run(module);
}

/// void SYMBOL(bindings, step, begin, end) { body(bindings[0], …, begin, end); }
void addEntry(ModuleOp module, StringRef symbol) {
  auto body = module.lookupSymbol<LLVM::LLVMFuncOp>(kBody);
  body.setLinkage(LLVM::Linkage::Internal);
  MLIRContext *context = module.getContext();
  ImplicitLocOpBuilder b = ImplicitLocOpBuilder::atBlockEnd(body.getLoc(), module.getBody());
  mlir::Type pointer = LLVM::LLVMPointerType::get(context), i64 = b.getI64Type();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), {pointer, pointer, i64, i64});
  auto entry = LLVM::LLVMFuncOp::create(b, symbol, type);
  b.setInsertionPointToStart(entry.addEntryBlock(b));
  SmallVector<Value> arguments;
  for (size_t i = 0; i + 2 < body.getNumArguments(); ++i) {
    Value slot =
        LLVM::GEPOp::create(b, pointer, pointer, entry.getArgument(0), ArrayRef<LLVM::GEPArg>{int32_t(i)});
    arguments.push_back(LLVM::LoadOp::create(b, pointer, slot));
  }
  arguments.append({entry.getArgument(2), entry.getArgument(3)});
  LLVM::CallOp::create(b, body, arguments);
  LLVM::ReturnOp::create(b, ValueRange());
}

} // namespace

bool lamina::isLoweredKernel(const KernelSource &kernel) {
  auto types = kernel.body->front().getArgumentTypes();
  return !types.empty() && llvm::all_of(types, [](mlir::Type type) { return isa<MemRefType>(type); });
}

FailureOr<std::string> lamina::serializeLoweredKernel(const KernelSource &kernel) {
  Operation *parent = kernel.body->getParentOp();
  OwningOpRef<ModuleOp> module = ModuleOp::create(parent->getLoc(), kernel.name);
  auto b = OpBuilder::atBlockEnd(module->getBody());
  SymbolTable symbols(parent->getParentOfType<ModuleOp>()), ours(*module);
  kernel.body->walk([&](memref::GetGlobalOp use) {
    if (!ours.lookup(use.getName()))
      ours.insert(symbols.lookup(use.getName())->clone());
  });
  auto type = b.getFunctionType(kernel.body->front().getArgumentTypes(), {});
  b.setInsertionPointToEnd(module->getBody());
  auto function = func::FuncOp::create(b, parent->getLoc(), kBody, type);
  IRMapping mapping;
  kernel.body->cloneInto(&function.getBody(), mapping);
  Operation *end = function.getBody().front().getTerminator();
  b.setInsertionPoint(end);
  func::ReturnOp::create(b, end->getLoc());
  end->erase();
  // Arguments become pointers, but upstream has none to memory without elements. Nothing reads such memory.
  for (BlockArgument argument : function.getArguments())
    if (cast<MemRefType>(argument.getType()).getNumElements() == 0 && argument.use_empty())
      argument.setType(MemRefType::get({1}, b.getI8Type()));
  function.setType(b.getFunctionType(function.getBody().getArgumentTypes(), {}));
  // Buffers that are alive at the same time do not overlap.
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
  if (failed(LoopDivision::apply(function)))
    return failure();
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  (void)writeBytecodeToFile(*module, stream); // fails only for versions that were asked for
  return bytes;
}

OwningOpRef<ModuleOp> lamina::lowerKernel(StringRef serialized, MLIRContext &context) {
  context.loadDialect<affine::AffineDialect, arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                      LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                      vector::VectorDialect>();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(serialized, ParserConfig(&context));
  if (!module || failed(lowerToLLVM(*module)) || !module->lookupSymbol<LLVM::LLVMFuncOp>(kBody))
    return {};
  std::string symbol = module->getSymName()->str();
  (*module)->removeAttr(SymbolTable::getSymbolAttrName());
  addEntry(*module, symbol);
  return module;
}
