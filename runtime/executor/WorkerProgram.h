//===- WorkerProgram.h - one worker of a plan, ready to run ---------------------------------*- C++ -*-===//
//
// A plan's worker with every name and index resolved: memory is allocated and mapped, kernels are addresses,
// bindings are arrays of pointers, and the program is a flat array that the interpreter walks.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_WORKERPROGRAM_H
#define LAMINA_RUNTIME_EXECUTOR_WORKERPROGRAM_H

#include "runtime/device/Device.h"
#include "runtime/executor/BatchSegment.h"
#include "runtime/io/plan.pb.h"
#include "runtime/transport/Transport.h"

#include <span>
#include <vector>

namespace lamina {

class WorkerProgram {
public:
  enum class OpKind : uint8_t { Dispatch, Send, Recv, Wait, Collective };

  struct Op {
    OpKind kind;
    plan::Extent extent;   ///< of the transfer
    uint32_t transfer;     ///< index in the plan
    uint32_t firstVariant; ///< of the dispatched kernel, in variants()
    uint32_t firstBinding; ///< in bindings()
    uint32_t bindingCount;
  };

  struct Variant {
    KernelHandle kernel;
    int64_t maxTokens; ///< INT64_MAX = any; the last variant of a kernel admits every step
    int64_t workgroupsPerRow;
    plan::Extent extent;
  };

  /// Loads worker `index` of a checked plan onto `device`. The device and the segment must outlive the
  /// program.
  static absl::StatusOr<WorkerProgram> load(const plan::Plan &plan, int index, const std::string &artifactDir,
                                            const BatchSegment &batch, Device &device);

  /// Binds the worker's transfers to its buffers.
  absl::Status bindTransfers(const plan::Plan &plan, Transport &transport) const;

  const std::vector<Op> &ops() const { return ops_; }
  const Variant *variants() const { return variants_.data(); }
  std::span<void *const> bindings(const Op &op) const {
    return {bindings_.data() + op.firstBinding, op.bindingCount};
  }

private:
  explicit WorkerProgram(int index) : index_(index) {}
  absl::Status allocateBuffers(const plan::Plan &plan, const std::string &artifactDir,
                               const BatchSegment &batch, Device &device);
  absl::Status loadKernels(const plan::Worker &worker, const std::string &artifactDir, Device &device);
  void translate(const plan::Plan &plan);

  int index_;
  std::vector<std::byte *> buffers_;    // by plan buffer
  std::vector<uint32_t> firstVariants_; // by plan kernel
  std::vector<Variant> variants_;
  std::vector<void *> bindings_;
  std::vector<Op> ops_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_WORKERPROGRAM_H
