//===- ScalarAttention.h - attention to a range of positions, a thread a position ---------------*- C++ -*-===//
//
// For caches that tensor cores do not take, a row at a time:
//
//   scores  q·k      a thread has a position: one chain over the key's elements
//   values  w·v      a thread has an element of the value: one chain over the positions
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_SCALARATTENTION_H
#define LAMINA_LIB_TARGET_CUDA_SCALARATTENTION_H

#include "lib/Target/CUDA/AttentionRange.h"

namespace lamina {

/// All threads have the maxima and sums of all query heads.
class ScalarAttention : public AttentionRange {
public:
  ScalarAttention(DeviceContext &kernel, lm::OnlineAttentionOp op);

  void open(Value row, Value count, Value head, Value queryHead) override;
  Partial compute(Value range) override;
  void store(const Partial &partial, Value slot) override;
  Partial loadCached(Value slot) override;

private:
  /// Calls `body` for the elements of a value that the thread has, `piece` by piece.
  void forPieces(llvm::function_ref<void(int64_t piece, Value element)> body);
  Values scores(Value position);
  Values chains(Value keys, Value first, int64_t elements);
  Values foldMaxima(Values scores, ValueRange before);
  void addValues(Value block, Values &sums);
  Values addPage(Value block, Value page, Value element, ValueRange sums);

  int64_t pieces_;
  Value queries_, weights_, maxima_; ///< shared: [head][element], [head][position], [warp][head]
  Value position_, first_, sequence_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_SCALARATTENTION_H
