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

#include <vector>

namespace lamina {

class WorkerProgram {
public:
  enum class OpKind : uint8_t { Dispatch, Send, Recv, Wait, Collective };

  struct Op {
    OpKind kind;
    plan::Extent extent;   ///< of the transfer
    uint32_t transfer;     ///< index in the plan
    uint32_t firstVariant; ///< of the dispatched kernel
    uint32_t firstBinding;
    uint32_t bindingCount;
  };

  /// Loads worker `index` of a checked plan onto `device`. The device and the segment must outlive the
  /// program.
  static absl::StatusOr<WorkerProgram> load(const plan::Plan &plan, int index, const std::string &artifactDir,
                                            const BatchSegment &batch, Device &device);

  /// Binds the worker's transfers to its buffers.
  absl::Status bindTransfers(const plan::Plan &plan, Transport &transport) const;

  const std::vector<Op> &ops() const { return ops_; }
  /// Launches the kernel of a dispatch in the form and with the workgroups for a step of these sizes.
  absl::Status launch(const Op &op, const LaminaStep &sizes, Device &device) const;
  /// At the end of a step on a device with a queue: brings its logits to the front end, if it wants them and they are not
  /// written there.
  absl::Status copyLogits(const LaminaStep &step, DeviceQueue &queue) const;

  int64_t maxTokens() const { return maxTokens_; }
  int64_t maxOutputRows() const { return maxOutputRows_; }
  /// Numbers of tokens up to which a kernel takes one form and above which another.
  std::vector<int64_t> variantBounds() const;

private:
  struct Variant {
    KernelHandle kernel;
    int64_t maxTokens; ///< INT64_MAX = any; the last variant of a kernel admits every step
    int64_t workgroupsPerRow;
    plan::Extent extent;
  };

  /// Logits that stay on the device.
  struct Logits {
    std::byte *device;
    std::byte *host;
    uint64_t rowBytes;
  };

  WorkerProgram(const plan::Plan &plan, int index)
      : index_(index), maxTokens_(plan.limits().max_batch_tokens()),
        maxOutputRows_(plan.limits().max_output_rows()) {}
  absl::Status allocateBuffers(const plan::Plan &plan, const std::string &artifactDir,
                               const BatchSegment &batch, Device &device);
  absl::Status loadKernels(const plan::Worker &worker, const std::string &artifactDir, Device &device);
  void translate(const plan::Plan &plan);

  int index_;
  int64_t maxTokens_;
  int64_t maxOutputRows_;
  std::vector<std::byte *> buffers_;    // by plan buffer
  Logits logits_{};                     // of no bytes where they are written for the front end
  std::vector<uint32_t> firstVariants_; // by plan kernel
  std::vector<Variant> variants_;
  std::vector<void *> bindings_;
  std::vector<Op> ops_;
};

/// Rows of a leading dimension in a step.
int64_t rowsOf(plan::Extent extent, const LaminaStep &step);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_WORKERPROGRAM_H
