//===- KernelOutliner.cpp - loops over memory as kernels --------------------------------------------------===//

#include "lib/Conversion/FunctionToPlan/KernelOutliner.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Whether a value is memory of its own, no view of another's.
bool isMemory(Value value) { return isa<BlockArgument>(value) || value.getDefiningOp<memref::AllocOp>(); }

/// The operations of a block that each kernel can repeat, because they neither compute with elements nor write them.
class Repeatable {
public:
  explicit Repeatable(Block &block) {
    for (Operation &op : block)
      if (op.getNumRegions() == 0 && isMemoryEffectFree(&op) && !op.hasTrait<OpTrait::IsTerminator>() &&
          llvm::all_of(op.getOperands(),
                       [&](Value operand) { return isMemory(operand) || contains(operand.getDefiningOp()); }))
        ops_.insert(&op);
  }
  bool contains(Operation *op) const { return ops_.contains(op); }

private:
  llvm::DenseSet<Operation *> ops_;
};

/// Calls f for each value of the block that an operation reads, in its regions too.
template <typename F> void forEachOutside(Operation *op, F f) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Block *block = operand.getParentBlock();
      if (block == op->getBlock())
        f(operand);
    }
  });
}

/// The memory behind what an operation reads.
void collectMemory(Operation *op, const llvm::SmallDenseSet<Operation *> &inside,
                   llvm::SetVector<Value> &memory) {
  forEachOutside(op, [&](Value value) {
    if (isMemory(value))
      memory.insert(value);
    else if (!inside.contains(value.getDefiningOp()))
      collectMemory(value.getDefiningOp(), inside, memory);
  });
}

/// Clones `op` after the operations that it repeats, each once.
void cloneInto(OpBuilder &b, IRMapping &mapping, Operation *op) {
  forEachOutside(op, [&](Value value) {
    if (!mapping.contains(value))
      cloneInto(b, mapping, value.getDefiningOp());
  });
  b.clone(*op, mapping);
}

} // namespace

SmallVector<KernelWork> lamina::divideIntoKernels(Block &block) {
  Repeatable repeatable(block);
  SmallVector<KernelWork> all;
  Operation *last = nullptr; // the one up to which operations belong to the work at hand
  for (Operation &op : block.without_terminator()) {
    if (isa<memref::AllocOp>(op) || repeatable.contains(&op))
      continue;
    if (!last || last->isBeforeInBlock(&op)) {
      all.emplace_back();
      last = &op;
    }
    all.back().operations.push_back(&op);
    for (Operation *user : op.getUsers())
      if (Operation *there = block.findAncestorOpInBlock(*user); last->isBeforeInBlock(there))
        last = there;
  }
  for (KernelWork &work : all) {
    llvm::SmallDenseSet<Operation *> inside(work.operations.begin(), work.operations.end());
    llvm::SetVector<Value> memory;
    for (Operation *op : work.operations)
      collectMemory(op, inside, memory);
    work.memory = memory.takeVector();
  }
  return all;
}

plan::KernelOp KernelOutliner::get(const KernelWork &work) {
  OpBuilder b(work.operations.front()->getContext());
  auto kernel = plan::KernelOp::create(b, work.operations.front()->getLoc(), "main");
  Block *body = b.createBlock(&kernel.getBody());
  IRMapping mapping;
  for (Value memory : work.memory)
    mapping.map(memory, body->addArgument(memory.getType(), memory.getLoc()));
  for (Operation *op : work.operations)
    cloneInto(b, mapping, op);
  plan::YieldOp::create(b, kernel.getLoc());
  std::string text;
  llvm::raw_string_ostream os(text);
  body->print(os);
  auto [it, isNew] = byBody_.try_emplace(text, kernel);
  if (isNew)
    symbols_.insert(kernel);
  else
    kernel.erase();
  return it->second;
}
