//===- ProductParts.cpp - products of one input that a dispatch computes side by side -----------------===//

#include "lib/Target/Kernels/ProductParts.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lamina;

/// The products behind `value`.
static void collectLinears(Value value, llvm::SetVector<lm::LinearOp> &linears) {
  Operation *op = value.getDefiningOp();
  if (auto linear = dyn_cast_or_null<lm::LinearOp>(op))
    linears.insert(linear);
  else if (op)
    for (Value operand : op->getOperands())
      collectLinears(operand, linears);
}

SmallVector<ProductPart> lamina::productParts(Block &body) {
  SmallVector<ProductPart> parts;
  for (Value result : body.getTerminator()->getOperands()) {
    llvm::SetVector<lm::LinearOp> linears;
    collectLinears(result, linears);
    ProductPart part{linears.takeVector(), {result}};
    llvm::erase_if(parts, [&](ProductPart &earlier) {
      if (llvm::none_of(part.linears,
                        [&](lm::LinearOp op) { return llvm::is_contained(earlier.linears, op); }))
        return false;
      for (lm::LinearOp op : earlier.linears)
        if (!llvm::is_contained(part.linears, op))
          part.linears.push_back(op);
      part.results.insert(part.results.begin(), earlier.results.begin(), earlier.results.end());
      return true;
    });
    parts.push_back(std::move(part));
  }
  return parts;
}
