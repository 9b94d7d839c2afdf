//===- FragmentBuilder.cpp - moves operations of a block into fragments -------------------------------===//

#include "dialects/MPMD/Transforms/FragmentBuilder.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace {

/// What `ops` read from outside themselves, with the operations to repeat looked through.
SmallVector<Value> collectInputs(ArrayRef<Operation *> ops, const Recomputable &recomputable) {
  llvm::SetVector<Value> inputs;
  llvm::DenseSet<Operation *> inside(ops.begin(), ops.end());
  SmallVector<Operation *> pending(llvm::reverse(ops));
  while (!pending.empty())
    forEachOperand(pending.pop_back_val(), [&](Value operand) {
      Operation *producer = operand.getDefiningOp();
      if (producer && recomputable.contains(producer)) {
        if (inside.insert(producer).second)
          pending.push_back(producer);
      } else if (!producer || !inside.contains(producer)) {
        inputs.insert(operand);
      }
    });
  return inputs.takeVector();
}

/// Results that something other than `ops` uses.
SmallVector<Value> collectOutputs(ArrayRef<Operation *> ops) {
  SmallVector<Value> outputs;
  llvm::DenseSet<Operation *> inside(ops.begin(), ops.end());
  for (Operation *op : ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !inside.contains(op->getBlock()->findAncestorOpInBlock(*user));
          }))
        outputs.push_back(result);
  return outputs;
}

} // namespace

Value FragmentBuilder::lookupOn(Value value, FlatSymbolRefAttr deviceClass) {
  Value placed = lookup(value);
  auto type = dyn_cast<PlacedType>(placed.getType());
  if (!type || type.getDeviceClass() == deviceClass)
    return placed;
  Value &there = transferred_[{placed, deviceClass}];
  if (!there)
    there = TransferOp::create(builder_, placed.getLoc(), placed, deviceClass).getOutputs().front();
  return there;
}

/// Clones `op` after the operations it repeats that are not there yet, each at its first use.
void FragmentBuilder::cloneInto(OpBuilder &body, IRMapping &inner, Operation *op) {
  forEachOperand(op, [&](Value operand) {
    if (!inner.contains(operand))
      cloneInto(body, inner, operand.getDefiningOp());
  });
  body.clone(*op, inner);
}

FragmentOp FragmentBuilder::build(Location loc, FlatSymbolRefAttr deviceClass, StringRef name,
                                  ArrayRef<Operation *> ops) {
  SmallVector<Value> inputs = collectInputs(ops, recomputable_);
  SmallVector<Value> outputs = collectOutputs(ops);
  SmallVector<Value> placedInputs =
      llvm::map_to_vector(inputs, [&](Value input) { return lookupOn(input, deviceClass); });
  SmallVector<Type> outputTypes = llvm::map_to_vector(outputs, [](Value output) { return output.getType(); });
  auto fragment = FragmentOp::create(builder_, loc, deviceClass, name, placedInputs, outputTypes);

  IRMapping inner;
  inner.map(inputs, fragment.getBody().getArguments());
  auto body = OpBuilder::atBlockEnd(&fragment.getBody().front());
  for (Operation *op : ops)
    cloneInto(body, inner, op);
  ReturnOp::create(body, loc,
                   llvm::map_to_vector(outputs, [&](Value output) { return inner.lookup(output); }));
  for (auto [output, placed] : llvm::zip_equal(outputs, fragment.getOutputs()))
    place(output, placed);
  return fragment;
}
