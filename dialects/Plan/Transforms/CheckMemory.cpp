//===- CheckMemory.cpp - refuses a plan that does not fit -----------------------------------------------------===//

#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/Transforms/Passes.h"
#include "dialects/Plan/Transforms/ProgramMemory.h"

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
  if (!deviceClass)
    return program.emitOpError() << "names no class of the topology: " << program.getDeviceClassAttr();
  ProgramMemory memory = memoryOf(program, limits);
  if (!deviceClass.getMemoryBytes() || memory.total() <= *deviceClass.getMemoryBytes())
    return success();
  auto mib = [](uint64_t bytes) { return llvm::formatv("{0:f1} MiB", double(bytes) / (1 << 20)).str(); };
  uint64_t available = *deviceClass.getMemoryBytes();
  InFlightDiagnostic diag = deviceClass.emitError()
                            << "device class '" << deviceClass.getSymName() << "' lacks "
                            << mib(memory.total() - available) << ": the plan needs " << mib(memory.total())
                            << " of " << mib(available)
                            << "; lower --max-context, --kv-tokens or --max-batch-tokens";
  diag.attachNote(program.getLoc()) << "weights " << mib(memory.weights) << ", KV cache " << mib(memory.cache)
                                    << ", activations " << mib(memory.arena) << ", transfers "
                                    << mib(memory.transfers);
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
