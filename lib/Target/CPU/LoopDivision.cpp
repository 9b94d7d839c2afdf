//===- LoopDivision.cpp - a kernel's outer loop as workgroups ---------------------------------------------===//

#include "lib/Target/CPU/LoopDivision.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace lamina;

/// Indices of the innermost dimension that a workgroup has, where each is little work.
static constexpr int64_t kBlock = 1024;

/// Whether the loop's indices go from 0 to sizes that are known, one by one.
static bool hasKnownSizes(scf::ParallelOp loop) {
  return llvm::all_of(loop.getLowerBound(), [](Value v) { return isConstantIntValue(v, 0); }) &&
         llvm::all_of(loop.getStep(), [](Value v) { return isConstantIntValue(v, 1); }) &&
         llvm::all_of(loop.getUpperBound(), [](Value v) { return getConstantIntValue(v).has_value(); });
}

LoopDivision::LoopDivision(Block &body) {
  scf::ParallelOp loop;
  for (Operation &op : body.without_terminator()) {
    if (isMemoryEffectFree(&op))
      continue;
    auto parallel = dyn_cast<scf::ParallelOp>(op);
    if (!parallel || loop || parallel.getNumReductions() != 0 || !hasKnownSizes(parallel))
      return;
    loop = parallel;
  }
  if (!loop)
    return;
  loop_ = loop;
  for (Value size : loop_.getUpperBound())
    sizes_.push_back(*getConstantIntValue(size));
  bool isSmall = llvm::none_of(
      *loop_.getBody(), [](Operation &op) { return op.getNumRegions() != 0 && !isa<scf::ReduceOp>(op); });
  block_ = isSmall ? kBlock : 1;
}

int64_t LoopDivision::workgroups() const {
  if (!loop_)
    return 1;
  int64_t outer = std::accumulate(sizes_.begin(), sizes_.end() - 1, int64_t{1}, std::multiplies<>());
  return outer * llvm::divideCeil(sizes_.back(), block_);
}

LogicalResult LoopDivision::apply(func::FuncOp body) {
  Block &block = body.getBody().front();
  LoopDivision division(block);
  MLIRContext *context = body.getContext();
  SmallVector<mlir::Type> types(body.getArgumentTypes());
  types.append(2, IndexType::get(context));
  Value begin = block.addArgument(types.back(), body.getLoc()),
        end = block.addArgument(types.back(), body.getLoc());
  body.setType(FunctionType::get(context, types, {}));
  // Memory of one turn is that of the next; on the stack it would grow with each.
  WalkResult moved = body.walk([&](memref::AllocaOp scratch) {
    if (scratch->getNumOperands() != 0) {
      scratch.emitError() << "expected memory on the stack of a size that is known, got: "
                          << scratch.getType();
      return WalkResult::interrupt();
    }
    scratch->moveBefore(&block, block.begin());
    return WalkResult::advance();
  });
  scf::ParallelOp loop = division.loop_;
  if (moved.wasInterrupted() || !loop)
    return failure(moved.wasInterrupted());
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto index = [&](int64_t value) { return arith::ConstantIndexOp::create(b, value); };
  Value one = index(1);
  auto workgroups = scf::ForOp::create(b, begin, end, one);
  b.setInsertionPointToStart(workgroups.getBody());
  IRMapping mapping;
  Value rest = workgroups.getInductionVar();
  for (size_t axis = division.sizes_.size(); axis-- > 0;) {
    bool innermost = axis + 1 == division.sizes_.size();
    Value count =
        index(innermost ? llvm::divideCeil(division.sizes_[axis], division.block_) : division.sizes_[axis]);
    Value at = axis == 0 ? rest : Value(arith::RemUIOp::create(b, rest, count));
    rest = axis == 0 ? rest : Value(arith::DivUIOp::create(b, rest, count));
    mapping.map(loop.getInductionVars()[axis], at);
  }
  if (division.block_ > 1) {
    Value innermost = loop.getInductionVars().back();
    Value first = arith::MulIOp::create(b, mapping.lookup(innermost), index(division.block_));
    Value limit = arith::MinUIOp::create(b, arith::AddIOp::create(b, first, index(division.block_)),
                                         index(division.sizes_.back()));
    auto inner = scf::ForOp::create(b, first, limit, one);
    b.setInsertionPointToStart(inner.getBody());
    mapping.map(innermost, inner.getInductionVar());
  }
  for (Operation &op : loop.getBody()->without_terminator())
    b.clone(op, mapping);
  loop.erase();
  return success();
}
