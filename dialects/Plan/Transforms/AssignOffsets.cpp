//===- AssignOffsets.cpp - gives every buffer its place -------------------------------------------------------===//

#include "dialects/Plan/Transforms/Lifetimes.h"
#include "dialects/Plan/Transforms/Passes.h"
#include "runtime/device/KernelABI.h"

#include "llvm/Support/MathExtras.h"

namespace lamina::plan {
#define GEN_PASS_DEF_PLANASSIGNOFFSETSPASS
#include "dialects/Plan/Transforms/Passes.h.inc"
} // namespace lamina::plan

using namespace mlir;
using namespace lamina;
using namespace lamina::plan;

namespace {

/// Shards are mapped, so a weight begins on a page of its own only where that costs little.
constexpr int64_t kShardAlignment = 4096;

struct PlanAssignOffsetsPass : plan::impl::PlanAssignOffsetsPassBase<PlanAssignOffsetsPass> {
  using Base::Base;

  void runOnOperation() final {
    FailureOr<StepLimits> limits = StepLimits::get(getOperation());
    if (failed(limits))
      return signalPassFailure();
    for (ProgramOp program : getOperation().getOps<ProgramOp>()) {
      placeArena(program, *limits);
      placeWeights(program);
    }
  }

  static void placeArena(ProgramOp program, const StepLimits &limits) {
    ArenaUse use = collectArenaUse(program, limits);
    ArenaLayout layout = layOutArena(use.buffers, LAMINA_BUFFER_ALIGNMENT);
    for (auto [op, offset] : llvm::zip(use.ops, layout.offsets))
      op.setOffset(offset);
    program.setArenaBytes(layout.bytes);
  }

  /// Weights lie in the order of their first use, which is the order in which a step reads them.
  static void placeWeights(ProgramOp program) {
    int64_t end = 0;
    for (BufferOp buffer : program.getBody().front().getOps<BufferOp>()) {
      if (buffer.getKind() != BufferKind::weight)
        continue;
      int64_t bytes = weightBytes(buffer.getResult().getType().getContents());
      end = llvm::alignTo(end, bytes >= 16 * kShardAlignment ? kShardAlignment : LAMINA_BUFFER_ALIGNMENT);
      buffer.setOffset(end);
      end += bytes;
    }
    program.setWeightBytes(llvm::alignTo(end, kShardAlignment));
  }
};

} // namespace
