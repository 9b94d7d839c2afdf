//===- RaiseActivations.td - activations written as arithmetic ----------------------------*- tablegen -*-===//

include "dialects/LM/IR/LMOps.td"
include "mlir/Dialect/Arith/IR/ArithOps.td"
include "mlir/Dialect/Math/IR/MathOps.td"
include "mlir/IR/PatternBase.td"

def AreReciprocal : Constraint<CPred<"areReciprocal($0, $1)">, "numbers whose product is 1">;
def ReadOnce : Constraint<CPred<"$0.hasOneUse()">, "read by one operation">;
defvar Sigmoid = ConstantEnumCase<LM_ActivationAttr, "sigmoid">;
defvar Silu = ConstantEnumCase<LM_ActivationAttr, "silu">;

// x · sigmoid(x), before the sigmoid is taken for a gate.
def : Pat<(Arith_MulFOp $x, (LM_ActivationOp $x, Sigmoid), $fastmath), (LM_ActivationOp $x, Silu), [], [], (addBenefit 10)>;
def : Pat<(Arith_MulFOp (LM_ActivationOp $x, Sigmoid), $x, $fastmath), (LM_ActivationOp $x, Silu), [], [], (addBenefit 10)>;

// activation(gate) · up.
def : Pat<(Arith_MulFOp (LM_ActivationOp:$active $gate, $activation), $up, $fastmath),
          (LM_GatedActivationOp $gate, $up, $activation), [(ReadOnce $active)]>;
def : Pat<(Arith_MulFOp $up, (LM_ActivationOp:$active $gate, $activation), $fastmath),
          (LM_GatedActivationOp $gate, $up, $activation), [(ReadOnce $active)]>;

// cap · tanh(x / cap).
def : Pat<(LM_ScaleOp (Math_TanhOp (LM_ScaleOp $x, $inverse), $fastmath), $cap), (LM_SoftCapOp $x, $cap),
          [(AreReciprocal $inverse, $cap)]>;
