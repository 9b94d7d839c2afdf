//===- PlanWriter.h - programs as the runtime's plan ----------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_PLAN_PLANWRITER_H
#define LAMINA_LIB_TARGET_PLAN_PLANWRITER_H

#include "dialects/Plan/IR/Plan.h"
#include "lib/Target/Kernels/KernelSource.h"
#include "runtime/io/plan.pb.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace lamina {

/// The kernels of one program, each with the extent it is dispatched over, in the order of first use.
class KernelSet {
public:
  explicit KernelSet(plan::ProgramOp program);
  size_t indexOf(plan::DispatchOp dispatch) const;
  llvm::ArrayRef<KernelSource> sources() const { return sources_; }

private:
  std::vector<KernelSource> sources_;
  std::map<std::pair<std::string, plan::RowExtent>, size_t> index_;
};

/// What code is made for on each kind of devices.
struct CodeTargets {
  std::vector<llvm::StringRef> cpu;  ///< of cpuTargets()
  std::vector<llvm::StringRef> cuda; ///< ptx, of cudaArchitectures(), sim

  llvm::ArrayRef<llvm::StringRef> of(plan::ProgramOp program) const;
};

/// Whether a worker is a GPU.
bool runsOnCuda(plan::ProgramOp program);

/// Paths in the artifact.
std::string weightsFileName(plan::ProgramOp program);
std::string codeFileName(plan::ProgramOp program, llvm::StringRef target);

/// Translates a scheduled module. `targets` are those whose code objects the plan names.
mlir::FailureOr<plan::Plan> writePlan(mlir::ModuleOp module, const CodeTargets &targets);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_PLAN_PLANWRITER_H
