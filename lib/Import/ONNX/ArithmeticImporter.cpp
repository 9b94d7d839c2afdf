//===- ArithmeticImporter.cpp - operators that work on elements and products of activations -------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"
#include "lib/Support/Names.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

Axes NodeImporter::resultAxes(const Node &node, ArrayRef<Placed> operands) const {
  ArrayRef<Affine> result = dims(node.output(0));
  Axes usual = usualAxes(result);
  auto count = [](const Axes &axes) {
    return llvm::count_if(axes, [](int64_t axis) { return axis != kUnit; });
  };
  for (const Placed &x : operands)
    if (!x.isNumber() && count(x.axes) == count(usual)) {
      Axes axes(result.size() - x.axes.size(), kUnit);
      axes.append(x.axes);
      return axes;
    }
  return usual;
}

/// Add, Sub, Mul, Div, Max, Min. What one number does to each element has operations of its own.
LogicalResult NodeImporter::binary(const Node &node) {
  StringRef op = node.op;
  std::optional<double> left = number(node, 0), right = number(node, 1);
  bool commutes = op != "Sub" && op != "Div";
  size_t first = left && commutes ? 1 : 0; // the operand that is no number, if one is
  FailureOr<Placed> a = realOperand(node, first), b = failed(a) ? a : realOperand(node, 1 - first);
  if (failed(b))
    return failure();
  std::optional<double> factor = left && commutes ? left : right;
  if (factor && (op == "Mul" || (op == "Div" && *factor != 0))) {
    define(node, 0,
           create<lm::ScaleOp>(a->value.getType(), a->value, f32(op == "Mul" ? *factor : 1 / *factor)),
           a->axes);
    return success();
  }
  if (op == "Add")
    for (auto [x, id] : {std::pair(*a, node.input(1 - first)), std::pair(*b, node.input(first))})
      if (isBiasOf(x, id)) {
        mlir::Value y = bias(x.value, id);
        define(node, 0, y, x.axes);
        return success(bool(y));
      }
  Axes axes = resultAxes(node, {*a, *b});
  ArrayRef<Affine> shape = dims(node.output(0));
  mlir::Value x = make_.spread(*a, shape, axes), y = make_.spread(*b, shape, axes), result;
  if (op == "Add")
    result = create<arith::AddFOp>(x, y);
  else if (op == "Sub" && factor)
    result = create<arith::AddFOp>(x, make_.filled(-*factor, shape, axes));
  else if (op == "Sub")
    result = create<arith::SubFOp>(x, y);
  else if (op == "Mul")
    result = create<arith::MulFOp>(x, y);
  else if (op == "Div")
    result = create<arith::DivFOp>(x, y);
  else
    result = op == "Max" ? create<arith::MaximumFOp>(x, y) : create<arith::MinimumFOp>(x, y);
  define(node, 0, result, axes);
  return success();
}

/// Whether a constant is added to the last axis of `x`, whichever the heads are.
bool NodeImporter::isBiasOf(const Placed &x, ValueId id) const {
  const TensorConstant *constant = weights_.find(id);
  if (!constant || x.isNumber() || constant->dims.empty() || x.axes.empty())
    return false;
  auto type = cast<RankedTensorType>(x.value.getType());
  int64_t length = constant->dims.back();
  return countElements(constant->dims) == uint64_t(length) && type.getRank() > 1 &&
         x.axes.back() == type.getRank() - 1 && type.getShape().back() == length;
}

/// Exponents that exporters write: of norms and of the tanh in gelu.
LogicalResult NodeImporter::power(const Node &node) {
  FailureOr<Placed> x = realOperand(node, 0);
  if (failed(x))
    return failure();
  std::optional<double> exponent = number(node, 1);
  mlir::Value value = x->value,
              square = exponent.value_or(0) >= 2 ? create<arith::MulFOp>(value, value) : mlir::Value();
  if (exponent == 2)
    define(node, 0, square, x->axes);
  else if (exponent == 3)
    define(node, 0, create<arith::MulFOp>(square, value), x->axes);
  else if (exponent == 0.5)
    define(node, 0, create<math::SqrtOp>(value), x->axes);
  else if (exponent == -0.5)
    define(node, 0, create<math::RsqrtOp>(value), x->axes);
  else
    return error(node) << "expected an exponent of 2, 3, 0.5 or -0.5, got "
                       << probed_[node.input(1)].describe();
  return success();
}

LogicalResult NodeImporter::unary(const Node &node) {
  bool casts = node.op == "Cast" || node.op == "CastLike";
  FailureOr<Placed> x = casts ? operand(node, 0) : realOperand(node, 0);
  if (failed(x))
    return failure();
  StringRef op = node.op;
  mlir::Value value = x->value, result;
  if (op == "Neg")
    result = create<arith::NegFOp>(value);
  else if (op == "Sqrt")
    result = create<math::SqrtOp>(value);
  else if (op == "Reciprocal")
    result = create<arith::DivFOp>(make_.filled(1, dims(node.output(0)), x->axes), value);
  else if (op == "Exp")
    result = create<math::ExpOp>(value);
  else if (op == "Tanh")
    result = create<math::TanhOp>(value);
  else if (op == "Erf")
    result = create<math::ErfOp>(value);
  else if (op == "IsNaN")
    result = create<arith::CmpFOp>(arith::CmpFPredicate::UNO, value, value);
  else // Cast: activations are f32 whatever the file calls them, tokens i32
    result = value;
  ElementType to = probed_[node.output(0)].type;
  if (casts && isReal(probed_[node.input(0)].type) != isReal(to))
    return error(node) << "expected real numbers to stay real, and whole ones whole";
  if (casts && isReal(to) && elementBits(to) < 16)
    return error(node) << "rounds to " << toRef(elementTypeName(to)) << ", expected 16 bits or more";
  define(node, 0, result, x->axes);
  return success();
}

/// Where: one operand or the other, by a mask, or always.
LogicalResult NodeImporter::select(const Node &node) {
  ArrayRef<Affine> shape = dims(node.output(0));
  if (std::optional<double> always = number(node, 0)) {
    FailureOr<Placed> chosen = operand(node, *always != 0 ? 1 : 2);
    if (failed(chosen))
      return failure();
    Axes axes = resultAxes(node, {*chosen});
    define(node, 0, make_.spread(*chosen, shape, axes), axes);
    return success();
  }
  FailureOr<Placed> condition = operand(node, 0), a = failed(condition) ? condition : realOperand(node, 1),
                    b = failed(a) ? a : realOperand(node, 2);
  if (failed(b))
    return failure();
  // A mask says what is seen; this one may have said what is hidden.
  if (const auto *mask = std::get_if<Mask>(&probed_[node.input(0)].meaning); mask && mask->visible == 0)
    std::swap(*a, *b);
  Axes axes = resultAxes(node, {*condition, *a, *b});
  define(node, 0,
         create<arith::SelectOp>(make_.spread(*condition, shape, axes), make_.spread(*a, shape, axes),
                                 make_.spread(*b, shape, axes)),
         axes);
  return success();
}

/// ReduceMean over the last axis.
LogicalResult NodeImporter::mean(const Node &node) {
  FailureOr<Placed> x = realOperand(node, 0);
  if (failed(x))
    return failure();
  std::vector<int64_t> over = attributeOr(node, "axes", std::vector<int64_t>());
  if (given(node, 1))
    if (const auto *numbers = std::get_if<Fixed>(&probed_[node.input(1)].meaning))
      over = numbers->value.integers();
  ArrayRef<Affine> shape = dims(node.input(0));
  int64_t last = int64_t(shape.size()) - 1, axis = x->axes.empty() ? kUnit : x->axes.back();
  if (over.size() != 1 || (over[0] != -1 && over[0] != last) || axis <= 0 || !shape[last].isConstant())
    return error(node) << "expected a mean over the last axis, which is of one size, of "
                       << probed_[node.input(0)].describe();
  Axes axes = x->axes;
  axes.pop_back();
  for (int64_t &other : axes)
    other -= other > axis ? 1 : 0;
  mlir::Value zero = make_.filled(0, shape.drop_back(), axes);
  mlir::Value sum =
      linalg::ReduceOp::create(b_, loc_, x->value, zero, axis, [](OpBuilder &b, Location loc, ValueRange xs) {
        linalg::YieldOp::create(b, loc, ValueRange(arith::AddFOp::create(b, loc, xs[0], xs[1])));
      })->getResult(0);
  if (dims(node.output(0)).size() == shape.size())
    axes.push_back(kUnit);
  define(node, 0, create<lm::ScaleOp>(sum.getType(), sum, f32(1.0 / double(shape[last].constant))), axes);
  return success();
}

LogicalResult NodeImporter::softmax(const Node &node) {
  FailureOr<Placed> x = realOperand(node, 0);
  if (failed(x))
    return failure();
  ArrayRef<Affine> shape = dims(node.input(0));
  auto opset = model_.opsets.find("");
  bool old = opset == model_.opsets.end() || opset->second < 13;
  int64_t rank = int64_t(shape.size()), axis = attributeOr(node, "axis", int64_t(old ? 1 : -1));
  axis += axis < 0 ? rank : 0;
  if (axis < 0 || axis >= rank || x->axes[axis] == kUnit)
    return error(node) << "expected a softmax over an axis of several elements";
  auto type = make_.typeOf(shape, x->axes, b_.getF32Type());
  mlir::Value init = create<tensor::EmptyOp>(make_.sizes(shape, x->axes), b_.getF32Type());
  define(node, 0,
         linalg::SoftmaxOp::create(b_, loc_, type, x->value, init, uint64_t(x->axes[axis]))->getResult(0),
         x->axes);
  return success();
}

/// The MatMul of two activations, as sums over the axis that they share.
LogicalResult NodeImporter::contract(const Node &node) {
  int64_t rank = int64_t(dims(node.output(0)).size());
  // The axes of the result, then the shared one.
  auto loops = [&](size_t input, int64_t shared) {
    Loops loops;
    int64_t own = int64_t(dims(node.input(input)).size());
    for (int64_t i = 0; i < own; ++i)
      loops.push_back(i == own - shared ? rank : rank - own + i);
    return loops;
  };
  if (dims(node.input(0)).size() < 2 || dims(node.input(1)).size() < 2)
    return error(node) << "expected a product of matrices";
  return product(node, loops(0, 1), loops(1, 2), llvm::to_vector<6>(llvm::seq(rank)));
}

/// Einsum of two activations whose axes have letters.
LogicalResult NodeImporter::einsum(const Node &node) {
  std::string equation = attributeOr(node, "equation", std::string());
  llvm::erase(equation, ' ');
  auto [operands, result] = StringRef(equation).split("->");
  auto [a, b] = operands.split(',');
  auto letters = [](StringRef term) { return llvm::all_of(term, [](char c) { return llvm::isAlpha(c); }); };
  if (node.inputs.size() != 2 || result.empty() || !letters(a) || !letters(b) || !letters(result))
    return error(node) << "expected two inputs and an equation of letters, such as 'bhid,bhjd->bhij'";
  auto loops = [](StringRef term) {
    return llvm::to_vector<6>(llvm::map_range(term, [](char c) { return int64_t(c); }));
  };
  return product(node, loops(a), loops(b), loops(result));
}

LogicalResult NodeImporter::product(const Node &node, const Loops &ofA, const Loops &ofB,
                                    const Loops &ofResult) {
  FailureOr<Placed> a = realOperand(node, 0), b = failed(a) ? a : realOperand(node, 1);
  if (failed(b))
    return failure();
  Axes axes = usualAxes(dims(node.output(0)));
  Loops all(ofResult); // in the order of the loops
  for (int64_t loop : llvm::concat<const int64_t>(ofA, ofB))
    if (!llvm::is_contained(all, loop))
      all.push_back(loop);
  auto mapOf = [&](const Axes &own, const Loops &loops) {
    SmallVector<AffineExpr> exprs(llvm::count_if(own, [](int64_t axis) { return axis != kUnit; }));
    for (auto [axis, loop] : llvm::zip_equal(own, loops))
      if (axis != kUnit)
        exprs[axis] = b_.getAffineDimExpr(llvm::find(all, loop) - all.begin());
    return AffineMap::get(all.size(), 0, exprs, b_.getContext());
  };
  if (a->isNumber() || b->isNumber())
    return error(node) << "expected a product of matrices";
  SmallVector<AffineMap> maps{mapOf(a->axes, ofA), mapOf(b->axes, ofB), mapOf(axes, ofResult)};
  auto isShared = [&](unsigned loop) {
    return llvm::count_if(maps, [&](AffineMap map) { return map.isFunctionOfDim(loop); }) != 1;
  };
  if (!llvm::all_of(maps, [](AffineMap map) { return map.isProjectedPermutation(); }) ||
      !llvm::all_of(llvm::seq<unsigned>(all.size()), isShared))
    return error(node) << "expected each axis in two of its operands and result, once in each";
  mlir::Value zero = make_.filled(0, dims(node.output(0)), axes);
  maps = compressUnusedDims(maps);
  define(node, 0,
         linalg::ContractOp::create(b_, loc_, zero.getType(), ValueRange{a->value, b->value}, zero,
                                    b_.getAffineMapArrayAttr(maps))
             ->getResult(0),
         axes);
  return success();
}

} // namespace lamina::onnx
