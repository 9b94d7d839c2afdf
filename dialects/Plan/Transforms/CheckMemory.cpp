//===- CheckMemory.cpp - refuses a plan that does not fit -----------------------------------------------------===//

#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/Transforms/Lifetimes.h"
#include "dialects/Plan/Transforms/Passes.h"

#include "llvm/Support/FormatVariadic.h"

namespace lamina::plan {
#define GEN_PASS_DEF_PLANCHECKMEMORYPASS
#include "dialects/Plan/Transforms/Passes.h.inc"
} // namespace lamina::plan

using namespace mlir;
using namespace lamina;
using namespace lamina::plan;

namespace {

LogicalResult checkMemory(ProgramOp program, const StepLimits &limits) {
  if (!program.getWeightBytes() || !program.getArenaBytes())
    return program.emitOpError("has no memory sizes; run plan-assign-offsets first");
  mpmd::DeviceClassOp deviceClass = mpmd::lookupDeviceClass(program, program.getDeviceClassAttr());
  int64_t caches = 0;
  for (BufferOp buffer : program.getBody().front().getOps<BufferOp>())
    if (buffer.getKind() == BufferKind::cache)
      caches += limits.kvPages * pageBytes(buffer.getResult().getType().getContents());
  int64_t needed = *program.getWeightBytes() + *program.getArenaBytes() + caches;
  if (!deviceClass || !deviceClass.getMemoryBytes() || needed <= int64_t(*deviceClass.getMemoryBytes()))
    return success();
  auto mib = [](int64_t bytes) { return llvm::formatv("{0:f1} MiB", double(bytes) / (1 << 20)).str(); };
  int64_t available = *deviceClass.getMemoryBytes();
  InFlightDiagnostic diag = deviceClass.emitError()
                            << "device class '" << deviceClass.getSymName() << "' lacks " << mib(needed - available)
                            << ": the plan needs " << mib(needed) << " of " << mib(available)
                            << "; lower --max-context, --kv-tokens or --max-batch-tokens";
  diag.attachNote(program.getLoc()) << "weights " << mib(*program.getWeightBytes()) << ", KV cache " << mib(caches)
                                    << ", activations " << mib(*program.getArenaBytes());
  return diag;
}

struct PlanCheckMemoryPass : plan::impl::PlanCheckMemoryPassBase<PlanCheckMemoryPass> {
  using Base::Base;

  void runOnOperation() final {
    FailureOr<StepLimits> limits = StepLimits::get(getOperation());
    if (failed(limits))
      return signalPassFailure();
    for (ProgramOp program : getOperation().getOps<ProgramOp>())
      if (failed(checkMemory(program, *limits)))
        return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
