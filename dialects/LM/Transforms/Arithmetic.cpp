//===- Arithmetic.cpp - numbers and sums in upstream operations -------------------------------------------------===//

#include "dialects/LM/Transforms/Arithmetic.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace lamina::lm {

std::optional<double> numberOf(Value value) {
  auto splat = value.getDefiningOp<tensor::SplatOp>();
  FloatAttr number;
  if (!splat || !matchPattern(splat.getInput(), m_Constant(&number)))
    return std::nullopt;
  return number.getValueAsDouble();
}

bool isSum(linalg::ReduceOp reduce) {
  Block &body = reduce.getCombiner().front();
  auto yield = cast<linalg::YieldOp>(body.getTerminator());
  auto add =
      yield.getValues().size() == 1 ? yield.getValues()[0].getDefiningOp<arith::AddFOp>() : arith::AddFOp();
  if (!add || body.getNumArguments() != 2)
    return false;
  Value a = body.getArgument(0), b = body.getArgument(1);
  return (add.getLhs() == a && add.getRhs() == b) || (add.getLhs() == b && add.getRhs() == a);
}

} // namespace lamina::lm
