//===- WeightCodes.cpp - integer codes out of a packed matrix -----------------------------------------===//

#include "lib/Target/Kernels/WeightDecoder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

Values WeightDecoder::decodeCodes(Value group, CodeForm form, bool fetchAhead, ValueRange state,
                                  CodeConsumer consume) {
  Value blocks = b_.i64(rowLength_ / blockElements_);
  return loopOverSteps(
      group, b_.i64(0), blocks, fetchAhead, state,
      [&](ValueRange block, ArrayRef<Header> headers, Value index, Value first, Values &current) {
        stepCodes(block[0], headers[0], index, first, form, current, consume);
      });
}

void WeightDecoder::decodeStepCodes(Value group, Value index, CodeForm form, Values &state, CodeConsumer consume) {
  auto [block, inBlock] = blockOf(group, index);
  stepCodes(block, loadHeader(block), inBlock, b_.mul(index, kPackedStep), form, state, consume);
}

void WeightDecoder::stepCodes(Value block, const Header &header, Value index, Value first, CodeForm form,
                              Values &state, CodeConsumer consume) {
  SmallVector<Value> words;
  int64_t elements = std::min<int64_t>(layout_.format->subBlock, kPackedStep);
  for (int64_t k = 0; k < kPackedStep; k += elements) {
    auto quad = [&](int64_t q) { return formOf(fourCodes(block, index, k / 4 + q, words), form); };
    auto scale = [&] { return loadScale(block, header, index, k); };
    Value stored;
    if (form == CodeForm::Signed && storesSignedBytes())
      stored = wordAddress(layout_.planes[0], block, index, k / 4);
    consume({first, k, elements, stored, quad, scale}, state);
  }
}

/// Makes what an element stands for positive: the next power of two above the least.
int64_t WeightDecoder::codeOffset() const {
  const BlockFormat &format = *layout_.format;
  int least = 0;
  for (unsigned code = 0; code < 1u << format.codeBits; ++code)
    least = std::min(least, format.valueOf(uint8_t(code)));
  return least < 0 ? int64_t(llvm::bit_ceil(unsigned(-least))) : 0;
}

int64_t WeightDecoder::largestCode() const {
  const BlockFormat &format = *layout_.format;
  int largest = 0;
  for (unsigned code = 0; code < 1u << format.codeBits; ++code)
    largest = std::max(largest, format.valueOf(uint8_t(code)));
  return largest + codeOffset();
}

Value WeightDecoder::formOf(Value codes, CodeForm form) {
  return form == CodeForm::Signed ? signedCodes(codes) : unsignedCodes(codes);
}

/// Words of signed bytes lie one after another already.
bool WeightDecoder::storesSignedBytes() const { return layout_.format->codeSigned; }

/// Codes in the file's numbering to what they stand for.
Value WeightDecoder::signedCodes(Value codes) {
  const BlockFormat &format = *layout_.format;
  if (!format.values.empty())
    return b_.lookupBytes(codes, format.values);
  if (format.valueOffset == 0)
    return codes;
  Type bytes = b_.vectorOf(b_.getI8Type(), 4 * kPackedRows);
  Value moved = b_.add(b_.bitcast(codes, bytes), b_.constant(bytes, int64_t(format.valueOffset)));
  return b_.bitcast(moved, codes.getType());
}

/// Codes in the file's numbering to what codeOffset() is subtracted from.
Value WeightDecoder::unsignedCodes(Value codes) {
  const BlockFormat &format = *layout_.format;
  if (format.codeSigned)
    return arith::XOrIOp::create(b_, codes, b_.constant(codes.getType(), int64_t(0x80808080)));
  if (format.values.empty())
    return codes;
  SmallVector<int8_t> table;
  for (int8_t value : format.values)
    table.push_back(int8_t(value + codeOffset()));
  return b_.lookupBytes(codes, table);
}

/// Where the `word`-th words of a step lie.
Value WeightDecoder::wordAddress(const PackedPlane &plane, Value block, Value step, int64_t word) {
  return b_.offset(b_.offset(block, layout_.codes + plane.words[word]), b_.mul(step, layout_.stepBytes));
}

/// The codes of elements 4·quad to 4·quad + 3 of a step as the bytes of 16 words. `words` caches the word of
/// each plane that was loaded last.
Value WeightDecoder::fourCodes(Value block, Value step, int64_t quad, SmallVectorImpl<Value> &words) {
  words.resize(layout_.planes.size());
  Value codes;
  for (auto [plane, word] : llvm::zip(layout_.planes, words)) {
    int64_t quadsPerWord = 8 / plane.width;
    if (quad % quadsPerWord == 0)
      word = b_.load(b_.i32(rows_.lanes), place(wordAddress(plane, block, step, quad / quadsPerWord), 4));
    Value bits = word;
    if (plane.width < 8) {
      bits = b_.shiftRight(word, plane.width * (quad % quadsPerWord));
      bits = b_.bitAnd(bits, ((1 << plane.width) - 1) * 0x01010101);
    }
    bits = b_.shiftLeft(bits, plane.shift);
    codes = codes ? arith::OrIOp::create(b_, codes, bits).getResult() : bits;
  }
  return codes;
}
