//===- RaiseNorms.cpp - norms written as means and roots ----------------------------------------------------------===//

#include "dialects/LM/Transforms/Arithmetic.h"
#include "dialects/LM/Transforms/Passes.h"
#include "dialects/LM/Transforms/RowTrace.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMRAISENORMSPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

/// What is averaged over the last axis, if the value is that.
Value averaged(Value value) {
  auto scale = value.getDefiningOp<ScaleOp>();
  auto sum = scale ? scale.getInput().getDefiningOp<linalg::ReduceOp>() : linalg::ReduceOp();
  if (!sum || sum.getInputs().size() != 1 || !isSum(sum) || numberOf(sum.getInits()[0]) != 0)
    return {};
  Value input = sum.getInputs()[0];
  auto type = cast<RankedTensorType>(input.getType());
  int64_t last = type.getRank() - 1;
  if (sum.getDimensions() != ArrayRef<int64_t>(last) ||
      scale.getFactor().convertToFloat() != float(1.0 / double(type.getDimSize(last))))
    return {};
  return input;
}

/// What is spread over the last axis, if the value is that.
Value spreadOverLast(Value value) {
  auto broadcast = value.getDefiningOp<linalg::BroadcastOp>();
  int64_t last = cast<RankedTensorType>(value.getType()).getRank() - 1;
  return broadcast && broadcast.getDimensions() == ArrayRef<int64_t>(last) ? broadcast.getInput() : Value();
}

/// x / sqrt(mean(x²) + epsilon)
struct Normalized {
  Value input;
  FloatAttr epsilon;
};

/// Reads the mean and epsilon under the root.
std::optional<Normalized> underRoot(Value value) {
  auto sum = value.getDefiningOp<arith::AddFOp>();
  std::optional<double> epsilon = sum ? numberOf(sum.getRhs()) : std::nullopt;
  Value squares = epsilon ? averaged(sum.getLhs()) : Value();
  auto square = squares ? squares.getDefiningOp<arith::MulFOp>() : arith::MulFOp();
  if (!square || square.getLhs() != square.getRhs() || *epsilon < 0)
    return std::nullopt;
  return Normalized{square.getLhs(), FloatAttr::get(Float32Type::get(value.getContext()), *epsilon)};
}

/// The value under 1/√ that `value` spreads over the last axis.
Value rootOf(Value value, bool reciprocal) {
  Value root = spreadOverLast(value);
  if (!root)
    return {};
  if (auto rsqrt = root.getDefiningOp<math::RsqrtOp>())
    return reciprocal ? rsqrt.getOperand() : Value();
  if (auto division = root.getDefiningOp<arith::DivFOp>(); division && reciprocal) {
    auto sqrt =
        numberOf(division.getLhs()) == 1 ? division.getRhs().getDefiningOp<math::SqrtOp>() : math::SqrtOp();
    return sqrt ? sqrt.getOperand() : Value();
  }
  auto sqrt = root.getDefiningOp<math::SqrtOp>();
  return sqrt && !reciprocal ? sqrt.getOperand() : Value();
}

std::optional<Normalized> normalized(Value value) {
  auto match = [](Value x, Value root, bool reciprocal) -> std::optional<Normalized> {
    Value under = rootOf(root, reciprocal);
    std::optional<Normalized> norm = under ? underRoot(under) : std::nullopt;
    return norm && norm->input == x ? norm : std::nullopt;
  };
  if (auto division = value.getDefiningOp<arith::DivFOp>())
    return match(division.getLhs(), division.getRhs(), false);
  auto product = value.getDefiningOp<arith::MulFOp>();
  if (!product)
    return std::nullopt;
  std::optional<Normalized> norm = match(product.getLhs(), product.getRhs(), true);
  return norm ? norm : match(product.getRhs(), product.getLhs(), true);
}

/// The x of x - mean(x).
Value centred(Value value) {
  auto difference = value.getDefiningOp<arith::SubFOp>();
  Value mean = difference ? spreadOverLast(difference.getRhs()) : Value();
  return mean && averaged(mean) == difference.getLhs() ? difference.getLhs() : Value();
}

struct LMRaiseNormsPass : lamina::lm::impl::LMRaiseNormsPassBase<LMRaiseNormsPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<arith::MulFOp> products;
    getOperation().walk([&](arith::MulFOp product) { products.push_back(product); });
    for (arith::MulFOp product : products)
      if (!raise(product, product.getLhs(), product.getRhs()))
        raise(product, product.getRhs(), product.getLhs());
  }

private:
  /// The product of what is normalised and of weights.
  bool raise(arith::MulFOp product, Value x, Value weights) {
    std::optional<Normalized> norm = normalized(x);
    GetWeightOp weight = weightOverRows(weights);
    if (!norm || !weight)
      return false;
    if (Value input = centred(norm->input))
      return raiseLayerNorm(product, input, weight, norm->epsilon);
    OpBuilder builder(product);
    Value rows = rowsToNorm(builder, product.getLoc(), norm->input);
    replace(builder, product,
            RMSNormOp::create(builder, product.getLoc(), rows.getType(), rows, weight, norm->epsilon));
    return true;
  }

  bool raiseLayerNorm(arith::MulFOp product, Value input, GetWeightOp weight, FloatAttr epsilon) {
    if (cast<RankedTensorType>(input.getType()).getRank() != 2)
      return false;
    auto add = product->hasOneUse() ? dyn_cast<BiasAddOp>(*product->user_begin()) : BiasAddOp();
    Operation *last = add ? add.getOperation() : product;
    OpBuilder builder(last);
    Value bias = add ? Value(add.getBias()) : Value();
    replace(builder, last,
            LayerNormOp::create(builder, last->getLoc(), input.getType(), input, weight, bias, epsilon));
    return true;
  }

  void replace(OpBuilder &builder, Operation *op, Value rows) {
    op->getResult(0).replaceAllUsesWith(shapedLike(builder, op->getLoc(), rows, op->getResult(0)));
    ++numRaised;
  }

  /// The rows that have heads of `input` side by side.
  static Value rowsToNorm(OpBuilder &builder, Location loc, Value input) {
    std::optional<RowTrace> trace = traceRow(input);
    return rowsOf(builder, loc, trace && trace->wholeTimes() == 1 ? trace->source : input);
  }

  /// The vector that a value has in each row and head.
  static GetWeightOp weightOverRows(Value value) {
    auto broadcast = value.getDefiningOp<linalg::BroadcastOp>();
    int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
    if (!broadcast || !llvm::equal(broadcast.getDimensions(), llvm::seq<int64_t>(0, rank - 1)))
      return {};
    return broadcast.getInput().getDefiningOp<GetWeightOp>();
  }
};

} // namespace
