//===- ScratchMemory.cpp - places of a function's allocations -------------------------------------------------===//

#include "lib/Conversion/FunctionToPlan/ScratchMemory.h"

#include "lib/Support/ArenaAllocator.h"
#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Bytes of a memref of known shape; none if 62 bits cannot hold them.
std::optional<uint64_t> bytesOf(MemRefType type) {
  uint64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8u);
  for (int64_t size : type.getShape()) {
    bool overflow = false;
    bytes = llvm::SaturatingMultiply(bytes, uint64_t(size), &overflow);
    if (overflow || bytes >> 62 != 0)
      return std::nullopt;
  }
  return bytes;
}

/// The number of each operation of the function's block; one inside a loop counts as the loop, in which the memory of one
/// turn is that of the next.
class Clock {
public:
  explicit Clock(Block &block) : block_(block) {
    for (Operation &op : block)
      times_[&op] = times_.size();
  }
  uint64_t of(Operation *op) const { return times_.lookup(block_.findAncestorOpInBlock(*op)); }

private:
  Block &block_;
  llvm::DenseMap<Operation *, uint64_t> times_;
};

ArenaBuffer lifetimeOf(memref::AllocOp alloc, uint64_t bytes, const BufferViewFlowAnalysis &aliases, const Clock &clock) {
  ArenaBuffer buffer{bytes, clock.of(alloc), clock.of(alloc)};
  for (Value alias : aliases.resolve(alloc))
    for (Operation *user : alias.getUsers()) {
      buffer.firstUse = std::min(buffer.firstUse, clock.of(user));
      buffer.lastUse = std::max(buffer.lastUse, clock.of(user));
    }
  return buffer;
}

} // namespace

LogicalResult lamina::placeAllocations(func::FuncOp function) {
  Block &block = function.getBody().front();
  BufferViewFlowAnalysis aliases(function);
  Clock clock(block);
  SmallVector<memref::AllocOp> allocs;
  std::vector<ArenaBuffer> buffers;
  WalkResult walk = function.walk([&](memref::AllocOp alloc) {
    std::optional<uint64_t> bytes = alloc.getType().hasStaticShape() ? bytesOf(alloc.getType()) : std::nullopt;
    if (!bytes || !alloc.getType().getLayout().isIdentity())
      return alloc.emitError() << "expected memory of a size that is known, got: " << alloc.getType(), WalkResult::interrupt();
    allocs.push_back(alloc);
    buffers.push_back(lifetimeOf(alloc, *bytes, aliases, clock));
    return WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  ArenaLayout layout = layOutArena(buffers, LAMINA_BUFFER_ALIGNMENT);
  // Never empty, so that a function of empty tensors has an arena too.
  int64_t bytes = std::max<int64_t>(layout.bytes, LAMINA_BUFFER_ALIGNMENT);
  auto type = MemRefType::get({bytes}, IntegerType::get(function.getContext(), 8));
  if (failed(function.insertArgument(function.getNumArguments(), type, {}, function.getLoc())))
    return failure();
  for (auto [alloc, offset] : llvm::zip(allocs, layout.offsets)) {
    OpBuilder b(alloc);
    Value at = arith::ConstantIndexOp::create(b, alloc.getLoc(), offset);
    Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(), block.getArguments().back(), at, ValueRange());
    alloc.replaceAllUsesWith(view);
    alloc.erase();
  }
  return success();
}
