//===- PackedWeightTest.cpp - the packed layout and the packer ----------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "lib/Target/Kernels/PackedLayout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::test;

namespace {

/// Formats whose codes are numbers stay within a twentieth of the file's size; codebook formats, whose codes
/// are looked up at packing, grow to at most four bits and their scales.
TEST(PackedWeightTest, StaysNearTheSizeOfTheFile) {
  for (const BlockFormat &format : allBlockFormats()) {
    if (format.isPlain())
      continue;
    PackedLayout layout = packedLayout(format);
    double perFileByte = double(layout.blockBytes) / double(kPackedRows * format.bytes);
    if (format.layout == CodeLayout::Bits)
      EXPECT_LT(perFileByte, format.type == TensorType::NVFP4 ? 1.12 : 1.05) << format.name;
    EXPECT_LE(layout.blockBytes * 8.0 / double(kPackedRows * format.elements), format.codeBits + 1.2)
        << format.name;
  }
}

/// Code k of a row lies in byte k mod 4 of its lane's word.
TEST(PackedWeightTest, PutsFourCodesIntoTheBytesOfAWord) {
  const BlockFormat &format = *findBlockFormat("Q8_0");
  std::vector<uint8_t> bytes(format.bytesOf(2 * 32), 0);
  bytes[0] = 0x34, bytes[1] = 0x12; // the scale of row 0
  for (uint8_t k = 0; k < 32; ++k)
    bytes[2 + k] = k;
  bytes[34 + 2 + 5] = 77; // row 1, element 5
  std::vector<uint8_t> packed = pack("tensor<2x32x!lm.block<q8_0>>", format, bytes.data());
  ASSERT_EQ(packed.size(), 16u * 34);
  EXPECT_EQ(packed[0], 0x34);
  EXPECT_EQ(packed[1], 0x12);
  const uint8_t *codes = packed.data() + 32;
  for (uint8_t k = 0; k < 32; ++k)
    EXPECT_EQ(codes[k / 4 * 64 + k % 4], k);
  EXPECT_EQ(codes[5 / 4 * 64 + 4 + 1], 77);
}

/// A kernel reads a step from its first word to its last.
TEST(PackedWeightTest, OrdersWordsByTheirFirstElements) {
  PackedLayout layout = packedLayout(*findBlockFormat("Q6_K"));
  ASSERT_EQ(layout.planes.size(), 2u);
  EXPECT_THAT(layout.planes[0].words, testing::ElementsAre(0, 128, 192, 320)); // 4 bits, 8 elements each
  EXPECT_THAT(layout.planes[1].words, testing::ElementsAre(64, 256));          // 2 bits, 16 elements each
}

/// Row 2i + s of a head becomes row s·L/2 + i; rows from L on stay.
TEST(PackedWeightTest, PutsRotaryPairsIntoHalves) {
  const BlockFormat &format = *findBlockFormat("F32");
  std::vector<float> rows(12), vector(12);
  for (int i = 0; i < 12; ++i)
    rows[i] = vector[i] = float(i);
  auto bytes = reinterpret_cast<const uint8_t *>(rows.data());
  for (const char *type : {"tensor<12x1x!lm.block<f32>>", "tensor<12xf32>"}) {
    std::vector<uint8_t> packed = pack(type, format, bytes, /*ropeHeads=*/2, /*ropeLength=*/4);
    std::vector<float> order(12);
    std::memcpy(order.data(), packed.data(), 48);
    EXPECT_THAT(order, testing::ElementsAre(0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11)) << type;
  }
}

/// 18 of the 20 columns of a matrix in the file become rows.
TEST(PackedWeightTest, TransposesPlainMatrices) {
  for (const char *name : {"F32", "F16"}) {
    const BlockFormat &format = *findBlockFormat(name);
    Random random(2);
    Matrix file = randomMatrix(random, format, 5, 20);
    std::vector<uint8_t> rows(format.bytesOf(18 * 5));
    int64_t size = format.bytesOf(1);
    for (int64_t n = 0; n < 18; ++n)
      for (int64_t k = 0; k < 5; ++k)
        std::memcpy(&rows[(n * 5 + k) * size], &file.bytes[(k * 20 + n + 2) * size], size);
    const std::string type = "tensor<18x5x!lm.block<" + lowerName(format) + ">>";
    EXPECT_EQ(packTransposed(type, format, &file.bytes[2 * size], /*columnPitch=*/20),
              pack(type, format, rows.data()))
        << name;
  }
}

TEST(PackedWeightTest, ThreadsAndStackedPartsChangeNothing) {
  Random random(1);
  const BlockFormat &format = *findBlockFormat("Q4_K");
  Matrix matrix = randomMatrix(random, format, 4 * 24, 512);
  const std::string type = "tensor<4x24x512x!lm.block<q4_k>>";
  std::vector<uint8_t> whole = pack(type, format, matrix.bytes.data(), 0, 0, 1);
  EXPECT_EQ(pack(type, format, matrix.bytes.data(), 0, 0, 5), whole);
  EXPECT_EQ(packParts(type, format, matrix.bytes, 4), whole);
}

TEST(PackedWeightTest, OneErrorOfTheSinkEndsTheWork) {
  std::vector<uint8_t> bytes(1 << 20);
  int calls = 0;
  absl::Status status = packInto("tensor<1024x256x!lm.block<f32>>", *findBlockFormat("F32"), bytes.data(),
                                 [&](std::span<const uint8_t>) {
                                   ++calls;
                                   return absl::ResourceExhaustedError("disk full");
                                 });
  EXPECT_EQ(status.message(), "disk full");
  EXPECT_EQ(calls, 1);
}

TEST(PackedWeightTest, RefusesDataOfAnotherFormat) {
  uint8_t bytes[64] = {};
  absl::Status status = packInto("tensor<1x32x!lm.block<q8_0>>", *findBlockFormat("Q4_0"), bytes,
                                 [](std::span<const uint8_t>) { return absl::OkStatus(); });
  EXPECT_EQ(status.message(), "cannot pack Q4_0 data as a weight of Q8_0");
  status = packInto("tensor<1x32x!lm.block<q8>>", *findBlockFormat("Q8_0"), bytes,
                    [](std::span<const uint8_t>) { return absl::OkStatus(); });
  EXPECT_EQ(status.message(), "the weight's type names no block format");
}

} // namespace
