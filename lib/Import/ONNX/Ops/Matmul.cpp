//===- Matmul.cpp - matrix products ---------------------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

namespace lamina::onnx {

namespace {
/// A product of stacks of matrices as numpy's matmul sees it: a vector is a row on the left, a column on the
/// right.
struct Product {
  Dims batch, a, b; // a and b: shapes of rank at least 2
  int64_t m = 0, k = 0, n = 0;
  Dims result;
};

absl::StatusOr<Product> productOf(OpContext &context, size_t left, size_t right) {
  Product p;
  p.a = context.dims(left), p.b = context.dims(right);
  if (p.a.empty() || p.b.empty())
    return context.error("expected matrices, got ", context.in(left).describe(), " and ",
                         context.in(right).describe());
  bool row = p.a.size() == 1, column = p.b.size() == 1;
  if (row)
    p.a.insert(p.a.begin(), 1);
  if (column)
    p.b.push_back(1);
  p.m = p.a[p.a.size() - 2], p.k = p.a.back(), p.n = p.b.back();
  if (p.b[p.b.size() - 2] != p.k)
    return context.error("cannot multiply ", context.in(left).describe(), " and ",
                         context.in(right).describe());
  LAMINA_ASSIGN_OR_RETURN(
      p.batch, context.broadcasted(Dims(p.a.begin(), p.a.end() - 2), Dims(p.b.begin(), p.b.end() - 2)));
  p.result = p.batch;
  if (!row)
    p.result.push_back(p.m);
  if (!column)
    p.result.push_back(p.n);
  return p;
}

/// The product; a(i) and b(i) give the elements of the operands.
template <typename T, typename A, typename B>
absl::StatusOr<std::vector<T>> multiply(OpContext &context, const Product &p, A a, B b) {
  int64_t count = elementCount(p.result);
  LAMINA_RETURN_IF_ERROR(context.spend({count, p.k, 2}));
  auto batchStrides = [&](const Dims &dims) {
    Dims strides = broadcastStrides(Dims(dims.begin(), dims.end() - 2), p.batch);
    for (int64_t &stride : strides)
      stride *= dims[dims.size() - 2] * dims.back();
    return strides;
  };
  std::vector<T> result(count, T(0));
  walk<2>(p.batch, {batchStrides(p.a), batchStrides(p.b)},
          [&](int64_t at, const std::array<int64_t, 2> &start) {
            for (int64_t i = 0; i < p.m; ++i)
              for (int64_t k = 0; k < p.k; ++k) {
                T factor = a(start[0] + i * p.k + k);
                for (int64_t j = 0; j < p.n; ++j)
                  result[(at * p.m + i) * p.n + j] += factor * b(start[1] + k * p.n + j);
              }
          });
  return result;
}

absl::Status matmulRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(sameTypes(context));
  LAMINA_ASSIGN_OR_RETURN(Product p, productOf(context, 0, 1));
  context.result(0, context.type(0), std::move(p.result));
  return absl::OkStatus();
}

absl::Status matmul(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Product p, productOf(context, 0, 1));
  if (isReal(context.type(0))) {
    std::vector<double> a = context.in(0).reals(), b = context.in(1).reals();
    LAMINA_ASSIGN_OR_RETURN(
        std::vector<double> result,
        multiply<double>(context, p, [&](int64_t i) { return a[i]; }, [&](int64_t i) { return b[i]; }));
    context.out(0).setReals(result);
    return absl::OkStatus();
  }
  auto element = [&](size_t n) {
    return [&context, n](int64_t i) { return uint64_t(context.in(n).integer(i)); };
  };
  LAMINA_ASSIGN_OR_RETURN(std::vector<uint64_t> result,
                          multiply<uint64_t>(context, p, element(0), element(1)));
  for (size_t i = 0; i < result.size(); ++i)
    context.out(0).setInteger(static_cast<int64_t>(i), static_cast<int64_t>(result[i]));
  return absl::OkStatus();
}

absl::Status gemmRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 2, 2));
  LAMINA_RETURN_IF_ERROR(context.expectRank(1, 2, 2));
  bool ta = context.integer("transA", 0), tb = context.integer("transB", 0);
  if (context.dims(0)[!ta] != context.dims(1)[tb])
    return context.error("cannot multiply ", context.in(0).describe(), " and ", context.in(1).describe());
  Dims dims{context.dims(0)[ta], context.dims(1)[!tb]};
  if (context.has(2)) {
    LAMINA_ASSIGN_OR_RETURN(Dims both, context.broadcasted(context.dims(2), dims));
    if (both != dims)
      return context.error("input 2, ", context.in(2).describe(), ", does not broadcast to the product");
  }
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status gemm(OpContext &context) {
  Tensor &y = context.out(0);
  bool ta = context.integer("transA", 0), tb = context.integer("transB", 0);
  double alpha = context.real("alpha", 1), beta = context.real("beta", 1);
  int64_t m = y.dims()[0], n = y.dims()[1], k = context.dims(0)[!ta];
  LAMINA_RETURN_IF_ERROR(context.spend({m, n, k, 4}));
  std::vector<double> a = context.in(0).reals(), b = context.in(1).reals();
  Dims bias = context.has(2) ? broadcastStrides(context.dims(2), y.dims()) : Dims{0, 0};
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += (ta ? a[l * m + i] : a[i * k + l]) * (tb ? b[j * k + l] : b[l * n + j]);
      sum *= alpha;
      if (context.has(2))
        sum += beta * context.in(2).real(i * bias[0] + j * bias[1]);
      y.setReal(i * n + j, sum);
    }
  return absl::OkStatus();
}

/// A zero point is one number, or one per row of the left or column of the right operand.
absl::StatusOr<std::vector<int64_t>> zeroPoints(OpContext &context, size_t i, int64_t size) {
  std::vector<int64_t> points(size, 0);
  if (!context.has(i))
    return points;
  const Tensor &given = context.in(i);
  if (given.count() != 1 && given.count() != size)
    return context.error("zero points of shape ", given.describe(), " do not fit ", size, " rows or columns");
  for (int64_t j = 0; j < size; ++j)
    points[j] = given.integer(given.count() == 1 ? 0 : j);
  return points;
}

absl::StatusOr<std::vector<int64_t>> integerProduct(OpContext &context, const Product &p, size_t a, size_t b,
                                                    size_t aZero, size_t bZero) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> za, zeroPoints(context, aZero, p.m));
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> zb, zeroPoints(context, bZero, p.n));
  return multiply<int64_t>(
      context, p, [&](int64_t i) { return context.in(a).integer(i) - za[i / p.k % p.m]; },
      [&](int64_t i) { return context.in(b).integer(i) - zb[i % p.n]; });
}

absl::Status bytesOnly(const OpContext &context, std::initializer_list<size_t> inputs) {
  for (size_t i : inputs)
    if (context.has(i) && elementBytes(context.type(i)) != 1)
      return context.error("expected elements of eight bits as input ", i, ", got ",
                           context.in(i).describe());
  return absl::OkStatus();
}

absl::Status matmulIntegerRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(bytesOnly(context, {0, 1, 2, 3}));
  LAMINA_ASSIGN_OR_RETURN(Product p, productOf(context, 0, 1));
  context.result(0, ElementType::Int32, std::move(p.result));
  return absl::OkStatus();
}

absl::Status matmulInteger(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Product p, productOf(context, 0, 1));
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> result, integerProduct(context, p, 0, 1, 2, 3));
  context.out(0).setIntegers(result);
  return absl::OkStatus();
}

absl::Status qLinearMatmulRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(bytesOnly(context, {0, 2, 3, 5, 7}));
  LAMINA_ASSIGN_OR_RETURN(Product p, productOf(context, 0, 3));
  for (size_t i : {1, 4, 6, 7})
    if (context.in(i).count() != 1)
      return context.error("expected one number as input ", i, ", got ", context.in(i).describe());
  context.result(0, context.type(7), std::move(p.result));
  return absl::OkStatus();
}

absl::Status qLinearMatmul(OpContext &context) {
  Tensor &y = context.out(0);
  LAMINA_ASSIGN_OR_RETURN(Product p, productOf(context, 0, 3));
  LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> product, integerProduct(context, p, 0, 3, 2, 5));
  double scale = context.in(1).real(0) * context.in(4).real(0) / context.in(6).real(0);
  auto [least, most] = integerRange(y.type());
  for (int64_t i = 0; i < y.count(); ++i) {
    double value = std::nearbyint(static_cast<double>(product[i]) * scale) + context.in(7).real(0);
    y.setInteger(i, truncateToInteger(
                        std::fmin(std::fmax(value, static_cast<double>(least)), static_cast<double>(most))));
  }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "MatMul", .required = 2, .most = 2, .rule = matmulRule, .semantics = matmul},
    {.name = "Gemm", .since = 7, .required = 2, .most = 3, .rule = gemmRule, .semantics = gemm},
    {.name = "MatMulInteger",
     .since = 10,
     .required = 2,
     .most = 4,
     .rule = matmulIntegerRule,
     .semantics = matmulInteger},
    {.name = "QLinearMatMul",
     .since = 10,
     .required = 8,
     .most = 8,
     .rule = qLinearMatmulRule,
     .semantics = qLinearMatmul},
};
} // namespace

std::span<const OpRow> matmulRows() { return kRows; }

} // namespace lamina::onnx
