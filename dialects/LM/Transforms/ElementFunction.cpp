//===- ElementFunction.cpp - what arithmetic on elements computes -----------------------------------------------===//

#include "dialects/LM/Transforms/ElementFunction.h"

#include "dialects/LM/Transforms/Arithmetic.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace lamina::lm {

namespace {

/// More operations than any spelling of an activation takes.
constexpr size_t kMostOperations = 24;

bool isElementwise(Operation *op) {
  return isa_and_nonnull<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp, arith::NegFOp,
                         arith::MaximumFOp, math::TanhOp, math::ErfOp, math::ExpOp, ScaleOp, ActivationOp>(
      op);
}

double activated(Activation activation, double x) {
  switch (activation) {
  case Activation::silu:
    return x / (1 + std::exp(-x));
  case Activation::gelu:
    return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
  case Activation::gelu_tanh:
    return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  case Activation::relu:
    return std::max(x, 0.0);
  case Activation::sigmoid:
    return 1 / (1 + std::exp(-x));
  }
  return NAN;
}

/// What a value is where `input` is x; none if it depends on something else.
std::optional<double> valueAt(Value value, Value input, double x) {
  if (value == input)
    return x;
  if (std::optional<double> number = numberOf(value))
    return number;
  Operation *op = value.getDefiningOp();
  if (!isElementwise(op))
    return std::nullopt;
  SmallVector<double, 2> of;
  for (Value operand : op->getOperands()) {
    std::optional<double> at = valueAt(operand, input, x);
    if (!at)
      return std::nullopt;
    of.push_back(*at);
  }
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case([&](arith::AddFOp) { return of[0] + of[1]; })
      .Case([&](arith::SubFOp) { return of[0] - of[1]; })
      .Case([&](arith::MulFOp) { return of[0] * of[1]; })
      .Case([&](arith::DivFOp) { return of[0] / of[1]; })
      .Case([&](arith::NegFOp) { return -of[0]; })
      .Case([&](arith::MaximumFOp) { return std::max(of[0], of[1]); })
      .Case([&](math::TanhOp) { return std::tanh(of[0]); })
      .Case([&](math::ErfOp) { return std::erf(of[0]); })
      .Case([&](math::ExpOp) { return std::exp(of[0]); })
      .Case([&](ScaleOp scale) { return of[0] * scale.getFactor().convertToDouble(); })
      .Case([&](ActivationOp op) { return activated(op.getActivation(), of[0]); });
}

/// Whether `value` is this function of `input`, as near as constants in f32 let it.
bool computes(Value value, Value input, Activation activation) {
  for (double x = -9; x < 9; x += 0.34375) {
    std::optional<double> at = valueAt(value, input, x);
    // Not the negation of >, which lets a NaN pass.
    if (!at || !(std::abs(*at - activated(activation, x)) <= 1e-6 * std::max(1.0, std::abs(x))))
      return false;
  }
  return true;
}

} // namespace

std::optional<ElementFunction> activationOf(Value value) {
  // All that the value is computed from, element by element.
  llvm::SmallSetVector<Value, 16> sources;
  sources.insert(value);
  for (size_t i = 0; i < sources.size() && sources.size() <= kMostOperations; ++i)
    if (Operation *op = sources[i].getDefiningOp(); isElementwise(op))
      for (Value operand : op->getOperands())
        if (!numberOf(operand))
          sources.insert(operand);
  for (Value input : llvm::drop_begin(sources))
    for (Activation activation :
         {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu, Activation::sigmoid})
      if (computes(value, input, activation))
        return ElementFunction{input, activation};
  return std::nullopt;
}

} // namespace lamina::lm
