//===- EmbeddingKernel.cpp - rows of a packed table ---------------------------------------------------===//
//
// The table may be shared with the product that makes the logits, so it is packed like any matrix: a token's
// row is one lane of its group. The group is decoded a piece at a time and the lane picked out.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/Kernels/ElementwiseTail.h"
#include "lib/Target/Kernels/WeightDecoder.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace lamina;

namespace {

class EmbeddingKernel {
public:
  explicit EmbeddingKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), tail_(kernel), op_(kernel.ops<lm::EmbeddingOp>().front()),
        decoder_(b_, op_.getTable()), panel_(b_.scratch(decoder_.blockElements() * 4 * kPackedRows)) {}

  void emit() {
    b_.loop(kernel_.begin, kernel_.end, 1, [&](Value row) {
      Value id = b_.loadIndex(kernel_.pointer(op_.getIds()), row);
      Value group =
          b_.offset(kernel_.pointer(op_.getTable()), b_.mul(b_.div(id, kPackedRows), decoder_.groupBytes()));
      Value lane = b_.offset(panel_, b_.mul(b_.rem(id, kPackedRows), 4));
      int64_t elements = decoder_.blockElements();
      b_.loop(decoder_.rowLength() / elements, 1, [&](Value block) {
        Value first = b_.mul(block, elements);
        decoder_.decode(group, block, b_.add(block, 1), /*fetchAhead=*/false, {},
                        [&](Value at, int64_t k, ValueRange w, Values &) {
                          Value place = b_.mul(b_.sub(at, first), 4 * kPackedRows);
                          b_.store(w[0], b_.offset(b_.offset(panel_, place), k * 4 * kPackedRows));
                        });
        storeElements(row, first, lane);
      });
      for (Value result : kernel_.results())
        tail_.storePadding(result, row, {});
    });
  }

private:
  void storeElements(Value row, Value first, Value lane) {
    int64_t lanes = lanesFor(decoder_.blockElements());
    b_.loop(decoder_.blockElements(), lanes, [&](Value i) {
      Value from = b_.offset(lane, b_.mul(i, 4 * kPackedRows));
      SmallVector<Value> elements;
      for (int64_t k = 0; k < lanes; ++k)
        elements.push_back(b_.loadF32(b_.offset(from, k * 4 * kPackedRows), 0));
      tail_.define(op_, vector::FromElementsOp::create(b_, cast<VectorType>(b_.f32(lanes)), elements));
      for (Value result : kernel_.results())
        tail_.storeResult(result, {row, {}, b_.add(first, i), lanes});
    });
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  ElementwiseTail tail_;
  lm::EmbeddingOp op_;
  WeightDecoder decoder_;
  Value panel_;
};

} // namespace

void lamina::emitEmbedding(KernelContext &kernel) { EmbeddingKernel(kernel).emit(); }
