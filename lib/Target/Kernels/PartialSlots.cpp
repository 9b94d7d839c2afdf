//===- PartialSlots.cpp - where partial results of attention lie --------------------------------------===//

#include "lib/Target/Kernels/PartialSlots.h"

#include "runtime/device/KernelABI.h"

#include "llvm/Support/MathExtras.h"

using namespace lamina;

int64_t PartialSlots::valueBytes() const { return 4 * llvm::alignTo(valueLength_, LAMINA_ROW_PADDING); }

PartialPlace PartialSlots::place(Value slot, Value head) {
  int64_t bytes = 4 * lm::OnlineAttentionOp::slotWidth(heads_, valueLength_);
  Value begin = b_.offset(base_, b_.mul(slot, bytes));
  Value maxima = b_.offset(b_.offset(begin, heads_ * valueBytes()), b_.mul(head, 4));
  return {b_.offset(begin, b_.mul(head, valueBytes())), maxima, b_.offset(maxima, 4 * heads_), valueBytes()};
}
