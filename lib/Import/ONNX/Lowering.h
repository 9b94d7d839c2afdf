//===- Lowering.h - a node that becomes upstream operations -----------------------------------*- C++ -*-===//
//
// What an operator's row of the lowering table sees of a node while it emits code: attributes, types and shapes through
// OpContext, inputs as static tensors, and loops over the elements of its results. A result is one linalg.generic whose body
// computes an element from its index; arithmetic on single elements is in Scalars.h.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_LOWERING_H
#define LAMINA_LIB_IMPORT_ONNX_LOWERING_H

#include "lib/Import/ONNX/OpTable.h"
#include "lib/Import/ONNX/Scalars.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace lamina::onnx {

using Indices = llvm::ArrayRef<mlir::Value>; ///< a place in a tensor
using Compare = Scalars::Compare;

/// A tensor and what its elements mean.
struct Operand {
  mlir::Value value;
  ElementType type;

  llvm::ArrayRef<int64_t> dims() const {
    return llvm::cast<mlir::RankedTensorType>(value.getType()).getShape();
  }
};

class Lowering {
public:
  using Value = mlir::Value; // not that of the graph
  using ElementFn = llvm::function_ref<mlir::Value(Indices)>;

  /// `inputs` has a null value for each input that is absent.
  Lowering(OpContext &context, llvm::ArrayRef<mlir::Value> inputs, mlir::OpBuilder &builder,
           mlir::Location loc)
      : op(context), s(loc, builder), inputs_(inputs), results_(context.numOutputs()) {}

  OpContext &op; ///< after the shape rule: outputs have type and shape
  Scalars s;     ///< also the builder

  Operand in(size_t i) const { return {inputs_[i], op.type(i)}; }
  void set(size_t output, mlir::Value value) { results_[output] = value; }
  mlir::Value result(size_t output) const { return results_[output]; }
  llvm::MutableArrayRef<mlir::Value> results() { return results_; }

  mlir::RankedTensorType tensorType(ElementType type, llvm::ArrayRef<int64_t> dims);
  /// A tensor without particular elements.
  mlir::Value empty(ElementType type, llvm::ArrayRef<int64_t> dims);

  /// A tensor whose element at an index is what `element` computes, as Scalars computes with it.
  Operand compute(ElementType type, llvm::ArrayRef<int64_t> dims, ElementFn element);
  /// The same of output `i`.
  void compute(size_t i, ElementFn element) {
    set(i, compute(op.out(i).type(), op.out(i).dims(), element).value);
  }
  /// Element by element over operands that broadcast to the result.
  Operand map(ElementType type, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<Operand> operands,
              ElementFn element);
  void map(size_t i, llvm::ArrayRef<Operand> operands, ElementFn element) {
    set(i, map(op.out(i).type(), op.out(i).dims(), operands, element).value);
  }

  /// An element, as Scalars computes with it.
  mlir::Value read(const Operand &tensor, Indices index) {
    return s.widen(readRaw(tensor, index), tensor.type);
  }
  /// The same of an operand that broadcasts to the shape which `index` is of.
  mlir::Value readBroadcast(const Operand &tensor, Indices index);
  /// As it is stored. What has no elements is read as 0, since no index can be inside.
  mlir::Value readRaw(const Operand &tensor, Indices index);

  /// Folds over all indices of a shape in row-major order; for use in the body of an element.
  llvm::SmallVector<mlir::Value>
  fold(llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<mlir::Value> initial,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(Indices index, mlir::ValueRange sofar)> step);
  /// The sum over a shape, from zero.
  mlir::Value sum(llvm::ArrayRef<int64_t> sizes, mlir::Type type, ElementFn term);

  /// The same elements in row-major order, in another shape of as many.
  Operand reshape(const Operand &tensor, llvm::ArrayRef<int64_t> dims);

private:
  llvm::SmallVector<mlir::Value> inputs_, results_;
};

/// What an operator maps to. The rows of the opsets differ in their rule alone, unless `lower` asks for the opset.
struct LoweringRow {
  std::string_view name;
  /// Emits the results. An error if a form of the operator is not supported.
  absl::Status (*lower)(Lowering &);
  std::string_view domain = "";
};

/// An error unless the operations that a row has emitted are what their dialects allow. They are, but where a node's inputs have
/// types that its operator does not take.
absl::Status checkTypes(const OpContext &op, llvm::ArrayRef<mlir::Operation *> operations);

/// Null if the operator has no lowering.
const LoweringRow *findLowering(const Node &node);

// The families, each in a file of Lowerings/.
std::span<const LoweringRow> elementwiseLowerings();
std::span<const LoweringRow> activationLowerings();
std::span<const LoweringRow> movementLowerings();
std::span<const LoweringRow> reduceLowerings();
std::span<const LoweringRow> matmulLowerings();
std::span<const LoweringRow> normLowerings();
std::span<const LoweringRow> orderLowerings();
std::span<const LoweringRow> quantizeLowerings();
std::span<const LoweringRow> windowLowerings();
std::span<const LoweringRow> attentionLowerings();
std::span<const LoweringRow> rotaryLowerings();
std::span<const LoweringRow> contribAttentionLowerings();
std::span<const LoweringRow> contribNormLowerings();
std::span<const LoweringRow> recurrentLowerings();

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_LOWERING_H
