//===- NodeImporter.h - nodes of an ONNX graph as lm operations -------------------------------*- C++ -*-===//
//
// The batch of the exported graph is one sequence: what it computes for a token says what a step computes for each token of
// a ragged batch. So the axis of the batch is dropped, the axis of new tokens is the leading one, and whatever the batch alone
// decides (masks, positions, lengths) is not computed but recognised (Probe.h) and checked against what lm operations do.
// Fused operators become lm operations. The others become operations of arith, math, tensor and linalg, which the passes of the
// mark phase raise. Members are in the *Importer.cpp of their family of operators.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_NODEIMPORTER_H
#define LAMINA_LIB_IMPORT_ONNX_NODEIMPORTER_H

#include "lib/Import/ONNX/GraphWeights.h"
#include "lib/Import/ONNX/Placed.h"
#include "lib/Import/ONNX/ProbeInputs.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina::onnx {

/// The arguments of @step and what every layer needs of the batch.
struct StepValues {
  mlir::Value tokenIds, positions, sequences, blockTable;
  llvm::SmallVector<mlir::Value> caches; ///< by attention node or pair of inputs in order
  llvm::SmallVector<CacheInputs> inputs; ///< of the graph, by cache
};

class NodeImporter {
public:
  NodeImporter(const Model &model, const std::vector<ProbedValue> &probed, GraphWeights &weights,
               StepValues step, mlir::OpBuilder &builder, mlir::Location fileLoc);

  /// Imports a node. Those whose results the batch decides need not be: what it comes to is asked for where it is used. Emits
  /// one located error.
  mlir::LogicalResult import(const Node &node);
  /// Null if no node gave it.
  mlir::Value find(ValueId id) const { return values_.lookup(id).value; }
  /// Rows of the shortest table of positions; none if there is no table.
  std::optional<int64_t> longestContext() const { return longest_; }

private:
  struct Row {
    mlir::LogicalResult (NodeImporter::*import)(const Node &) = nullptr;
    llvm::SmallVector<llvm::StringRef, 6> attributes = {}; ///< that `import` heeds
  };
  static Row rowOf(const Node &node);
  mlir::LogicalResult checkAttributes(const Node &node, const Row &row);

  mlir::LogicalResult gather(const Node &node);
  mlir::LogicalResult matmul(const Node &node);
  mlir::LogicalResult linear(const Node &node, lm::WeightOp matrix);
  mlir::FailureOr<mlir::Value> timesMatrix(const Node &node, lm::WeightOp matrix, size_t biasInput);
  mlir::LogicalResult matmulBlocks(const Node &node);
  lm::WeightOp matrixOfBlocks(const Node &node);
  mlir::LogicalResult binary(const Node &node);
  mlir::LogicalResult power(const Node &node);
  mlir::LogicalResult unary(const Node &node);
  mlir::LogicalResult select(const Node &node);
  mlir::LogicalResult mean(const Node &node);
  mlir::LogicalResult softmax(const Node &node);
  mlir::LogicalResult contract(const Node &node);
  mlir::LogicalResult einsum(const Node &node);
  /// By axis of an operand of a product: which loop it is, of those that all operands share.
  using Loops = llvm::SmallVector<int64_t, 6>;
  mlir::LogicalResult product(const Node &node, const Loops &ofA, const Loops &ofB, const Loops &ofResult);
  mlir::LogicalResult activation(const Node &node);
  mlir::LogicalResult swish(const Node &node);
  mlir::LogicalResult norm(const Node &node);
  mlir::LogicalResult skipNorm(const Node &node);
  mlir::LogicalResult mixtureOfExperts(const Node &node);
  mlir::LogicalResult reshape(const Node &node);
  mlir::LogicalResult transpose(const Node &node);
  mlir::LogicalResult expand(const Node &node);
  mlir::LogicalResult slice(const Node &node);
  mlir::LogicalResult split(const Node &node);
  mlir::LogicalResult concat(const Node &node);
  mlir::LogicalResult concatCache(const Node &node);
  mlir::LogicalResult writeCache(const Node &node);
  mlir::LogicalResult appendCache(const Node &node, size_t rows);
  mlir::LogicalResult rotary(const Node &node);
  mlir::LogicalResult multiHeadAttention(const Node &node);
  mlir::LogicalResult projectedAttention(const Node &node);
  mlir::LogicalResult groupQueryAttention(const Node &node);
  mlir::LogicalResult standardAttention(const Node &node);
  mlir::LogicalResult pagedAttention(const Node &node);

  struct Attention {
    mlir::Value query, key, value;
    int64_t heads = 0, keyHeads = 0;
    double scale = 0, softCap = 0; ///< 0: 1/sqrt(head), none
    std::optional<int64_t> window;
  };
  mlir::LogicalResult checkHeads(const Node &node, const Attention &attention);
  mlir::LogicalResult readOperands(const Node &node, Attention &attention);
  mlir::LogicalResult attention(const Node &node, const Attention &attention);
  mlir::LogicalResult attentionOverContext(const Node &node, const Attention &attention);
  mlir::LogicalResult groupedAttention(const Node &node, size_t tables, size_t norms);
  /// An error if a node has one of these inputs, each with what it is.
  mlir::LogicalResult refuseInputs(const Node &node,
                                   llvm::ArrayRef<std::pair<size_t, llvm::StringRef>> inputs);
  bool isNumbers(const Node &node, size_t input, const std::vector<Affine> &expected) const;
  /// What a mask that is an input hides; an error if it is no causal mask and hides something.
  mlir::LogicalResult heedMask(const Node &node, size_t input, bool &causal, Attention &attention);
  /// The same of onnxruntime's, which says what is no padding, and of what may be added to the scores.
  mlir::LogicalResult heedMasks(const Node &node, size_t padding, size_t added, Attention &attention);
  mlir::FailureOr<mlir::Value> ropeTable(const Node &node, ValueId cosines, ValueId sines);
  mlir::FailureOr<mlir::Value> computedTable(const Node &node, ValueId cosines, ValueId sines);
  mlir::FailureOr<mlir::Value> rotated(const Node &node, mlir::Value x, int64_t head,
                                       mlir::FailureOr<mlir::Value> table, bool interleaved);

  /// A value [tokens, width]; an error if it is of another form.
  mlir::FailureOr<mlir::Value> rows(const Node &node, size_t input);
  /// The same of heads side by side, which the graph has as rows or as [1, heads, tokens, length]; or by position of the context.
  mlir::FailureOr<mlir::Value> headRows(const Node &node, size_t input, const Affine &leading = kTokens);
  /// An input that is computed, or known from the batch alone.
  mlir::FailureOr<Placed> operand(const Node &node, size_t input);
  /// One that arithmetic can be done with: tokens are no numbers.
  mlir::FailureOr<Placed> realOperand(const Node &node, size_t input);
  Placed fromBatch(ValueId id);
  mlir::Value waveTable(const RowsByPosition &rows);
  bool isBiasOf(const Placed &x, ValueId id) const;
  mlir::Value dropAxis(mlir::Value value, Axes &axes, size_t axis);
  /// The number that an input is everywhere.
  std::optional<double> number(const Node &node, size_t input) const;
  /// Axes for the result of an elementwise operation: those of the operand that has all of them, if there is one.
  Axes resultAxes(const Node &node, llvm::ArrayRef<Placed> operands) const;
  llvm::ArrayRef<Affine> dims(ValueId id) const { return probed_[id].dims; }
  bool isEmpty(ValueId id) const { return llvm::is_contained(dims(id), Affine{0}); }
  bool isCopy(const Node &node) const;
  bool copyKnown(const Node &node);
  bool isWhole(const Node &slice) const;
  std::vector<int64_t> sliceNumbers(const Node &node, size_t input, llvm::StringRef attribute) const;
  mlir::Value weight(lm::WeightOp weight);
  mlir::Value bias(mlir::Value x, ValueId bias);
  void define(const Node &node, size_t output, mlir::Value value) {
    if (node.output(output) != kAbsent)
      values_[node.output(output)] = {value, usualAxes(dims(node.output(output)))};
  }
  /// Heads side by side, in the shape that the graph has them in.
  void defineHeads(ValueId id, mlir::Value rows);
  void define(const Node &node, size_t output, mlir::Value value, Axes axes) {
    if (node.output(output) != kAbsent)
      values_[node.output(output)] = {value, std::move(axes)};
  }
  mlir::InFlightDiagnostic error(const Node &node);
  mlir::RankedTensorType rowsOf(int64_t width);
  mlir::FloatAttr f32(double value) { return b_.getF32FloatAttr(float(value)); }
  template <typename Op, typename... Arguments> mlir::Value create(Arguments &&...arguments) {
    return Op::create(b_, loc_, std::forward<Arguments>(arguments)...);
  }
  bool given(const Node &node, size_t input) const { return node.input(input) != kAbsent; }

  const Model &model_;
  const std::vector<ProbedValue> &probed_;
  GraphWeights &weights_;
  StepValues step_;
  mlir::OpBuilder &b_;
  mlir::Location fileLoc_, loc_;
  PlacedBuilder make_;
  llvm::DenseMap<ValueId, Placed> values_;
  /// Rotated rows whose pairs were moved apart. Attention reads them as they are: it does not see a permutation that queries and
  /// keys share. For others they are moved back.
  struct PairsApart {
    mlir::Value rows;
    int64_t head, length;
  };
  llvm::DenseMap<ValueId, PairsApart> apart_;
  llvm::DenseMap<ValueId, mlir::Value>
      headwise_; ///< rows that the graph cut into heads, one below another; norms alone read them
  llvm::DenseMap<ValueId, std::pair<size_t, lm::CachePart>> pasts_; ///< what caches hold
  llvm::DenseMap<ValueId, const Node *> producers_;
  llvm::DenseMap<ValueId, ValueId> transposes_;                   ///< of constants, too large to be folded
  std::map<std::pair<ValueId, ValueId>, mlir::Value> ropeTables_; ///< by tables
  llvm::SmallVector<lm::RopeTableOp> waves_;                      ///< that tables by position became
  size_t attentions_ = 0;
  int depth_ = 0; ///< of producers that are imported because what they make is read
  std::optional<int64_t> longest_;
};

/// Which inputs of a node are its caches; the same one where it has both. None unless the node is fused attention.
struct CacheOperands {
  size_t keys, values;
};
std::optional<CacheOperands> cacheOperands(const Node &node);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_NODEIMPORTER_H
