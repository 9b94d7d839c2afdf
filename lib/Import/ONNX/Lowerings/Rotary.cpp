//===- Rotary.cpp - rotary embeddings --------------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/AttentionCore.h"

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

/// The standard has x, cos, sin, positions; onnxruntime x, positions, cos, sin.
absl::Status rotary(Lowering &low) {
  Scalars &s = low.s;
  OpContext &op = low.op;
  bool standard = op.node().domain.empty();
  size_t positions = standard ? 3 : 1, cos = standard ? 1 : 2, sin = cos + 1;
  const Dims &x = op.dims(0);
  int64_t half = op.dims(cos).back(), heads = op.integer("num_heads", 0),
          rotated = op.integer("rotary_embedding_dim", 0);
  bool interleaved = op.integer("interleaved", 0);
  // The rule has checked that heads divide the width; onnxruntime's may leave them to the tables.
  heads = x.size() == 4 ? x[1] : heads == 0 && rotated == 0 ? x[2] / std::max<int64_t>(2 * half, 1) : heads;
  int64_t size = x.size() == 4 ? x[3] : x[2] / std::max<int64_t>(heads, 1);
  ElementType type = op.type(0), sums = type == ElementType::Double ? type : ElementType::Float;
  HeadsView from{low.in(0), size};
  low.compute(0, [&](Indices index) {
    auto [b, h, row, d] = headIndex(s, index, size);
    Value two = s.index(2), length = s.index(half);
    Value pair =
        interleaved ? Value(arith::DivUIOp::create(s, d, two)) : Value(arith::RemUIOp::create(s, d, length));
    Value second =
        interleaved ? Value(arith::RemUIOp::create(s, d, two)) : Value(arith::DivUIOp::create(s, d, length));
    pair = s.clampIndex(pair, half); // of what is not rotated, which is thrown away
    Value first = interleaved ? s.mul(pair, two) : pair;
    Value other = interleaved ? s.add(first, s.index(1)) : s.add(pair, length);
    SmallVector<Value> entry{b, row, pair};
    if (op.has(positions)) {
      bool offset = !standard && op.in(positions).count() == 1;
      Value at = offset
                     ? low.readBroadcast(low.in(positions),
                                         ArrayRef<Value>{b, row}.take_back(low.in(positions).dims().size()))
                     : low.read(low.in(positions), {b, row});
      Value place = s.toIndex(at, op.type(positions));
      entry = {s.clampIndex(offset ? s.add(place, row) : place, op.dims(cos)[0]), pair};
    }
    auto table = [&](size_t i) { return s.cast(low.read(low.in(i), entry), op.type(i), sums); };
    auto element = [&](Value at) { return s.cast(from.read(low, b, h, row, at), type, sums); };
    Value c = table(cos), sn = table(sin), x1 = element(first), x2 = element(other);
    Value isSecond = s.compare(Compare::Equal, second, s.index(1), ElementType::Int64);
    Value turned = s.select(isSecond, s.add(s.mul(x1, sn), s.mul(x2, c)), s.sub(s.mul(x1, c), s.mul(x2, sn)));
    return s.cast(s.select(s.inRange(d, 2 * half), turned, element(d)), sums, type);
  });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"RotaryEmbedding", rotary},
    {"RotaryEmbedding", rotary, kContrib},
};
} // namespace

std::span<const LoweringRow> rotaryLowerings() { return kRows; }

} // namespace lamina::onnx
