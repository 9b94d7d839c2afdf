//===- TokenwiseImporter.cpp - operators with weights, which work on each token by itself ---------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace lamina::onnx {

mlir::Value NodeImporter::bias(mlir::Value x, ValueId id) {
  lm::WeightOp vector = weights_.vector(id, cast<RankedTensorType>(x.getType()).getShape().back());
  return vector ? create<lm::BiasAddOp>(x.getType(), x, weight(vector)) : mlir::Value();
}

/// Rows of a table by token or by position, or a part of what is computed.
LogicalResult NodeImporter::gather(const Node &node) {
  bool blocks = node.op == "GatherBlockQuantized";
  if (!weights_.find(node.input(0)))
    return slice(node);
  const ProbedValue &indices = probed_[node.input(1)];
  const auto *positions = std::get_if<Positions>(&indices.meaning);
  // Some models begin to count at 2.
  int64_t first = positions ? positions->first.constant : 0;
  bool byPosition = positions && positions->first == Affine{first, 0, 1} && first >= 0;
  if (attributeOr(node, blocks ? "gather_axis" : "axis", int64_t(0)) != 0 ||
      (!byPosition && find(node.input(1)) != step_.tokenIds))
    return error(node) << "expected rows of a table by token or by position, got indices "
                       << indices.describe();
  if (blocks && first != 0)
    return error(node) << "expected a table of few bits to begin at position 0";
  lm::WeightOp table = blocks ? matrixOfBlocks(node) : weights_.table(node.input(0), first);
  if (!table)
    return failure();
  if (byPosition)
    longest_ = std::min(longest_.value_or(INT64_MAX), table.getTensorType().getDimSize(0));
  define(node, 0,
         create<lm::EmbeddingOp>(rowsOf(table.getTensorType().getDimSize(1)),
                                 byPosition ? step_.positions : step_.tokenIds, weight(table)));
  return success();
}

/// MatMul and Gemm. The right side is a constant, perhaps one to be transposed, or else an activation.
LogicalResult NodeImporter::matmul(const Node &node) {
  ValueId right = node.input(1);
  auto transposed = transposes_.find(right);
  bool stored = transposed != transposes_.end();
  right = stored ? transposed->second : right;
  if (node.op == "Gemm" && attributeOr(node, "transB", int64_t(0)) != 0)
    stored = !stored;
  if (node.op == "MatMul" && !weights_.find(right) && !weights_.isBlocks(right))
    return contract(node);
  lm::WeightOp matrix = weights_.matrix(right, stored ? MatrixForm::Rows : MatrixForm::Columns);
  return matrix ? linear(node, matrix) : failure();
}

FailureOr<mlir::Value> NodeImporter::timesMatrix(const Node &node, lm::WeightOp matrix, size_t biasInput) {
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  if (matrix.getTensorType().getDimSize(1) != cast<RankedTensorType>(x->getType()).getShape().back())
    return error(node) << "rows of " << cast<RankedTensorType>(x->getType()).getShape().back()
                       << " do not fit a matrix of " << matrix.getTensorType().getDimSize(1);
  mlir::Value y = create<lm::LinearOp>(rowsOf(matrix.getTensorType().getDimSize(0)), *x, weight(matrix));
  if (given(node, biasInput) && !(y = bias(y, node.input(biasInput))))
    return failure();
  return y;
}

LogicalResult NodeImporter::linear(const Node &node, lm::WeightOp matrix) {
  bool gemm = node.op == "Gemm";
  if (gemm && (attributeOr(node, "alpha", 1.0f) != 1 || attributeOr(node, "beta", 1.0f) != 1 ||
               attributeOr(node, "transA", int64_t(0)) != 0))
    return error(node) << "expected alpha and beta of 1 and a left side as it is";
  // MatMul has no bias, MatMulNBits has it behind zero points and order.
  FailureOr<mlir::Value> y = timesMatrix(node, matrix, gemm ? 2 : 5);
  if (failed(y))
    return failure();
  define(node, 0, *y);
  return success();
}

lm::WeightOp NodeImporter::matrixOfBlocks(const Node &node) {
  lm::WeightOp matrix = weights_.blocks(node);
  if (!matrix)
    error(node)
        << "expected a constant matrix of unsigned codes with scales and perhaps zero points like the codes";
  return matrix;
}

/// MatMulNBits: x, codes, scales, zero points, order of groups (which the shape rule refuses), bias.
LogicalResult NodeImporter::matmulBlocks(const Node &node) {
  lm::WeightOp matrix = matrixOfBlocks(node);
  return matrix ? linear(node, matrix) : failure();
}

LogicalResult NodeImporter::activation(const Node &node) {
  FailureOr<Placed> x = realOperand(node, 0);
  if (failed(x))
    return failure();
  bool tanh = node.op == "FastGelu" || attributeOr(node, "approximate", std::string("none")) == "tanh";
  lm::Activation kind = node.op == "Sigmoid" ? lm::Activation::sigmoid
                        : node.op == "Relu"  ? lm::Activation::relu
                        : tanh               ? lm::Activation::gelu_tanh
                                             : lm::Activation::gelu;
  mlir::Value y = x->value;
  if (given(node, 1) && !isBiasOf(*x, node.input(1))) // FastGelu's
    return error(node) << "expected a bias of the last axis, got " << probed_[node.input(1)].describe();
  if (given(node, 1) && !(y = bias(y, node.input(1))))
    return failure();
  define(node, 0, create<lm::ActivationOp>(y.getType(), y, kind), x->axes);
  return success();
}

/// Swish and QuickGelu: x · sigmoid(alpha · x), which is silu(alpha · x) / alpha.
LogicalResult NodeImporter::swish(const Node &node) {
  FailureOr<Placed> x = realOperand(node, 0);
  if (failed(x))
    return failure();
  float alpha = attributeOr(node, "alpha", node.op == "QuickGelu" ? 1.702f : 1.0f);
  if (alpha == 0)
    return error(node) << "expected an alpha that is not 0";
  mlir::Type type = x->value.getType();
  mlir::Value y = alpha == 1 ? x->value : create<lm::ScaleOp>(type, x->value, f32(alpha));
  y = create<lm::ActivationOp>(type, y, lm::Activation::silu);
  define(node, 0, alpha == 1 ? y : create<lm::ScaleOp>(type, y, f32(1.0 / alpha)), x->axes);
  return success();
}

/// Of rows, or of each head in them.
LogicalResult NodeImporter::norm(const Node &node) {
  mlir::Value heads = headwise_.lookup(node.input(0));
  FailureOr<Placed> x = heads ? Placed{heads, {}} : realOperand(node, 0);
  if (failed(x))
    return failure();
  ArrayRef<Affine> shape = dims(node.input(0));
  if (!heads && (x->isNumber() || !llvm::is_contained(shape, kTokens) || x->axes.back() <= 0))
    return error(node) << "expected input 0 to be rows of tokens, got " << probed_[node.input(0)].describe();
  int64_t width = shape.back().constant, axis = attributeOr(node, "axis", int64_t(-1)), rank = shape.size();
  if (axis != -1 && axis != rank - 1)
    return error(node) << "expected a norm over the last axis, got axis " << axis;
  Placed ordered = heads ? *x : make_.inOrder(*x);
  SmallVector<int64_t> row(cast<RankedTensorType>(ordered.value.getType()).getShape().drop_front());
  mlir::Value rows = make_.reshaped(ordered.value, {ShapedType::getNumElements(row)});
  lm::WeightOp scale = weights_.vector(node.input(1), width);
  if (!scale)
    return failure();
  FloatAttr epsilon = f32(attributeOr(node, "epsilon", 1e-5f));
  if (node.op != "LayerNormalization") {
    mlir::Value y = create<lm::RMSNormOp>(rows.getType(), rows, weight(scale), epsilon);
    if (heads)
      headwise_[node.output(0)] = y;
    else
      define(node, 0, make_.reshaped(y, row), ordered.axes);
    return success();
  }
  if (heads || row.size() > 1)
    return error(node) << "is over heads, which only norms without a mean can be";
  lm::WeightOp bias = given(node, 2) ? weights_.vector(node.input(2), width) : lm::WeightOp();
  if (given(node, 2) && !bias)
    return failure();
  define(node, 0,
         create<lm::LayerNormOp>(rows.getType(), rows, weight(scale), bias ? weight(bias) : mlir::Value(),
                                 epsilon),
         ordered.axes);
  return success();
}

/// The sum of a block's result and the residual stream, which is output 3, and its norm.
LogicalResult NodeImporter::skipNorm(const Node &node) {
  FailureOr<mlir::Value> x = rows(node, 0), skip = failed(x) ? x : rows(node, 1);
  if (failed(skip))
    return failure();
  bool centred = node.op == "SkipLayerNormalization";
  size_t biasInput = centred ? 4 : 3;
  mlir::Value sum = *skip;
  if (given(node, biasInput) && !(sum = bias(sum, node.input(biasInput))))
    return failure();
  sum = create<arith::AddFOp>(*x, sum);
  int64_t width = cast<RankedTensorType>(sum.getType()).getShape().back();
  lm::WeightOp scale = weights_.vector(node.input(2), width);
  bool shifted = centred && given(node, 3);
  lm::WeightOp shift = shifted ? weights_.vector(node.input(3), width) : lm::WeightOp();
  if (!scale || (shifted && !shift))
    return failure();
  FloatAttr epsilon = f32(attributeOr(node, "epsilon", 1e-12f));
  mlir::Value normed = centred ? create<lm::LayerNormOp>(sum.getType(), sum, weight(scale),
                                                         shift ? weight(shift) : mlir::Value(), epsilon)
                               : create<lm::RMSNormOp>(sum.getType(), sum, weight(scale), epsilon);
  define(node, 0, normed);
  define(node, 3, sum);
  return success();
}

} // namespace lamina::onnx
