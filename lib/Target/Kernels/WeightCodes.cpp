//===- WeightCodes.cpp - integer codes out of a packed matrix -----------------------------------------===//

#include "lib/Target/Kernels/WeightDecoder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

static int64_t quadsPerWord(const PackedPlane &plane) { return 8 / plane.width; }

Values WeightDecoder::decodeCodes(Value group, CodeForm form, bool fetchAhead, ValueRange state,
                                  CodeConsumer consume) {
  Value blocks = b_.i64(rowLength_ / blockElements_);
  return loopOverSteps(
      group, b_.i64(0), blocks, fetchAhead, state,
      [&](ValueRange block, ArrayRef<Header> headers, Value index, Value first, Values &current) {
        stepCodes(block[0], headers[0], index, first, form, current, consume);
      });
}

void WeightDecoder::decodeStepCodes(Value group, Value index, CodeForm form, Values &state,
                                    CodeConsumer consume) {
  auto [block, inBlock] = blockOf(group, index);
  stepCodes(block, loadHeader(block), inBlock, b_.mul(index, kPackedStep), form, state, consume);
}

void WeightDecoder::stepCodes(Value block, const Header &header, Value index, Value first, CodeForm form,
                              Values &state, CodeConsumer consume) {
  SmallVector<LoadedWord> words;
  int64_t elements = scaleElements();
  for (int64_t k = 0; k < kPackedStep; k += elements) {
    auto quad = [&](int64_t q) {
      return formOf(fourCodes(block, index, quadsOf(k, elements, q), words), form);
    };
    auto scale = [&] { return loadScale(block, header, index, k); };
    Value stored;
    if (form == CodeForm::Signed && storesSignedBytes() && !part_.quarter)
      stored = wordAddress(block, index, wordsOf(layout_.planes[0], quadsOf(k, elements, 0)));
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
  assert(format.valueOffset < 0 && format.codeBits < 8);
  if (part_.lanes < kPackedRows) { // a GPU adds words: a bit above each byte keeps it from borrowing
    auto repeated = [&](int64_t byte) { return b_.constant(codes.getType(), byte * 0x01010101); };
    Value above = b_.bitOr(codes, repeated(0x80));
    return arith::XOrIOp::create(b_, b_.sub(above, repeated(-format.valueOffset)), repeated(0x80));
  }
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

/// Which four codes of a step are the `quad`-th ones of those under the scale at element `k`.
WeightDecoder::OfQuarters WeightDecoder::quadsOf(int64_t k, int64_t elements, int64_t quad) const {
  OfQuarters quads;
  for (int64_t quarter = 0; quarter < 4; ++quarter)
    quads[quarter] = k / 4 + quad + (part_.quarter ? quarter * elements / 16 : 0);
  return quads;
}

/// Numbers an equal distance apart need no choice.
Value WeightDecoder::choose(const OfQuarters &numbers) {
  int64_t distance = numbers[1] - numbers[0];
  if (numbers[2] - numbers[1] == distance && numbers[3] - numbers[2] == distance)
    return distance == 0 ? b_.i64(numbers[0]) : b_.add(b_.mul(part_.quarter, distance), numbers[0]);
  Value chosen = b_.i64(numbers[3]);
  for (int64_t quarter : {2, 1, 0})
    chosen = b_.select(b_.equal(part_.quarter, b_.i64(quarter)), b_.i64(numbers[quarter]), chosen);
  return chosen;
}

/// Where the words of quads lie in a step.
WeightDecoder::OfQuarters WeightDecoder::wordsOf(const PackedPlane &plane, const OfQuarters &quads) {
  OfQuarters offsets;
  for (auto [quad, offset] : llvm::zip(quads, offsets))
    offset = plane.words[quad / quadsPerWord(plane)];
  return offsets;
}

Value WeightDecoder::wordAddress(Value block, Value step, const OfQuarters &offsets) {
  Value word = llvm::all_equal(offsets) ? b_.offset(block, layout_.codes + offsets[0])
                                        : b_.offset(b_.offset(block, layout_.codes), choose(offsets));
  return b_.offset(word, b_.mul(step, layout_.stepBytes));
}

/// The codes of elements 4·quad to 4·quad + 3 of a step as the bytes of 16 words.
Value WeightDecoder::fourCodes(Value block, Value step, const OfQuarters &quads,
                               SmallVectorImpl<LoadedWord> &words) {
  words.resize(layout_.planes.size());
  Value codes;
  for (auto [plane, last] : llvm::zip(layout_.planes, words)) {
    OfQuarters offsets = wordsOf(plane, quads);
    if (!last.word || last.offsets != offsets)
      last = {offsets, b_.load(b_.i32(part_.lanes), place(wordAddress(block, step, offsets), 4))};
    Value bits = last.word;
    if (plane.width < 8)
      bits = b_.bitAnd(shiftToQuads(bits, plane, quads), ((1 << plane.width) - 1) * 0x01010101);
    bits = b_.shiftLeft(bits, plane.shift);
    codes = codes ? b_.bitOr(codes, bits) : bits;
  }
  return codes;
}

Value WeightDecoder::shiftToQuads(Value word, const PackedPlane &plane, const OfQuarters &quads) {
  OfQuarters bits;
  for (auto [quad, shift] : llvm::zip(quads, bits))
    shift = plane.width * (quad % quadsPerWord(plane));
  if (llvm::all_equal(bits))
    return b_.shiftRight(word, bits[0]);
  Value amount = arith::TruncIOp::create(b_, b_.getI32Type(), choose(bits));
  return arith::ShRUIOp::create(b_, word, b_.broadcast(amount, lanesOf(word)));
}
