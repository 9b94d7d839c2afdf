//===- BatchSegment.h - what the front end and all workers share of a batch -----------------*- C++ -*-===//
//
// One shared segment with the arrays that describe the batch, written by the front end, and the rows of logits and
// candidates, written by the worker that computes them; or with a plan's inputs and outputs.
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
  /// Sized by the limits of a checked plan and what the front end reads.
  static absl::StatusOr<BatchSegment> create(const plan::Plan &plan);

  std::byte *data() const { return segment_.data(); }
  uint64_t bytes() const { return segment_.bytes(); }
  /// Offset of each field's array in the segment, by plan::BatchField.
  const std::array<uint64_t, plan::BatchField_ARRAYSIZE> &fieldOffsets() const { return fieldOffsets_; }
  /// Rows that the front end reads; of 0 bytes where the plan has none.
  struct Rows {
    uint64_t offset = 0;
    uint64_t rowBytes = 0;
  };
  const Rows &logits() const { return logits_; }
  const Rows &candidateLogits() const { return candidateLogits_; }
  const Rows &candidateIds() const { return candidateIds_; }

  /// Where a buffer lies that the front end fills or reads, instead of in its worker's arena.
  std::optional<uint64_t> hostOffset(uint32_t worker, uint32_t buffer) const;
  std::span<std::byte> port(const plan::Plan &plan, const plan::Port &port) const;

  BatchView view(const plan::Limits &limits) const;

private:
  Rows *rowsOf(const std::string &buffer); // null for those that the front end does not read

  SharedSegment segment_;
  std::array<uint64_t, plan::BatchField_ARRAYSIZE> fieldOffsets_{};
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> hostOffsets_; // by worker and buffer
  Rows logits_, candidateLogits_, candidateIds_;
};

/// InvalidArgument if the step or what the batch holds for it is outside the plan's limits.
absl::Status checkBatch(const plan::Plan &plan, const BatchView &batch, const LaminaStep &step);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_BATCHSEGMENT_H
