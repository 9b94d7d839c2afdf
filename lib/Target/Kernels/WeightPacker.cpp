//===- WeightPacker.cpp - from the blocks of a model file to the packed layout ------------------------===//

#include "lib/Target/Kernels/PackedWeight.h"

#include "dialects/LM/IR/LM.h"
#include "lib/Target/Kernels/PackedLayout.h"
#include "lib/Target/Kernels/Parallel.h"
#include "runtime/base/Float16.h"
#include "runtime/base/Status.h"
#include "runtime/device/KernelABI.h"

#include "absl/strings/str_cat.h"
#include "llvm/Support/MathExtras.h"

#include <array>
#include <cstring>

using namespace mlir;
using namespace lamina;

static_assert(kPackedRows == LAMINA_ROW_PADDING, "a group of rows is what pads an activation");

namespace {

/// Bytes packed between two calls of the sink: enough to keep the threads busy, little beside a model.
constexpr int64_t kChunkBytes = int64_t(8) << 20;

/// Null for an element type that names no format.
const BlockFormat *formatOf(RankedTensorType type) {
  auto block = dyn_cast<lm::BlockType>(type.getElementType());
  return findBlockFormat(block ? std::string_view(block.getFormat()) : std::string_view("F32"));
}

/// Where each code of a block lies, so that taking a block apart needs no arithmetic on digits. Only for
/// formats whose codes never straddle bytes; the others go through decodeBlock.
class CodeTable {
public:
  explicit CodeTable(const BlockFormat &format) {
    usable_ = format.layout == CodeLayout::Bits;
    for (unsigned p = 0; p < format.code.numPieces && usable_; ++p)
      for (unsigned e = 0; e < format.elements; ++e) {
        const BitPiece &piece = format.code.pieces[p];
        unsigned address = piece.address(e);
        usable_ &= address % 8 + piece.width <= 8;
        places_.push_back(
            {uint16_t(address / 8), uint8_t(address % 8), uint8_t((1u << piece.width) - 1), piece.shift});
      }
    elements_ = format.elements;
  }

  bool usable() const { return usable_; }

  void extract(const uint8_t *block, uint8_t *codes) const {
    for (size_t i = 0; i < elements_; ++i)
      codes[i] = place(block, places_[i]);
    for (size_t base = elements_; base < places_.size(); base += elements_)
      for (size_t i = 0; i < elements_; ++i)
        codes[i] |= place(block, places_[base + i]);
  }

private:
  struct Place {
    uint16_t byte;
    uint8_t right, mask, left;
  };
  static uint8_t place(const uint8_t *block, const Place &p) {
    return uint8_t(((block[p.byte] >> p.right) & p.mask) << p.left);
  }

  bool usable_;
  size_t elements_;
  std::vector<Place> places_;
};

/// Packs groups of one matrix (or the matrices of all experts, which follow each other).
class MatrixPacker {
public:
  MatrixPacker(const WeightSource &weight, const BlockFormat &format)
      : weight_(weight), format_(format), layout_(packedLayout(format)), table_(format),
        rowLength_(weight.type.getShape().back()), rows_(weight.type.getShape().drop_back().back()),
        matrices_(weight.type.getRank() == 3 ? weight.type.getDimSize(0) : 1),
        groupsPerMatrix_(llvm::divideCeil(rows_, kPackedRows)) {}

  int64_t groups() const { return matrices_ * groupsPerMatrix_; }
  int64_t groupBytes() const { return layout_.groupBytes(rowLength_); }

  /// Writes group `group` to `out`, which holds zeros.
  void pack(int64_t group, uint8_t *out) const {
    int64_t matrix = group / groupsPerMatrix_, firstRow = group % groupsPerMatrix_ * kPackedRows;
    int64_t lanes = std::min(kPackedRows, rows_ - firstRow);
    if (weight_.columnPitch != 0)
      return packColumns(firstRow, lanes, out);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const BlockFormat *source;
      const uint8_t *row = sourceRow(matrix * rows_ + sourceIndex(firstRow + lane), source);
      layout_.plain ? packPlainRow(*source, row, lane, out) : packBlocks(row, lane, out);
    }
  }

private:
  /// The row of the file that becomes row `row`: lm.weight describes the order.
  int64_t sourceIndex(int64_t row) const {
    if (weight_.ropeHeads == 0)
      return row;
    int64_t headRows = rows_ / weight_.ropeHeads, half = weight_.ropeLength / 2, inHead = row % headRows;
    return inHead >= weight_.ropeLength ? row : row - inHead + inHead % half * 2 + inHead / half;
  }

  /// Where a row begins: all of it follows, or its elements lie a pitch apart.
  const uint8_t *sourceRow(int64_t row, const BlockFormat *&format) const {
    int64_t rowsPerPart = matrices_ * rows_ / int64_t(weight_.parts.size());
    const WeightBytes &part = weight_.parts[row / rowsPerPart];
    format = part.format;
    return part.data + row % rowsPerPart * part.format->bytesOf(weight_.columnPitch ? 1 : rowLength_);
  }

  /// Rows of a transposed matrix: what is stored together is taken together.
  void packColumns(int64_t firstRow, int64_t lanes, uint8_t *out) const {
    std::array<const uint8_t *, kPackedRows> rows;
    const BlockFormat *source;
    for (int64_t lane = 0; lane < lanes; ++lane)
      rows[lane] = sourceRow(sourceIndex(firstRow + lane), source);
    int64_t from = source->bytesOf(1), to = layout_.plainNumber == PackedNumber::F32 ? 4 : 2;
    for (int64_t k = 0; k < rowLength_; ++k)
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const uint8_t *element = rows[lane] + k * weight_.columnPitch * from;
        float value;
        if (to == 4)
          dequantizeRow(*source, element, 1, &value);
        std::memcpy(out + (k * kPackedRows + lane) * to,
                    to == 4 ? reinterpret_cast<const uint8_t *>(&value) : element, to);
      }
  }

  void packPlainRow(const BlockFormat &source, const uint8_t *row, int64_t lane, uint8_t *out) const {
    if (layout_.plainNumber != PackedNumber::F32) { // the same two bytes in another place
      for (int64_t k = 0; k < rowLength_; ++k)
        std::memcpy(out + (k * kPackedRows + lane) * 2, row + 2 * k, 2);
      return;
    }
    std::vector<float> values(rowLength_);
    dequantizeRow(source, row, rowLength_, values.data());
    for (int64_t k = 0; k < rowLength_; ++k)
      std::memcpy(out + (k * kPackedRows + lane) * 4, &values[k], 4);
  }

  void packBlocks(const uint8_t *row, int64_t lane, uint8_t *out) const {
    DecodedBlock decoded;
    for (int64_t k = 0; k < rowLength_;
         k += format_.elements, row += format_.bytes, out += layout_.blockBytes) {
      decodeBlockScales(row, decoded);
      putScales(decoded, lane, out);
      for (const PackedPlane &plane : layout_.planes)
        putPlane(plane, decoded.codes.data(), lane, out + layout_.codes);
    }
  }

  void decodeBlockScales(const uint8_t *block, DecodedBlock &decoded) const {
    if (!table_.usable())
      return decodeBlock(format_, block, decoded);
    table_.extract(block, decoded.codes.data());
    for (unsigned u = 0; u < format_.numSuperBlocks(); ++u)
      decoded.superScaleBits[u] = format_.superScale.extract(block, u);
    if (format_.hasMins())
      decoded.superMinBits = format_.superMin.extract(block, 0);
    for (unsigned j = 0; j < format_.numSubBlocks(); ++j) {
      if (!format_.subScale.empty()) {
        uint32_t raw = format_.subScale.extract(block, j);
        decoded.subScales[j] =
            int16_t((format_.subScaleSigned ? int8_t(raw) : int(raw)) * format_.subScaleMultiplier +
                    format_.subScaleOffset);
      }
      if (!format_.subMin.empty())
        decoded.subMins[j] = int16_t(format_.subMin.extract(block, j));
    }
  }

  void putScales(const DecodedBlock &decoded, int64_t lane, uint8_t *block) const {
    for (unsigned u = 0; u < format_.numSuperBlocks(); ++u) {
      uint32_t bits = decoded.superScaleBits[u];
      if (format_.superScaleKind == ScaleKind::UE4M3Half)
        bits = floatToHalf(ue4m3HalfToFloat(uint8_t(bits)));
      put(layout_.superScale, u, lane, bits, block);
    }
    if (format_.hasMins())
      put(layout_.superMin, 0, lane, decoded.superMinBits, block);
    for (unsigned j = 0; j < format_.numSubBlocks(); ++j) {
      put(layout_.subScale, j, lane, uint32_t(decoded.subScales[j]), block);
      put(layout_.subMin, j, lane, uint32_t(decoded.subMins[j]), block);
    }
  }

  static void put(const PackedField &field, unsigned entry, int64_t lane, uint32_t bits, uint8_t *block) {
    uint8_t *base = block + field.offset;
    switch (field.number) {
    case PackedNumber::None:
      return;
    case PackedNumber::F32:
      std::memcpy(base + (entry * kPackedRows + lane) * 4, &bits, 4);
      return;
    case PackedNumber::F16:
    case PackedNumber::BF16:
      std::memcpy(base + (entry * kPackedRows + lane) * 2, &bits, 2);
      return;
    case PackedNumber::E8M0Half:
    case PackedNumber::I8:
      base[entry * kPackedRows + lane] = uint8_t(bits);
      return;
    case PackedNumber::U4Low:
      base[entry * kPackedRows + lane] |= bits & 15;
      return;
    case PackedNumber::U4High:
      base[entry * kPackedRows + lane] |= uint8_t(bits << 4);
      return;
    case PackedNumber::F8E4M3:
      llvm_unreachable("only in caches");
    }
  }

  void putPlane(const PackedPlane &plane, const uint8_t *codes, int64_t lane, uint8_t *out) const {
    int64_t perWord = 32 / plane.width;
    uint32_t mask = ((1u << plane.width) - 1) * 0x01010101u;
    for (int64_t first = 0; first < format_.elements; first += perWord) {
      uint32_t word = 0;
      for (int64_t k = 0; k < perWord; k += 4) { // four codes at once: they lie in the bytes of a word
        uint32_t four;
        std::memcpy(&four, codes + first + k, 4);
        word |= ((four >> plane.shift) & mask) << (plane.width * (k / 4));
      }
      uint8_t *step = out + first / kPackedStep * layout_.stepBytes;
      std::memcpy(step + plane.words[first % kPackedStep / perWord] + 4 * lane, &word, 4);
    }
  }

  const WeightSource &weight_;
  const BlockFormat &format_;
  PackedLayout layout_;
  CodeTable table_;
  int64_t rowLength_, rows_, matrices_, groupsPerMatrix_;
};

/// A vector (norm weights, a bias) is stored as f32, padded with zeros to whole groups.
absl::Status packVector(const WeightSource &weight,
                        llvm::function_ref<absl::Status(std::span<const uint8_t>)> sink) {
  int64_t length = weight.type.getDimSize(0), perPart = length / int64_t(weight.parts.size());
  std::vector<float> values(length), ordered(llvm::alignTo(length, kPackedRows), 0.0f);
  for (auto [i, part] : llvm::enumerate(weight.parts))
    dequantizeRow(*part.format, part.data, perPart, values.data() + i * perPart);
  int64_t head = weight.ropeHeads ? length / weight.ropeHeads : length, half = weight.ropeLength / 2;
  for (int64_t i = 0; i < length; ++i) {
    int64_t in = i % head;
    ordered[i] = values[weight.ropeHeads && in < weight.ropeLength ? i - in + in % half * 2 + in / half : i];
  }
  return sink({reinterpret_cast<const uint8_t *>(ordered.data()), ordered.size() * sizeof(float)});
}

absl::Status checkParts(const WeightSource &weight, const BlockFormat &format) {
  int64_t rowLength = weight.type.getShape().back();
  for (const WeightBytes &part : weight.parts) {
    if (weight.columnPitch != 0 && (!part.format->isPlain() || weight.type.getRank() != 2))
      return absl::InvalidArgumentError(absl::StrCat("cannot transpose ", std::string(part.format->name),
                                                     " data of rank ", weight.type.getRank()));
    if (part.format->type != format.type && format.type != lamina::TensorType::F32)
      return absl::InvalidArgumentError(absl::StrCat("cannot pack ", std::string(part.format->name),
                                                     " data as a weight of ", std::string(format.name)));
    if (rowLength % part.format->elements != 0 && weight.type.getRank() > 1)
      return absl::InvalidArgumentError(
          absl::StrCat("rows of ", rowLength, " elements are no whole blocks of ",
                       std::string(part.format->name), ", which has ", part.format->elements));
  }
  return absl::OkStatus();
}

} // namespace

int64_t lamina::packedSize(RankedTensorType type) {
  if (type.getRank() == 1)
    return int64_t(llvm::alignTo(type.getDimSize(0), kPackedRows)) * 4;
  const BlockFormat *format = formatOf(type);
  if (!format)
    return 0;
  PackedLayout layout = packedLayout(*format);
  int64_t matrices = type.getRank() == 3 ? type.getDimSize(0) : 1;
  return matrices * layout.matrixBytes(type.getShape().drop_back().back(), type.getShape().back());
}

absl::Status lamina::packWeight(const WeightSource &weight, unsigned threads,
                                llvm::function_ref<absl::Status(std::span<const uint8_t>)> sink) {
  const BlockFormat *format = formatOf(weight.type);
  if (!format)
    return absl::InvalidArgumentError("the weight's type names no block format");
  LAMINA_RETURN_IF_ERROR(checkParts(weight, *format));
  if (weight.type.getRank() == 1)
    return packVector(weight, sink);
  MatrixPacker packer(weight, *format);
  int64_t groupsPerChunk = std::max<int64_t>(kChunkBytes / packer.groupBytes(), threads);
  std::vector<uint8_t> chunk;
  for (int64_t first = 0; first < packer.groups(); first += groupsPerChunk) {
    int64_t count = std::min(groupsPerChunk, packer.groups() - first);
    chunk.assign(count * packer.groupBytes(), 0);
    forEachInParallel(count, threads, [&](size_t i) {
      packer.pack(first + int64_t(i), chunk.data() + int64_t(i) * packer.groupBytes());
    });
    LAMINA_RETURN_IF_ERROR(sink(chunk));
  }
  return absl::OkStatus();
}
