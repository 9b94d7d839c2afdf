//===- PackedLayout.cpp - where the bits of a packed weight lie ---------------------------------------===//

#include "lib/Target/Kernels/PackedLayout.h"

using namespace lamina;

int64_t lamina::packedNumberBytes(PackedNumber number) {
  switch (number) {
  case PackedNumber::None:
  case PackedNumber::U4High:
    return 0;
  case PackedNumber::F32:
    return 4 * kPackedRows;
  case PackedNumber::F16:
  case PackedNumber::BF16:
    return 2 * kPackedRows;
  case PackedNumber::E8M0Half:
  case PackedNumber::I8:
  case PackedNumber::U4Low:
  case PackedNumber::F8E4M3:
    return kPackedRows;
  }
  return 0;
}

namespace {

/// UE4M3 numbers are exact in f16, which every target converts in one step.
PackedNumber storedScale(ScaleKind kind) {
  switch (kind) {
  case ScaleKind::None:
    return PackedNumber::None;
  case ScaleKind::F16:
  case ScaleKind::UE4M3Half:
    return PackedNumber::F16;
  case ScaleKind::F32:
    return PackedNumber::F32;
  case ScaleKind::E8M0Half:
    return PackedNumber::E8M0Half;
  }
  return PackedNumber::None;
}

PackedLayout plainLayout(const BlockFormat &format) {
  PackedLayout layout;
  layout.format = &format;
  layout.plain = true;
  layout.plainNumber = format.type == TensorType::F16    ? PackedNumber::F16
                       : format.type == TensorType::BF16 ? PackedNumber::BF16
                                                         : PackedNumber::F32;
  layout.blockElements = 1;
  layout.blockBytes = packedNumberBytes(layout.plainNumber);
  return layout;
}

} // namespace

PackedLayout lamina::packedLayout(const BlockFormat &format) {
  if (format.isPlain())
    return plainLayout(format);
  PackedLayout layout;
  layout.format = &format;
  layout.blockElements = format.elements;

  auto place = [&](PackedField &field, PackedNumber number, int64_t elements) {
    field = {number, number == PackedNumber::U4High ? layout.subScale.offset : layout.blockBytes, elements};
    layout.blockBytes += packedNumberBytes(number) * (format.elements / elements);
  };
  place(layout.superScale, storedScale(format.superScaleKind), format.superBlock);
  if (format.hasMins())
    place(layout.superMin, storedScale(format.superMinKind), format.elements);
  // Two 4-bit fields share a byte, as in the file.
  bool pairs = !format.subScale.empty() && !format.subMin.empty() && format.subScaleBits == 4;
  if (!format.subScale.empty())
    place(layout.subScale, pairs ? PackedNumber::U4Low : PackedNumber::I8, format.subBlock);
  if (!format.subMin.empty())
    place(layout.subMin, pairs ? PackedNumber::U4High : PackedNumber::I8, format.subBlock);

  for (unsigned shift = 0, left = format.codeBits; left != 0;) {
    unsigned width = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    layout.planes.push_back({width, shift, {}});
    shift += width;
    left -= width;
  }
  layout.codes = layout.blockBytes;
  for (int64_t k = 0; k < kPackedStep; k += 4)
    for (PackedPlane &plane : layout.planes)
      if (k % (32 / plane.width) == 0) {
        plane.words.push_back(layout.stepBytes);
        layout.stepBytes += 4 * kPackedRows;
      }
  layout.blockBytes += format.elements / kPackedStep * layout.stepBytes;
  return layout;
}
