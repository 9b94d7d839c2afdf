//===- NodeImporter.cpp - nodes that work on each token by itself ---------------------------------------===//

#include "lib/Import/ONNX/NodeImporter.h"

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Support/Names.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

NodeImporter::NodeImporter(const Model &model, const std::vector<ProbedValue> &probed, GraphWeights &weights,
                           StepValues step, OpBuilder &builder, Location fileLoc)
    : model_(model), probed_(probed), weights_(weights), step_(std::move(step)), b_(builder), fileLoc_(fileLoc),
      loc_(fileLoc), evaluator_(model) {}

NodeImporter::Row NodeImporter::rowOf(const Node &node) {
  using Self = NodeImporter;
  static const llvm::StringMap<Row> kStandard = {
      {"Gather", {&Self::gather, {"axis"}}},
      {"MatMul", {&Self::matmul}},
      {"Gemm", {&Self::matmul, {"alpha", "beta", "transA", "transB"}}},
      {"Add", {&Self::add}},
      {"Mul", {&Self::mul}},
      {"Cast", {&Self::cast, {"to"}}},
      {"Sigmoid", {&Self::activation}},
      {"Relu", {&Self::activation}},
      {"Gelu", {&Self::activation, {"approximate"}}},
      {"SimplifiedLayerNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"RMSNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"LayerNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"RotaryEmbedding", {&Self::rotary, {"interleaved", "num_heads", "rotary_embedding_dim"}}},
  };
  static const llvm::StringMap<Row> kContribRows = {
      {"FastGelu", {&Self::activation}},
      {"Gelu", {&Self::activation}},
      {"SkipSimplifiedLayerNormalization", {&Self::skipNorm, {"epsilon"}}},
      {"SkipLayerNormalization", {&Self::skipNorm, {"epsilon"}}},
      {"RotaryEmbedding", {&Self::rotary, {"interleaved", "num_heads", "rotary_embedding_dim"}}},
      {"MultiHeadAttention",
       {&Self::multiHeadAttention, {"num_heads", "scale", "unidirectional", "mask_filter_value"}}},
      {"GroupQueryAttention",
       {&Self::groupQueryAttention,
        {"num_heads", "kv_num_heads", "scale", "softcap", "local_window_size", "do_rotary", "rotary_interleaved"}}},
  };
  return (node.domain == kContrib ? kContribRows : kStandard).lookup(node.op);
}

/// What an attribute says that says nothing: its number, or no number for the text "NONE".
static bool isNeutral(const Attribute &attribute) {
  struct Neutral {
    StringRef name;
    double first, second;
  };
  static constexpr Neutral kNeutral[] = {
      {"stash_type", 1, 1},         {"saturate", 1, 1},  {"causal", 1, 1},
      {"smooth_softmax", 0, -1},    {"qk_output", 0, 0}, {"kv_cache_bit_width", 0, 0},
      {"sliding_window_cache", 0, 0}, {"scale", 1, 1},   {"is_packed_batching", 0, 0},
  };
  if (const auto *text = std::get_if<std::string>(&attribute.value))
    return *text == "NONE" && StringRef(attribute.name).ends_with("_quant_type");
  const auto *integer = std::get_if<int64_t>(&attribute.value);
  const auto *real = std::get_if<float>(&attribute.value);
  double value = integer ? double(*integer) : real ? *real : NAN;
  return llvm::any_of(kNeutral, [&](const Neutral &neutral) {
    return attribute.name == neutral.name && (value == neutral.first || value == neutral.second);
  });
}

LogicalResult NodeImporter::checkAttributes(const Node &node, const Row &row) {
  for (const Attribute &attribute : node.attributes)
    if (!llvm::is_contained(row.attributes, attribute.name) && !isNeutral(attribute))
      return error(node) << "attribute " << quoted(attribute.name)
                         << " or its value is not known to this importer and may change results";
  return success();
}

LogicalResult NodeImporter::import(const Node &node) {
  bool computed = llvm::any_of(node.outputs, [&](ValueId id) {
    return id != kAbsent && std::holds_alternative<Computed>(probed_[id].meaning);
  });
  // What the batch alone decides is asked for where it is used.
  if (!computed)
    return success();
  loc_ = namedLoc(node.name.empty() ? node.describe() : node.name, fileLoc_);
  Row row = rowOf(node);
  if (!row.import)
    return error(node) << "has no form in lm yet";
  return failed(checkAttributes(node, row)) ? failure() : (this->*row.import)(node);
}

InFlightDiagnostic NodeImporter::error(const Node &node) {
  return emitError(namedLoc(node.name.empty() ? node.describe() : node.name, fileLoc_)) << node.describe() << ": ";
}

RankedTensorType NodeImporter::rowsOf(int64_t width) {
  return RankedTensorType::get({ShapedType::kDynamic, width}, b_.getF32Type());
}

mlir::Value NodeImporter::weight(lm::WeightOp weight) {
  return create<lm::GetWeightOp>(weight.getTensorType(), FlatSymbolRefAttr::get(weight.getSymNameAttr()));
}

FailureOr<mlir::Value> NodeImporter::rows(const Node &node, size_t input) {
  ValueId id = node.input(input);
  if (id != kAbsent)
    if (mlir::Value value = values_.lookup(id))
      return value;
  return error(node) << "expected input " << input << " to be rows of tokens"
                     << (id == kAbsent ? "" : ", got " + probed_[id].describe());
}

FailureOr<Tensor> NodeImporter::constant(const Node &node, size_t input) {
  if (const TensorConstant *found = given(node, input) ? weights_.find(node.input(input)) : nullptr) {
    absl::StatusOr<Tensor> tensor = evaluator_.constant(*found);
    if (tensor.ok() && tensor->hasData())
      return *tensor;
  }
  return error(node) << "expected input " << input << " to be a constant whose bytes are there";
}

mlir::Value NodeImporter::bias(mlir::Value x, ValueId id) {
  lm::WeightOp vector = weights_.vector(id, cast<RankedTensorType>(x.getType()).getShape().back());
  return vector ? create<lm::BiasAddOp>(x.getType(), x, weight(vector)) : mlir::Value();
}

/// Rows of a table by token or by position.
LogicalResult NodeImporter::gather(const Node &node) {
  const ProbedValue &indices = probed_[node.input(1)];
  bool positions = std::holds_alternative<Positions>(indices.meaning) &&
                   std::get<Positions>(indices.meaning).first == Affine{0, 0, 1};
  bool tokens = llvm::is_contained(model_.graph.inputs, node.input(1)) &&
                roleOf(model_.graph.values[node.input(1)]) == InputRole::Tokens;
  if (attributeOr(node, "axis", int64_t(0)) != 0 || (!positions && !tokens))
    return error(node) << "expected rows of a table by token or by position, got indices "
                       << indices.describe();
  lm::WeightOp table = weights_.matrix(node.input(0), MatrixForm::Rows);
  if (!table)
    return failure();
  if (positions)
    longest_ = std::min(longest_.value_or(INT64_MAX), table.getTensorType().getDimSize(0));
  define(node, 0, create<lm::EmbeddingOp>(rowsOf(table.getTensorType().getDimSize(1)),
                                          positions ? step_.positions : step_.tokenIds, weight(table)));
  return success();
}

LogicalResult NodeImporter::matmul(const Node &node) {
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  bool gemm = node.op == "Gemm";
  if (gemm && (attributeOr(node, "alpha", 1.0f) != 1 || attributeOr(node, "beta", 1.0f) != 1 ||
               attributeOr(node, "transA", int64_t(0)) != 0))
    return error(node) << "expected alpha and beta of 1 and a left side as it is";
  bool stored = gemm && attributeOr(node, "transB", int64_t(0)) != 0;
  lm::WeightOp matrix = weights_.matrix(node.input(1), stored ? MatrixForm::Rows : MatrixForm::Columns);
  if (!matrix)
    return failure();
  if (matrix.getTensorType().getDimSize(1) != cast<RankedTensorType>(x->getType()).getShape().back())
    return error(node) << "rows of " << cast<RankedTensorType>(x->getType()).getShape().back()
                       << " do not fit a matrix of " << matrix.getTensorType().getDimSize(1);
  mlir::Value y = create<lm::LinearOp>(rowsOf(matrix.getTensorType().getDimSize(0)), *x, weight(matrix));
  if (gemm && given(node, 2) && !(y = bias(y, node.input(2))))
    return failure();
  define(node, 0, y);
  return success();
}

LogicalResult NodeImporter::add(const Node &node) {
  for (size_t i : {0, 1})
    if (weights_.find(node.input(i))) {
      FailureOr<mlir::Value> x = rows(node, 1 - i);
      mlir::Value y = failed(x) ? mlir::Value() : bias(*x, node.input(i));
      define(node, 0, y);
      return success(bool(y));
    }
  FailureOr<mlir::Value> a = rows(node, 0), b = failed(a) ? a : rows(node, 1);
  if (failed(b))
    return failure();
  if (a->getType() != b->getType())
    return error(node) << "expected rows of one width";
  define(node, 0, create<arith::AddFOp>(*a, *b));
  return success();
}

/// The product of two rows, or of rows and one number.
LogicalResult NodeImporter::mul(const Node &node) {
  for (size_t i : {0, 1})
    if (weights_.find(node.input(i))) {
      FailureOr<Tensor> factor = constant(node, i);
      FailureOr<mlir::Value> x = failed(factor) ? FailureOr<mlir::Value>(failure()) : rows(node, 1 - i);
      if (failed(x))
        return failure();
      if (factor->count() != 1)
        return error(node) << "expected one number as a constant factor, got " << factor->describe();
      define(node, 0, create<lm::ScaleOp>(x->getType(), *x, f32(factor->real(0))));
      return success();
    }
  FailureOr<mlir::Value> a = rows(node, 0), b = failed(a) ? a : rows(node, 1);
  if (failed(b))
    return failure();
  if (a->getType() != b->getType())
    return error(node) << "expected rows of one width";
  define(node, 0, create<arith::MulFOp>(*a, *b));
  return success();
}

/// Rows are f32 whatever the file calls them.
LogicalResult NodeImporter::cast(const Node &node) {
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  if (!isReal(probed_[node.output(0)].type))
    return error(node) << "expected rows to stay real numbers";
  define(node, 0, *x);
  return success();
}

LogicalResult NodeImporter::activation(const Node &node) {
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  bool tanh = node.op == "FastGelu" || attributeOr(node, "approximate", std::string("none")) == "tanh";
  lm::Activation kind = node.op == "Sigmoid" ? lm::Activation::sigmoid
                        : node.op == "Relu"  ? lm::Activation::relu
                        : tanh               ? lm::Activation::gelu_tanh
                                             : lm::Activation::gelu;
  mlir::Value y = *x;
  if (given(node, 1) && !(y = bias(y, node.input(1)))) // FastGelu's
    return failure();
  define(node, 0, create<lm::ActivationOp>(y.getType(), y, kind));
  return success();
}

LogicalResult NodeImporter::norm(const Node &node) {
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  int64_t width = cast<RankedTensorType>(x->getType()).getShape().back();
  int64_t axis = attributeOr(node, "axis", int64_t(-1)), rank = probed_[node.input(0)].dims.size();
  if (axis != -1 && axis != rank - 1)
    return error(node) << "expected a norm over the last axis, got axis " << axis;
  lm::WeightOp scale = weights_.vector(node.input(1), width);
  if (!scale)
    return failure();
  FloatAttr epsilon = f32(attributeOr(node, "epsilon", 1e-5f));
  if (node.op != "LayerNormalization") {
    define(node, 0, create<lm::RMSNormOp>(x->getType(), *x, weight(scale), epsilon));
    return success();
  }
  if (!given(node, 2))
    return error(node) << "has no bias";
  lm::WeightOp bias = weights_.vector(node.input(2), width);
  if (!bias)
    return failure();
  define(node, 0, create<lm::LayerNormOp>(x->getType(), *x, weight(scale), weight(bias), epsilon));
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
  lm::WeightOp shift = centred && given(node, 3) ? weights_.vector(node.input(3), width) : lm::WeightOp();
  if (!scale || (centred && !shift))
    return scale ? LogicalResult(error(node) << "has no bias of the norm") : failure();
  FloatAttr epsilon = f32(attributeOr(node, "epsilon", 1e-12f));
  mlir::Value normed = centred ? create<lm::LayerNormOp>(sum.getType(), sum, weight(scale), weight(shift), epsilon)
                         : create<lm::RMSNormOp>(sum.getType(), sum, weight(scale), epsilon);
  define(node, 0, normed);
  define(node, 3, sum);
  return success();
}

} // namespace lamina::onnx
