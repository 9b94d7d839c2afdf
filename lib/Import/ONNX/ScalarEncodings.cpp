//===- ScalarEncodings.cpp - elements of at most eight bits ---------------------------------------------===//
//
// A small float lies in memory as its code. What a code means is looked up in a table; the code of a number is found among the
// numbers where the reference encoding changes from one code to the next.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Scalars.h"

#include "lib/Import/ONNX/Minifloat.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <bit>
#include <limits>

using namespace mlir;

namespace lamina::onnx {

namespace {
/// The codes of the numbers from 0 on: code 0 of them up to the first threshold, and so on.
struct Codes {
  std::vector<float> thresholds;
  std::vector<uint8_t> codes;
};

Codes codesOf(llvm::function_ref<uint8_t(float)> encode, bool negative) {
  auto at = [&](uint32_t bits) { return encode(std::bit_cast<float>(bits | (negative ? 0x80000000u : 0))); };
  constexpr uint32_t kInfinity = 0x7F800000;
  Codes found{{0.0f}, {at(0)}};
  for (uint32_t low = 0; at(kInfinity) != found.codes.back();) {
    uint32_t high = kInfinity; // the first number with another code is in (low, high]
    while (high - low > 1) {
      uint32_t middle = low + (high - low) / 2;
      (at(middle) == found.codes.back() ? low : high) = middle;
    }
    low = high;
    found.thresholds.push_back(std::bit_cast<float>(high));
    found.codes.push_back(at(high));
  }
  return found;
}

template <typename T> mlir::Value table(Scalars &s, mlir::Type element, const std::vector<T> &values) {
  auto type = RankedTensorType::get({int64_t(values.size())}, element);
  return arith::ConstantOp::create(s, DenseElementsAttr::get(type, ArrayRef<T>(values)));
}

/// The code of a number that is not negative.
mlir::Value search(Scalars &s, mlir::Value magnitude, const Codes &codes) {
  mlir::Value thresholds = table(s, s.getF32Type(), codes.thresholds),
              results = table(s, s.getI8Type(), codes.codes);
  mlir::Value count = s.index(codes.codes.size()), one = s.index(1), zero = s.index(0);
  auto loop = scf::ForOp::create(s, one, count, one, zero);
  {
    OpBuilder::InsertionGuard guard(s);
    s.setInsertionPointToStart(loop.getBody());
    mlir::Value k = loop.getInductionVar(), threshold = tensor::ExtractOp::create(s, thresholds, k);
    mlir::Value reached = s.compare(Scalars::Compare::LessOrEqual, threshold, magnitude, ElementType::Float);
    scf::YieldOp::create(s, mlir::ValueRange{s.select(reached, k, loop.getRegionIterArgs()[0])});
  }
  return tensor::ExtractOp::create(s, results, loop.getResult(0));
}
} // namespace

mlir::Value Scalars::decode(mlir::Value code, ElementType type) {
  std::vector<float> meanings;
  for (unsigned i = 0; i < 256; ++i)
    meanings.push_back(
        static_cast<float>(decodeMinifloat(type, static_cast<uint8_t>(i & ((1u << elementBits(type)) - 1)))));
  mlir::Value all = table(*this, getF32Type(), meanings);
  return tensor::ExtractOp::create(*this, all, toIndex(code, ElementType::UInt8));
}

mlir::Value Scalars::encode(mlir::Value number, llvm::function_ref<uint8_t(float)> reference) {
  mlir::Value bits = arith::BitcastOp::create(*this, getI32Type(), number);
  mlir::Value negative = compare(Compare::Less, bits, integer(getI32Type(), 0), ElementType::Int32);
  mlir::Value magnitude = abs(number);
  mlir::Value code = select(negative, search(*this, magnitude, codesOf(reference, true)),
                            search(*this, magnitude, codesOf(reference, false)));
  return select(isNaN(number), integer(getI8Type(), reference(std::numeric_limits<float>::quiet_NaN())),
                code);
}

mlir::Value Scalars::encode(mlir::Value number, ElementType type, bool saturate) {
  return encode(number, [=](float value) { return encodeMinifloat(type, value, saturate); });
}

} // namespace lamina::onnx
