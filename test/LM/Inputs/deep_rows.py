"""Rows behind many operations: 48 sums of two products of one value, and 20000 negations."""

TYPE = "tensor<?x4xf32>"
print(f"func.func @deep(%x0: {TYPE}, %p: tensor<?xi32>, %n: index) -> {TYPE} {{")
print("  %t = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1, 1.0, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x8xf32>")
for name, first in (("cos", 0), ("sin", 4)):
    print(f"  %{name} = tensor.extract_slice %t[0, {first}] [%n, 4] [1, 1] : tensor<?x8xf32> to {TYPE}")
x = "%x0"
for i in range(20000):
    print(f"  %n{i} = arith.negf {x} : {TYPE}")
    x = f"%n{i}"
for i in range(48):
    print(f"  %a{i} = arith.mulf {x}, %cos : {TYPE}\n  %b{i} = arith.mulf {x}, %sin : {TYPE}\n  %s{i} = arith.addf %a{i}, %b{i} : {TYPE}")
    x = f"%s{i}"
print(f"  return {x} : {TYPE}\n}}")
