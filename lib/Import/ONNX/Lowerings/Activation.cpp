//===- Activation.cpp - activations of each element ------------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/Elementwise.h"

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

Value relu(Lowering &low, Value x) { return low.s.select(less(low, x, zero(low, x)), zero(low, x), x); }
Value sigmoid(Lowering &low, Value x) { return low.s.sigmoid(x); }
Value softplus(Lowering &low, Value x) { return low.s.softplus(x); }
Value softsign(Lowering &low, Value x) {
  return low.s.div(x, low.s.add(constant(low, x, 1), low.s.abs(x)), low.op.type(0));
}
Value mish(Lowering &low, Value x) { return low.s.mul(x, low.s.tanh(low.s.softplus(x))); }
Value clampUnit(Lowering &low, Value x) {
  ElementType type = low.op.type(0);
  return low.s.min(low.s.max(x, constant(low, x, 0), type), constant(low, x, 1), type);
}
Value hardSwish(Lowering &low, Value x) {
  Value line = low.s.add(low.s.mul(x, constant(low, x, 1.0 / 6)), constant(low, x, 0.5));
  return low.s.mul(x, clampUnit(low, line));
}
Value hardSigmoid(Lowering &low, Value x) {
  Value alpha = constant(low, x, low.op.real("alpha", 0.2)),
        beta = constant(low, x, low.op.real("beta", 0.5));
  return clampUnit(low, low.s.add(low.s.mul(alpha, x), beta));
}
Value leakyRelu(Lowering &low, Value x) {
  Value scaled = low.s.mul(constant(low, x, low.op.real("alpha", 0.01)), x);
  return low.s.select(less(low, x, zero(low, x)), scaled, x);
}
Value elu(Lowering &low, Value x) {
  Value bent = low.s.mul(constant(low, x, low.op.real("alpha", 1)), low.s.apply<math::ExpM1Op>(x));
  return low.s.select(less(low, x, zero(low, x)), bent, x);
}
Value swish(Lowering &low, Value x) {
  double alpha = low.op.real("alpha", low.op.node().op == "QuickGelu" ? 1.702 : 1);
  return low.s.mul(x, low.s.sigmoid(low.s.mul(constant(low, x, alpha), x)));
}
Value gelu(Lowering &low, Value x) { return low.s.gelu(x, low.op.text("approximate", "none") == "tanh"); }

Value prelu(Lowering &low, Value x, Value slope) {
  return low.s.select(less(low, x, zero(low, x)), low.s.mul(x, slope), x);
}

Value swiglu(Lowering &low, Value gate, Value x) {
  Value bent = low.s.sigmoid(low.s.mul(constant(low, gate, low.op.real("alpha", 1)), gate));
  return low.s.mul(low.s.mul(gate, bent), x);
}

absl::Status biasGelu(Lowering &low) {
  bool byTanh = low.op.node().op == "FastGelu";
  SmallVector<Operand> operands{low.in(0)};
  if (low.op.has(1))
    operands.push_back(low.in(1));
  low.map(0, operands,
          [&](Indices x) { return low.s.gelu(x.size() > 1 ? low.s.add(x[0], x[1]) : x[0], byTanh); });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"Relu", unary<relu>},
    {"Sigmoid", unary<sigmoid>},
    {"Softplus", unary<softplus>},
    {"Softsign", unary<softsign>},
    {"HardSwish", unary<hardSwish>},
    {"HardSigmoid", unary<hardSigmoid>},
    {"Mish", unary<mish>},
    {"LeakyRelu", unary<leakyRelu>},
    {"Elu", unary<elu>},
    {"Swish", unary<swish>},
    {"QuickGelu", unary<swish>, kContrib},
    {"Gelu", unary<gelu>},
    {"Gelu", unary<gelu>, kContrib},
    {"BiasGelu", biasGelu, kContrib},
    {"FastGelu", biasGelu, kContrib},
    {"PRelu", binary<prelu>},
    {"SwiGLU", binary<swiglu>},
};
} // namespace

std::span<const LoweringRow> activationLowerings() { return kRows; }

} // namespace lamina::onnx
