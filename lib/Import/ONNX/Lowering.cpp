//===- Lowering.cpp - loops over the elements of a result -----------------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace lamina::onnx {

RankedTensorType Lowering::tensorType(ElementType type, ArrayRef<int64_t> dims) {
  return RankedTensorType::get(dims, s.storage(type));
}

mlir::Value Lowering::empty(ElementType type, ArrayRef<int64_t> dims) {
  return tensor::EmptyOp::create(s, dims, s.storage(type));
}

/// The map of an operand that broadcasts: its axes are the last ones, those of size 1 are read at 0.
static AffineMap broadcastMap(ArrayRef<int64_t> from, ArrayRef<int64_t> to, MLIRContext *context) {
  SmallVector<AffineExpr> axes;
  for (size_t i = 0; i < from.size(); ++i) {
    size_t axis = to.size() - from.size() + i;
    bool repeats = from[i] == 1 && to[axis] != 1;
    axes.push_back(repeats ? getAffineConstantExpr(0, context) : getAffineDimExpr(axis, context));
  }
  return AffineMap::get(to.size(), 0, axes, context);
}

Operand Lowering::map(ElementType type, ArrayRef<int64_t> dims, ArrayRef<Operand> operands,
                      ElementFn element) {
  SmallVector<AffineMap> maps;
  SmallVector<Value> inputs;
  for (const Operand &operand : operands) {
    inputs.push_back(operand.value);
    maps.push_back(broadcastMap(operand.dims(), dims, s.getContext()));
  }
  maps.push_back(s.getMultiDimIdentityMap(dims.size()));
  SmallVector<utils::IteratorType> loops(dims.size(), utils::IteratorType::parallel);
  Value initial = empty(type, dims);
  auto body = [&](OpBuilder &, Location, ValueRange arguments) {
    OpBuilder::InsertionGuard guard(s);
    s.setInsertionPointToEnd(arguments.back().getParentBlock());
    SmallVector<Value> elements;
    for (auto [argument, operand] : llvm::zip(arguments, operands))
      elements.push_back(s.widen(argument, operand.type));
    linalg::YieldOp::create(s, s.narrow(element(elements), type));
  };
  auto op = linalg::GenericOp::create(s, initial.getType(), inputs, initial, maps, loops, body);
  return {op.getResult(0), type};
}

Operand Lowering::compute(ElementType type, ArrayRef<int64_t> dims, ElementFn element) {
  return map(type, dims, {}, [&](Indices) {
    SmallVector<Value> index;
    for (size_t axis = 0; axis < dims.size(); ++axis)
      index.push_back(linalg::IndexOp::create(s, axis));
    return element(index);
  });
}

mlir::Value Lowering::readRaw(const Operand &tensor, Indices index) {
  if (llvm::is_contained(tensor.dims(), 0))
    return s.number(s.storage(tensor.type), 0);
  return tensor::ExtractOp::create(s, tensor.value, index);
}

mlir::Value Lowering::readBroadcast(const Operand &tensor, Indices index) {
  SmallVector<Value> at(index.take_back(tensor.dims().size()));
  for (auto [axis, size] : llvm::enumerate(tensor.dims()))
    if (size == 1)
      at[axis] = s.index(0);
  return read(tensor, at);
}

SmallVector<mlir::Value>
Lowering::fold(ArrayRef<int64_t> sizes, ArrayRef<mlir::Value> initial,
               llvm::function_ref<SmallVector<mlir::Value>(Indices, ValueRange)> step) {
  SmallVector<Value> index;
  SmallVector<scf::ForOp> loops;
  ValueRange sofar = initial;
  OpBuilder::InsertionGuard guard(s);
  Value zero = s.index(0), one = s.index(1);
  for (int64_t size : sizes) {
    auto loop = scf::ForOp::create(s, zero, s.index(size), one, sofar);
    s.setInsertionPointToStart(loop.getBody());
    index.push_back(loop.getInductionVar());
    sofar = loop.getRegionIterArgs();
    loops.push_back(loop);
  }
  SmallVector<Value> results = step(index, sofar);
  for (scf::ForOp loop : llvm::reverse(loops)) {
    s.setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(s, results);
    results = llvm::to_vector_of<Value>(loop.getResults());
  }
  return results;
}

mlir::Value Lowering::sum(ArrayRef<int64_t> sizes, mlir::Type type, ElementFn term) {
  return fold(sizes, s.number(type, 0), [&](Indices index, ValueRange sofar) {
    return SmallVector<Value>{s.add(sofar[0], term(index))};
  })[0];
}

Operand Lowering::reshape(const Operand &tensor, ArrayRef<int64_t> dims) {
  if (tensor.dims() == dims)
    return tensor;
  auto shapeType = RankedTensorType::get({int64_t(dims.size())}, s.getI64Type());
  Value shape = arith::ConstantOp::create(s, DenseIntElementsAttr::get(shapeType, dims));
  return {tensor::ReshapeOp::create(s, tensorType(tensor.type, dims), tensor.value, shape), tensor.type};
}

absl::Status checkTypes(const OpContext &op, ArrayRef<Operation *> operations) {
  if (operations.empty())
    return absl::OkStatus();
  // What they say is of operations that no user knows.
  ScopedDiagnosticHandler silent(operations.front()->getContext(), [](Diagnostic &) {});
  if (llvm::all_of(operations, [](Operation *operation) { return succeeded(verify(operation)); }))
    return absl::OkStatus();
  std::string inputs;
  for (size_t i = 0; i < op.numInputs(); ++i)
    if (op.has(i))
      inputs += strCat(inputs.empty() ? "" : ", ", op.in(i).describe());
  return op.error("does not take inputs of such types: ", inputs,
                  "; cast them to types that the operator has");
}

} // namespace lamina::onnx
