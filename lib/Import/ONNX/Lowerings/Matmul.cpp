//===- Matmul.cpp - matrix products ---------------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/Product.h"
#include "lib/Import/ONNX/Ops/Einsum.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace lamina::onnx {

/// The map of a matrix whose leading axes broadcast to those of the loops.
static AffineMap matrixMap(ArrayRef<int64_t> dims, ArrayRef<int64_t> batch, unsigned row, unsigned column,
                           MLIRContext *context) {
  SmallVector<AffineExpr> axes;
  size_t own = dims.size() - 2;
  for (size_t i = 0; i < own; ++i) {
    size_t axis = batch.size() - own + i;
    bool repeats = dims[i] == 1 && batch[axis] != 1;
    axes.push_back(repeats ? getAffineConstantExpr(0, context) : getAffineDimExpr(axis, context));
  }
  axes.push_back(getAffineDimExpr(row, context));
  axes.push_back(getAffineDimExpr(column, context));
  return AffineMap::get(batch.size() + 3, 0, axes, context);
}

Operand Product::of(Lowering &low, Operand a, Operand b) const {
  Scalars &s = low.s;
  Dims aBatch(a.dims().begin(), a.dims().end() - 2), bBatch(b.dims().begin(), b.dims().end() - 2);
  Dims batch = *broadcast(aBatch, bBatch), dims = batch;
  dims.push_back(a.dims()[a.dims().size() - (transposeA ? 1 : 2)]);
  dims.push_back(b.dims()[b.dims().size() - (transposeB ? 2 : 1)]);
  unsigned m = batch.size(), k = m + 1, n = m + 2;
  MLIRContext *context = s.getContext();
  SmallVector<AffineMap> maps{
      transposeA ? matrixMap(a.dims(), batch, k, m, context) : matrixMap(a.dims(), batch, m, k, context),
      transposeB ? matrixMap(b.dims(), batch, n, k, context) : matrixMap(b.dims(), batch, k, n, context),
      matrixMap(dims, batch, m, n, context)};
  SmallVector<utils::IteratorType> loops(batch.size() + 3, utils::IteratorType::parallel);
  loops[k] = utils::IteratorType::reduction;
  mlir::Value zero = s.number(s.computed(sums), 0);
  mlir::Value start = linalg::FillOp::create(s, zero, low.empty(sums, dims)).getResult(0);
  auto body = [&](OpBuilder &, Location, ValueRange elements) {
    OpBuilder::InsertionGuard guard(s);
    s.setInsertionPointToEnd(elements[0].getParentBlock());
    mlir::Value x = s.cast(s.widen(elements[0], a.type), a.type, sums),
                y = s.cast(s.widen(elements[1], b.type), b.type, sums);
    linalg::YieldOp::create(s, s.add(elements[2], s.mul(x, y)));
  };
  auto product =
      linalg::GenericOp::create(s, start.getType(), ValueRange{a.value, b.value}, start, maps, loops, body);
  return {product.getResult(0), sums};
}

namespace {
using mlir::Value;

/// Reals of 16 bits are summed in f32.
ElementType sumsOf(ElementType type) {
  return type == ElementType::Float16 || type == ElementType::BFloat16 ? ElementType::Float : type;
}

/// numpy's matmul: a vector is a row on the left, a column on the right.
Operand asMatrix(Lowering &low, Operand x, bool left) {
  if (x.dims().size() > 1)
    return x;
  int64_t size = x.dims()[0];
  return low.reshape(x, left ? Dims{1, size} : Dims{size, 1});
}

void setRounded(Lowering &low, Operand sums) {
  Operand shaped = low.reshape(sums, low.op.out(0).dims());
  if (sums.type == low.op.out(0).type())
    return low.set(0, shaped.value);
  low.map(0, shaped, [](Indices x) { return x[0]; });
}

absl::Status matmul(Lowering &low) {
  Product product{.sums = sumsOf(low.op.type(0))};
  setRounded(low, product.of(low, asMatrix(low, low.in(0), true), asMatrix(low, low.in(1), false)));
  return absl::OkStatus();
}

absl::Status gemm(Lowering &low) {
  Scalars &s = low.s;
  ElementType sums = sumsOf(low.op.type(0));
  Product product{sums, low.op.integer("transA", 0) != 0, low.op.integer("transB", 0) != 0};
  double alpha = low.op.real("alpha", 1), beta = low.op.real("beta", 1);
  SmallVector<Operand> operands{product.of(low, low.in(0), low.in(1))};
  if (low.op.has(2))
    operands.push_back(low.in(2));
  low.map(0, operands, [&](Indices x) {
    auto scaled = [&](Value value, double by) {
      return by == 1 ? value : s.mul(value, s.number(value.getType(), by));
    };
    Value y = scaled(x[0], alpha);
    return x.size() > 1 ? s.add(y, scaled(x[1], beta)) : y;
  });
  return absl::OkStatus();
}

/// An operand of eight bits less its zero point, which is one number, or one for each row of the left side or column of the right.
Operand withoutZero(Lowering &low, size_t i, size_t zero, bool left) {
  Scalars &s = low.s;
  Operand x = asMatrix(low, low.in(i), left);
  SmallVector<Operand> operands{x};
  if (low.op.has(zero)) {
    Operand points = low.in(zero);
    int64_t count = low.op.in(zero).count();
    operands.push_back(low.reshape(points, left && count > 1 ? Dims{count, 1} : Dims{count}));
  }
  return low.map(ElementType::Int32, x.dims(), operands, [&](Indices e) {
    Value value = s.cast(e[0], x.type, ElementType::Int32);
    return e.size() > 1 ? s.sub(value, s.cast(e[1], operands[1].type, ElementType::Int32)) : value;
  });
}

absl::Status matmulInteger(Lowering &low) {
  Product product{.sums = ElementType::Int32};
  setRounded(low, product.of(low, withoutZero(low, 0, 2, true), withoutZero(low, 1, 3, false)));
  return absl::OkStatus();
}

absl::Status qLinearMatmul(Lowering &low) {
  Scalars &s = low.s;
  ElementType type = low.op.out(0).type(), f32 = ElementType::Float;
  Operand sums = Product{.sums = ElementType::Int32}.of(low, withoutZero(low, 0, 2, true),
                                                        withoutZero(low, 3, 5, false));
  SmallVector<Operand> operands{low.reshape(sums, low.op.out(0).dims())};
  for (size_t i : {1, 4, 6, 7})
    operands.push_back(low.reshape(low.in(i), {}));
  low.map(0, operands, [&](Indices x) {
    Value scale = s.div(s.mul(x[1], x[2]), x[3], f32);
    Value y = s.apply<math::RoundEvenOp>(s.mul(s.cast(x[0], ElementType::Int32, f32), scale));
    return s.cast(s.add(y, s.cast(x[4], type, f32)), f32, type);
  });
  return absl::OkStatus();
}

absl::Status einsum(Lowering &low) {
  Scalars &s = low.s;
  LAMINA_ASSIGN_OR_RETURN(Equation equation, equationOf(low.op));
  std::string summed;
  Dims sizes;
  for (const auto &[label, size] : equation.sizes)
    if (equation.result.find(label) == std::string::npos) {
      summed += label;
      sizes.push_back(size);
    }
  ElementType type = low.op.type(0), sums = sumsOf(type);
  low.compute(0, [&](Indices index) {
    Value sum = low.sum(sizes, s.computed(sums), [&](Indices inner) {
      auto indexOf = [&](char label) {
        size_t outer = equation.result.find(label);
        return outer != std::string::npos ? index[outer] : inner[summed.find(label)];
      };
      Value product;
      for (size_t n = 0; n < equation.operands.size(); ++n) {
        SmallVector<Value> at;
        for (auto [axis, label] : llvm::enumerate(equation.operands[n]))
          at.push_back(low.op.dims(n)[axis] == 1 ? s.index(0) : indexOf(label));
        Value x = s.cast(low.read(low.in(n), at), type, sums);
        product = product ? s.mul(product, x) : x;
      }
      return product;
    });
    return s.cast(sum, sums, type);
  });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {{"Einsum", einsum},
                                 {"MatMul", matmul},
                                 {"Gemm", gemm},
                                 {"MatMulInteger", matmulInteger},
                                 {"QLinearMatMul", qLinearMatmul}};
} // namespace

std::span<const LoweringRow> matmulLowerings() { return kRows; }

} // namespace lamina::onnx
