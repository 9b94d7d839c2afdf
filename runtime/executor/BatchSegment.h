//===- BatchSegment.h - what the front end and all workers share of a batch -----------------*- C++ -*-===//
//
// One shared segment with the arrays that describe the batch, written by the front end, and the rows of the
// logits, written by the worker that computes them; or with a plan's inputs and outputs.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_BATCHSEGMENT_H
#define LAMINA_RUNTIME_EXECUTOR_BATCHSEGMENT_H

#include "runtime/executor/Engine.h"
#include "runtime/io/plan.pb.h"
#include "runtime/transport/SharedSegment.h"

#include <array>
#include <map>
#include <optional>

namespace lamina {

class BatchSegment {
public:
  /// Sized by the limits and the logits buffer of a checked plan.
  static absl::StatusOr<BatchSegment> create(const plan::Plan &plan);

  std::byte *data() const { return segment_.data(); }
  uint64_t bytes() const { return segment_.bytes(); }
  /// Offset of each field's array in the segment, by plan::BatchField.
  const std::array<uint64_t, plan::BatchField_ARRAYSIZE> &fieldOffsets() const { return fieldOffsets_; }
  uint64_t logitsOffset() const { return logitsOffset_; }
  uint64_t logitsRowBytes() const { return logitsRowBytes_; }

  /// Where a buffer that is an input or output of the plan lies, instead of in its worker's arena.
  std::optional<uint64_t> portOffset(uint32_t worker, uint32_t buffer) const;
  std::span<std::byte> port(const plan::Plan &plan, const plan::Port &port) const;

  BatchView view(const plan::Limits &limits) const;

private:
  SharedSegment segment_;
  std::array<uint64_t, plan::BatchField_ARRAYSIZE> fieldOffsets_{};
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> portOffsets_; // by worker and buffer
  uint64_t logitsOffset_ = 0;
  uint64_t logitsRowBytes_ = 0;
};

/// InvalidArgument if the step or what the batch holds for it is outside the plan's limits.
absl::Status checkBatch(const plan::Plan &plan, const BatchView &batch, const LaminaStep &step);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_BATCHSEGMENT_H
