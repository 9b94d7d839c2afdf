//===- ContribQuantize.cpp - onnxruntime's weights in blocks of few bits --------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

namespace lamina::onnx {

namespace {
/// Element i of a line of `bits`-bit numbers, the first in the lowest bits of the first byte.
int64_t unpack(const Tensor &bytes, int64_t line, int64_t lineBytes, int64_t i, int64_t bits) {
  int64_t code = bytes.integer(line * lineBytes + i * bits / 8);
  return (code >> (i * bits % 8)) & ((1 << bits) - 1);
}

bool dividesByte(int64_t bits) { return bits == 2 || bits == 4 || bits == 8; }

/// y = a bᵀ, b [n, k] in blocks along k, with scales and optional zero points for each, packed or not.
struct Blocks {
  int64_t n = 0, k = 0, bits = 0, size = 0, perRow = 0;
};

absl::StatusOr<Blocks> blocksOf(OpContext &context) {
  Blocks b{.n = context.integer("N", 0),
           .k = context.integer("K", 0),
           .bits = context.integer("bits", 4),
           .size = context.integer("block_size", 0)};
  constexpr int64_t kLargest = int64_t{1} << 32;
  if (b.n < 1 || b.k < 1 || b.n > kLargest || b.k > kLargest || b.size < 16 || b.size > kLargest ||
      (b.size & (b.size - 1)) != 0 || !dividesByte(b.bits))
    return context.error("a matrix of ", b.n, " rows of ", b.k, " numbers of ", b.bits, " bits in blocks of ",
                         b.size, " is not supported");
  b.perRow = (b.k + b.size - 1) / b.size;
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 1, 64));
  if (context.dims(0).back() != b.k)
    return context.error("expected rows of ", b.k, " numbers, got ", context.in(0).describe());
  if (context.in(1).count() != elementCount(Dims{b.n, b.perRow, b.size * b.bits / 8}) ||
      elementBytes(context.type(1)) != 1)
    return context.error("weights ", context.in(1).describe(), " do not hold ", b.n, " rows of ", b.perRow,
                         " blocks");
  if (context.in(2).count() != b.n * b.perRow)
    return context.error("expected a scale for each of ", b.n * b.perRow, " blocks, got ",
                         context.in(2).describe());
  bool packed = context.type(3) == ElementType::UInt8;
  if (context.has(3) && context.in(3).count() != b.n * (packed ? (b.perRow * b.bits + 7) / 8 : b.perRow))
    return context.error("zero points ", context.in(3).describe(), " do not fit ", b.n, " rows of ", b.perRow,
                         " blocks");
  if (context.has(4))
    return context.error("has an order of groups (g_idx), which is not supported");
  if (context.has(5))
    LAMINA_RETURN_IF_ERROR(context.expectDims(5, {b.n}));
  if (context.integer("weight_prepacked", 0))
    return context.error("its weights are packed for one kind of device; export them plain");
  return b;
}

absl::Status matmulNBitsRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Blocks b, blocksOf(context));
  Dims dims = context.dims(0);
  dims.back() = b.n;
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

double weightAt(const OpContext &context, const Blocks &b, int64_t row, int64_t k) {
  int64_t block = row * b.perRow + k / b.size;
  double zero = static_cast<double>(int64_t{1} << (b.bits - 1));
  if (context.has(3))
    zero =
        context.type(3) == ElementType::UInt8
            ? static_cast<double>(unpack(context.in(3), row, (b.perRow * b.bits + 7) / 8, k / b.size, b.bits))
            : context.in(3).real(block);
  double code = static_cast<double>(unpack(context.in(1), block, b.size * b.bits / 8, k % b.size, b.bits));
  return (code - zero) * context.in(2).real(block);
}

absl::Status matmulNBits(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Blocks b, blocksOf(context));
  std::vector<double> a = context.in(0).reals(), sums(context.out(0).count(), 0);
  int64_t rows = static_cast<int64_t>(a.size()) / b.k;
  LAMINA_RETURN_IF_ERROR(context.spend({b.n, b.k, rows + 10}));
  for (int64_t n = 0; n < b.n; ++n)
    for (int64_t k = 0; k < b.k; ++k) {
      double weight = weightAt(context, b, n, k);
      for (int64_t r = 0; r < rows; ++r)
        sums[r * b.n + n] += a[r * b.k + k] * weight;
    }
  for (size_t i = 0; context.has(5) && i < sums.size(); ++i)
    sums[i] += context.in(5).real(static_cast<int64_t>(i) % b.n);
  context.out(0).setReals(sums);
  return absl::OkStatus();
}

/// Gather from a table in blocks along an axis. Tables of bytes hold several numbers in each.
struct Table {
  int64_t gather = 0, quantized = 0, size = 0, bits = 0, perByte = 1;
  Dims dims; // of the numbers
};

absl::StatusOr<Table> tableOf(OpContext &context) {
  const Tensor &data = context.in(0);
  Table t;
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 1, 64));
  LAMINA_ASSIGN_OR_RETURN(t.gather, context.axis("gather_axis", 0, data.rank()));
  LAMINA_ASSIGN_OR_RETURN(t.quantized, context.axis("quantize_axis", 1, data.rank()));
  t.size = context.integer("block_size", 128);
  t.bits = context.integer("bits", 4);
  t.dims = data.dims();
  if (isReal(data.type()) || t.size < 16 || t.size > 1 << 24 || !dividesByte(t.bits))
    return context.error("a table of ", data.describe(), " with ", t.bits, " bits in blocks of ", t.size,
                         " is not supported");
  if (data.type() == ElementType::UInt8) {
    t.perByte = 8 / t.bits;
    if (t.perByte > 1 && t.quantized != data.rank() - 1)
      return context.error("a table of bytes must be quantised along its last axis");
    t.dims.back() *= t.perByte;
  }
  Dims blocks = t.dims;
  blocks[t.quantized] = (blocks[t.quantized] + t.size - 1) / t.size;
  LAMINA_RETURN_IF_ERROR(context.expectDims(2, blocks));
  if (context.has(3)) {
    Dims zeros = blocks;
    zeros.back() = (zeros.back() + t.perByte - 1) / t.perByte;
    LAMINA_RETURN_IF_ERROR(context.expectDims(3, zeros));
  }
  return t;
}

absl::Status gatherBlocksRule(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Table t, tableOf(context));
  Dims dims = t.dims;
  dims.erase(dims.begin() + t.gather);
  dims.insert(dims.begin() + t.gather, context.dims(1).begin(), context.dims(1).end());
  context.result(0, context.type(2), std::move(dims));
  return absl::OkStatus();
}

double entryOf(const OpContext &context, const Table &t, int64_t element) {
  const Dims &scales = context.dims(2);
  Dims own = stridesOf(t.dims), block = stridesOf(scales);
  int64_t at = 0;
  for (size_t axis = 0; axis < own.size(); ++axis) {
    int64_t index = element / own[axis] % t.dims[axis];
    at += (static_cast<int64_t>(axis) == t.quantized ? index / t.size : index) * block[axis];
  }
  auto code = [&](size_t input, int64_t lineLength, int64_t i) {
    if (t.perByte == 1)
      return context.in(input).integer(i);
    return unpack(context.in(input), i / lineLength, (lineLength + t.perByte - 1) / t.perByte, i % lineLength,
                  t.bits);
  };
  int64_t zero = context.type(0) == ElementType::UInt8 ? int64_t{1} << (t.bits - 1) : 0;
  if (context.has(3))
    zero = code(3, scales.back(), at);
  return static_cast<double>(code(0, t.dims.back(), element) - zero) * context.in(2).real(at);
}

/// An index outside of the table gives zeros.
absl::Status gatherBlocks(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Table t, tableOf(context));
  const Tensor &indices = context.in(1);
  LAMINA_RETURN_IF_ERROR(context.spend({context.out(0).count(), 10 * static_cast<int64_t>(t.dims.size())}));
  AxisView from(t.dims, t.gather);
  for (int64_t i = 0; i < context.out(0).count(); ++i) {
    int64_t inner = i % from.inner, which = i / from.inner % indices.count(),
            outer = i / from.inner / indices.count();
    int64_t index = indices.integer(which);
    index += index < 0 ? from.size : 0;
    bool inside = index >= 0 && index < from.size;
    context.out(0).setReal(i, inside ? entryOf(context, t, from.at(outer, index, inner)) : 0);
  }
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "MatMulNBits",
     .required = 3,
     .most = 6,
     .rule = matmulNBitsRule,
     .semantics = matmulNBits,
     .domain = kContrib},
    {.name = "GatherBlockQuantized",
     .required = 3,
     .most = 4,
     .rule = gatherBlocksRule,
     .semantics = gatherBlocks,
     .domain = kContrib},
};
} // namespace

std::span<const OpRow> contribQuantizeRows() { return kRows; }

} // namespace lamina::onnx
