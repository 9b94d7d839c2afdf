//===- AttentionPartial.cpp - partial results of attention and how they merge -------------------------===//
//
// With the greatest scores M and m, sums S and s, weighted sums O and o of two stretches of positions:
//   greatest = max(M, m), a = 2^(M - greatest), b = 2^(m - greatest): S = S·a + s·b, O = O·a + o·b.
// No position at all is the least finite score with sums of 0: then a or b is 0 exactly, the other 1.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/AttentionPartial.h"

#include <limits>

using namespace mlir;
using namespace lamina;

void lamina::emitEmptyPartial(KernelBuilder &b, const PartialPlace &place, int64_t heads,
                              int64_t valueLength) {
  int64_t lanes = lanesFor(valueLength);
  b.loop(heads, 1, [&](Value head) {
    b.loop(valueLength, lanes, [&](Value element) {
      Value values = b.offset(place.values, b.mul(head, place.stride));
      b.store(b.constant(b.f32(lanes), 0.0), b.offset(values, b.mul(element, 4)));
    });
    b.store(b.constant(b.f32(0), -double(std::numeric_limits<float>::max())),
            b.offset(place.maxima, b.mul(head, 4)));
    b.store(b.constant(b.f32(0), 0.0), b.offset(place.sums, b.mul(head, 4)));
  });
}

void lamina::emitCopyPartial(KernelBuilder &b, const PartialPlace &to, const PartialPlace &from,
                             int64_t heads, int64_t valueLength) {
  int64_t lanes = lanesFor(valueLength);
  b.loop(heads, 1, [&](Value head) {
    Value source = b.offset(from.values, b.mul(head, from.stride)),
          target = b.offset(to.values, b.mul(head, to.stride)), place = b.mul(head, 4);
    b.loop(valueLength, lanes, [&](Value element) {
      Value offset = b.mul(element, 4);
      b.store(b.loadF32(b.offset(source, offset), lanes), b.offset(target, offset));
    });
    b.store(b.loadF32(b.offset(from.maxima, place), 0), b.offset(to.maxima, place));
    b.store(b.loadF32(b.offset(from.sums, place), 0), b.offset(to.sums, place));
  });
}

void lamina::emitMergePartial(KernelBuilder &b, const PartialPlace &into, const PartialPlace &from,
                              int64_t heads, int64_t valueLength, Value factors) {
  int64_t headLanes = lanesFor(heads), lanes = lanesFor(valueLength);
  Value fromFactors = b.offset(factors, 4 * heads);
  b.loop(heads, headLanes, [&](Value head) {
    Value place = b.mul(head, 4);
    auto load = [&](Value memory) { return b.loadF32(b.offset(memory, place), headLanes); };
    Value before = load(into.maxima), after = load(from.maxima);
    Value greatest = b.maxf(after, before);
    Value a = b.exp2(b.subf(before, greatest)), c = b.exp2(b.subf(after, greatest));
    b.store(b.fma(load(from.sums), c, b.mulf(load(into.sums), a)), b.offset(into.sums, place));
    b.store(greatest, b.offset(into.maxima, place));
    b.store(a, b.offset(factors, place));
    b.store(c, b.offset(fromFactors, place));
  });
  b.loop(heads, 1, [&](Value head) {
    auto factor = [&](Value memory) {
      return b.broadcast(b.loadF32(b.offset(memory, b.mul(head, 4)), 0), lanes);
    };
    Value a = factor(factors), c = factor(fromFactors);
    Value sums = b.offset(into.values, b.mul(head, into.stride)),
          added = b.offset(from.values, b.mul(head, from.stride));
    b.loop(valueLength, lanes, [&](Value element) {
      Value offset = b.mul(element, 4);
      Value sum = b.mulf(b.loadF32(b.offset(sums, offset), lanes), a);
      b.store(b.fma(b.loadF32(b.offset(added, offset), lanes), c, sum), b.offset(sums, offset));
    });
  });
}
