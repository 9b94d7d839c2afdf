//===- KernelVectors.cpp - what kernels do across the lanes of vectors --------------------------------===//

#include "lib/Target/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace lamina;

Value KernelBuilder::broadcast(Value scalar, int64_t lanes) {
  return lanes ? vector::BroadcastOp::create(*this, VectorType::get({lanes}, scalar.getType()), scalar)
                     .getResult()
               : scalar;
}

Value KernelBuilder::extract(Value vector, int64_t lane) {
  return vector::ExtractOp::create(*this, vector, lane);
}

Values KernelBuilder::split(Value vector, int64_t lanes) {
  Values parts;
  for (int64_t begin = 0, end = lanesOf(vector); begin < end; begin += lanes) {
    SmallVector<int64_t> chosen = llvm::to_vector(llvm::seq<int64_t>(begin, begin + lanes));
    parts.push_back(lanes == end ? vector
                                 : vector::ShuffleOp::create(*this, vector, vector, chosen).getResult());
  }
  return parts;
}

Value KernelBuilder::join(ValueRange vectors) {
  Values parts(vectors);
  while (parts.size() > 1) { // join neighbours until one vector is left
    Values joined;
    for (size_t i = 0; i < parts.size(); i += 2) {
      SmallVector<int64_t> lanes = llvm::to_vector(llvm::seq<int64_t>(0, 2 * lanesOf(parts[i])));
      joined.push_back(vector::ShuffleOp::create(*this, parts[i], parts[i + 1], lanes));
    }
    parts = std::move(joined);
  }
  return parts[0];
}

Value KernelBuilder::callIntrinsic(llvm::StringRef name, Type type, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(*this, type, getStringAttr(name), arguments).getResult(0);
}

void KernelBuilder::callIntrinsic(llvm::StringRef name, ValueRange arguments) {
  LLVM::CallIntrinsicOp::create(*this, getStringAttr(name), arguments);
}

Value KernelBuilder::iota(int64_t lanes) {
  SmallVector<int32_t> numbers = llvm::to_vector(llvm::seq<int32_t>(0, lanes));
  return arith::ConstantOp::create(*this,
                                   DenseElementsAttr::get(cast<VectorType>(i32(lanes)), ArrayRef(numbers)));
}

Value KernelBuilder::foldLanes(Value vector, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t lanes = lanesOf(vector); lanes > 1; lanes /= 2) {
    SmallVector<int64_t> low = llvm::to_vector(llvm::seq<int64_t>(0, lanes / 2));
    SmallVector<int64_t> high = llvm::to_vector(llvm::seq<int64_t>(lanes / 2, lanes));
    vector = combine(vector::ShuffleOp::create(*this, vector, vector, low),
                     vector::ShuffleOp::create(*this, vector, vector, high));
  }
  return extract(vector, 0);
}

Value KernelBuilder::sumLanes(Value vector) {
  bool integers = getElementTypeOrSelf(vector).isInteger();
  return foldLanes(vector, [&](Value a, Value b) { return integers ? add(a, b) : addf(a, b); });
}

Value KernelBuilder::maxLanes(Value vector) {
  bool integers = getElementTypeOrSelf(vector).isInteger();
  return foldLanes(vector, [&](Value a, Value b) { return integers ? max(a, b) : maxf(a, b); });
}

/// Each step joins what is left of two vectors, or of one with itself, half a group of lanes from each group.
Value KernelBuilder::maxOfEach(ArrayRef<Value> vectors) {
  Values left(vectors);
  for (int64_t group = lanesOf(left[0]); group > 1; group /= 2) {
    bool pairs = left.size() > 1;
    int64_t lanes = lanesOf(left[0]) * (pairs ? 2 : 1);
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < lanes; ++lane)
      (lane % group < group / 2 ? low : high).push_back(lane);
    Values joined;
    for (size_t i = 0; i < left.size(); i += pairs ? 2 : 1) {
      Value a = left[i], b = pairs ? left[i + 1] : a;
      joined.push_back(
          maxf(vector::ShuffleOp::create(*this, a, b, low), vector::ShuffleOp::create(*this, a, b, high)));
    }
    left = std::move(joined);
  }
  return left[0];
}

/// Eight entries of the table in each of two 64-bit numbers, of which an index chooses one and shifts it.
Value KernelBuilder::lookupByShifts(Value indices, ArrayRef<int8_t> table) {
  int64_t lanes = lanesOf(indices);
  Type wide = vectorOf(getI64Type(), lanes);
  auto half = [&](size_t begin) {
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; ++i)
      bits |= uint64_t(uint8_t(table[(begin + i) % table.size()])) << 8 * i;
    return constant(wide, int64_t(bits));
  };
  Value low = half(0), high = half(8), result;
  for (int64_t byte = 0; byte < 4; ++byte) {
    Value index = bitAnd(shiftRight(indices, 8 * byte), 15);
    Value entries = select(less(index, constant(index.getType(), int64_t(8))), low, high);
    Value shift = arith::ExtUIOp::create(*this, wide, shiftLeft(bitAnd(index, 7), 3));
    Value entry = bitAnd(arith::ShRUIOp::create(*this, entries, shift), 0xFF);
    entry = shiftLeft(arith::TruncIOp::create(*this, indices.getType(), entry), 8 * byte);
    result = result ? bitOr(result, entry) : entry;
  }
  return result;
}

Value KernelBuilder::lookupBytes(Value indices, ArrayRef<int8_t> table) {
  if (target_.lookup.intrinsic.empty())
    return lookupByShifts(indices, table);
  int64_t bytes = 4 * lanesOf(indices), part = std::min<int64_t>(bytes, target_.lookup.bytes);
  auto partType = VectorType::get({part}, getI8Type());
  SmallVector<int8_t> repeated;
  while (int64_t(repeated.size()) < part)
    repeated.push_back(table[repeated.size() % 16 % table.size()]);
  Value entries = arith::ConstantOp::create(*this, DenseElementsAttr::get(partType, ArrayRef(repeated)));
  Values parts = split(bitcast(indices, VectorType::get({bytes}, getI8Type())), part);
  for (Value &bytesOfPart : parts)
    bytesOfPart = callIntrinsic(target_.lookup.intrinsic, partType, {entries, bytesOfPart});
  return bitcast(join(parts), indices.getType());
}
