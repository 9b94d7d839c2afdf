//===- FunctionOutline.cpp - fragments of @main as functions on tensors ---------------------------------------===//

#include "dialects/LM/IR/LM.h"
#include "dialects/MPMD/IR/MPMD.h"
#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

namespace lamina {
#define GEN_PASS_DEF_FUNCTIONOUTLINEPASS
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"
} // namespace lamina

using namespace mlir;
using namespace lamina;

namespace {

/// The body takes the operation's place.
void inlineAttention(lm::TensorAttentionOp attention) {
  Block &body = attention.getBody().front();
  Operation *yield = body.getTerminator();
  for (auto [argument, operand] : llvm::zip(body.getArguments(), attention->getOperands()))
    argument.replaceAllUsesWith(operand);
  attention->getBlock()->getOperations().splice(attention->getIterator(), body.getOperations());
  attention.replaceAllUsesWith(yield->getOperands());
  yield->erase();
  attention.erase();
}

class Outliner {
public:
  explicit Outliner(ModuleOp functions)
      : functions_(functions), symbols_(functions), b_(functions.getContext()) {}

  LogicalResult outline(mpmd::FragmentOp fragment) {
    if (fragment.getNumResults() == 0)
      return success(); // a slice without operations
    for (Type type : llvm::concat<const Type>(TypeRange(fragment.getBody().getArgumentTypes()),
                                              fragment.getReturn().getOperandTypes()))
      if (auto tensor = dyn_cast<RankedTensorType>(type); !tensor || !tensor.hasStaticShape())
        return fragment.emitOpError() << "expected tensors of known shape to go in and out, got: " << type;
    auto type =
        b_.getFunctionType(fragment.getBody().getArgumentTypes(), fragment.getReturn().getOperandTypes());
    auto function = func::FuncOp::create(fragment.getLoc(), fragment.getName(), type);
    symbols_.insert(function);
    IRMapping mapping;
    fragment.getBody().cloneInto(&function.getBody(), mapping);
    Operation *end = function.getBody().front().getTerminator();
    b_.setInsertionPoint(end);
    func::ReturnOp::create(b_, end->getLoc(), end->getOperands());
    end->erase();
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      markReadOnly(function, i);
    for (auto attention : llvm::to_vector(function.getOps<lm::TensorAttentionOp>()))
      inlineAttention(attention);
    takeWeights(function);
    fragment->setAttr(kFunctionAttr, FlatSymbolRefAttr::get(function));
    return success();
  }

private:
  static void markReadOnly(func::FuncOp function, unsigned argument) {
    function.setArgAttr(argument, bufferization::BufferizationDialect::kWritableAttrName,
                        BoolAttr::get(function.getContext(), false));
  }

  /// A weight becomes one more argument, for which the caller gives nothing.
  void takeWeights(func::FuncOp function) {
    for (auto weight : llvm::to_vector(function.getOps<lm::GetWeightOp>())) {
      unsigned index = function.getNumArguments();
      (void)function.insertArgument(index, weight.getType(), {},
                                    weight.getLoc()); // fails for types that no function has
      markReadOnly(function, index);
      function.setArgAttr(index, kSourceAttr, weight.getWeightAttr());
      weight.replaceAllUsesWith(function.getArgument(index));
      weight.erase();
    }
  }

  ModuleOp functions_;
  SymbolTable symbols_;
  OpBuilder b_;
};

struct FunctionOutlinePass : lamina::impl::FunctionOutlinePassBase<FunctionOutlinePass> {
  using Base::Base;

  void runOnOperation() final {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || !main.getBody().hasOneBlock()) {
      getOperation().emitError("expected a function @main of one block");
      return signalPassFailure();
    }
    auto functions = ModuleOp::create(main.getLoc());
    getOperation().push_back(functions);
    Outliner outliner(functions);
    for (auto fragment : main.getOps<mpmd::FragmentOp>())
      if (failed(outliner.outline(fragment)))
        return signalPassFailure();
  }
};

} // namespace
