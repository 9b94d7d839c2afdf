//===- ElementwiseTail.cpp - values of a row, computed where they are needed --------------------------===//

#include "lib/Target/Kernels/ElementwiseTail.h"

#include "lib/Target/Kernels/QuantizedBlock.h"
#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lamina;

Value ElementwiseTail::address(Value source, const Point &point) {
  auto type = cast<RankedTensorType>(source.getType());
  bool blocks = isa<lm::Q8Type>(type.getElementType());
  Value bytes =
      b_.mul(point.column, blocks ? sizeof(LaminaQuantizedBlock) / LAMINA_QUANTIZED_BLOCK_ELEMENTS : 4);
  if (type.getRank() == 1) // a vector that all rows share
    return b_.offset(kernel_.pointer(source), bytes);
  Value row = kernel_.rowPointer(source, point.row);
  if (type.getRank() == 3)
    row = b_.offset(row, b_.mul(point.slot, rowBytes(source) / type.getDimSize(1)));
  return b_.offset(row, bytes);
}

void ElementwiseTail::storeBlock(lm::QuantizeOp op, const Point &point, Value low, Value high) {
  emitQuantizedBlock(b_, low, high, address(op, point));
}

void ElementwiseTail::storeBlock(lm::QuantizeOp op, const Point &point) {
  constexpr int64_t kHalf = LAMINA_QUANTIZED_BLOCK_ELEMENTS / 2;
  Value low = at(op.getInput(), {point.row, point.slot, point.column, kHalf});
  Value high = at(op.getInput(), {point.row, point.slot, b_.add(point.column, kHalf), kHalf});
  storeBlock(op, point, low, high);
}

void ElementwiseTail::storePadding(Value source, Value row, Value slot) {
  int64_t begin = width(source), end = paddedWidth(source);
  for (int64_t lanes; begin < end; begin += lanes) {
    lanes = lanesFor(begin);
    b_.store(b_.constant(b_.f32(lanes), 0.0), address(source, {row, slot, b_.i64(begin), lanes}));
  }
}

Value ElementwiseTail::at(Value source, const Point &point) {
  if (Value vector = defined_.lookup(source))
    return vector;
  if (isa<BlockArgument>(source))
    return b_.loadF32(address(source, point), point.lanes);
  return evaluate(source.getDefiningOp(), point);
}

Value ElementwiseTail::combineExperts(lm::CombineExpertsOp op, const Point &point) {
  Value weights = kernel_.rowPointer(op.getWeights(), point.row);
  Value sum = b_.constant(b_.f32(point.lanes), 0.0);
  for (int64_t slot = 0; slot < width(op.getWeights()); ++slot) {
    Value weight = b_.broadcast(b_.loadF32(b_.offset(weights, 4 * slot), 0), point.lanes);
    sum = b_.fma(at(op.getInput(), {point.row, b_.i64(slot), point.column, point.lanes}), weight, sum);
  }
  return sum;
}

Value ElementwiseTail::activate(lm::Activation activation, Value x) {
  switch (activation) {
  case lm::Activation::silu:
    return b_.silu(x);
  case lm::Activation::gelu_tanh:
    return b_.geluTanh(x);
  case lm::Activation::gelu:
    return b_.gelu(x);
  case lm::Activation::sigmoid:
    return b_.sigmoid(x);
  case lm::Activation::relu:
    return b_.select(b_.lessf(x, b_.constant(x.getType(), 0.0)), b_.constant(x.getType(), 0.0), x);
  }
  llvm_unreachable("an activation without code");
}

Value ElementwiseTail::evaluate(Operation *op, const Point &point) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](arith::AddFOp add) { return b_.addf(at(add.getLhs(), point), at(add.getRhs(), point)); })
      .Case([&](lm::BiasAddOp add) { return b_.addf(at(add.getInput(), point), at(add.getBias(), point)); })
      .Case([&](lm::ScaleOp scale) {
        return b_.mulf(at(scale.getInput(), point), splat(scale.getFactor(), point.lanes));
      })
      .Case([&](lm::SoftCapOp cap) {
        Value bound = splat(cap.getCap(), point.lanes);
        return b_.mulf(bound, b_.tanh(b_.divf(at(cap.getInput(), point), bound)));
      })
      .Case([&](lm::GatedActivationOp gated) {
        return b_.mulf(activate(gated.getActivation(), at(gated.getGate(), point)), at(gated.getUp(), point));
      })
      .Case([&](lm::ActivationOp op) { return activate(op.getActivation(), at(op.getInput(), point)); })
      .Case([&](lm::GatherRowsOp gather) {
        Value row = b_.loadIndex(kernel_.pointer(gather.getRows()), point.row);
        return at(gather.getInput(), {row, point.slot, point.column, point.lanes});
      })
      .Case([&](lm::RMSNormOp norm) {
        Value scaled =
            b_.mulf(at(norm.getInput(), point), b_.broadcast(normFactors_.lookup(norm), point.lanes));
        // One weight for each place in a group, which begins at a multiple of its length.
        int64_t length = width(norm.getWeight());
        Value column = length == width(norm.getInput()) ? point.column : b_.rem(point.column, length);
        return b_.mulf(scaled, at(norm.getWeight(), {point.row, point.slot, column, point.lanes}));
      })
      .Case([&](lm::LayerNormOp norm) {
        Value centred = b_.subf(at(norm.getInput(), point), b_.broadcast(means_.lookup(norm), point.lanes));
        Value scaled = b_.mulf(centred, b_.broadcast(normFactors_.lookup(norm), point.lanes));
        Value weight = at(norm.getWeight(), point);
        return norm.getBias() ? b_.fma(scaled, weight, at(norm.getBias(), point)) : b_.mulf(scaled, weight);
      })
      .Case([&](lm::CombineExpertsOp combine) { return combineExperts(combine, point); })
      .Default([](Operation *) { return Value(); });
}
