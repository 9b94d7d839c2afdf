//===- BlockFormatTest.cpp: every type decodes to the bits of the reference ---------------------------===//

#include "runtime/io/BlockFormat.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace lamina {
namespace {

struct Fixture {
  std::vector<uint8_t> blocks;
  std::vector<float> values;
};

Fixture readFixture(const BlockFormat &format) {
  std::string path =
      std::string(LAMINA_SOURCE_DIR "/test/runtime/io/testdata/blocks/") + std::string(format.name) + ".bin";
  std::ifstream stream(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  Fixture fixture;
  uint32_t count = 0;
  if (bytes.size() < sizeof(count))
    return fixture;
  std::memcpy(&count, bytes.data(), sizeof(count));
  size_t blockBytes = size_t(count) * format.bytes, elements = size_t(count) * format.elements;
  if (bytes.size() != sizeof(count) + blockBytes + elements * sizeof(float))
    return fixture;
  fixture.blocks.assign(bytes.begin() + sizeof(count),
                        bytes.begin() + static_cast<long>(sizeof(count) + blockBytes));
  fixture.values.resize(elements);
  std::memcpy(fixture.values.data(), bytes.data() + sizeof(count) + blockBytes, elements * sizeof(float));
  return fixture;
}

class EveryFormat : public testing::TestWithParam<BlockFormat> {};

class EveryFormatOfBlocks : public EveryFormat {};

TEST_P(EveryFormat, DequantisesToTheReferenceBits) {
  const BlockFormat &format = *findBlockFormat(GetParam().type);
  Fixture fixture = readFixture(format);
  ASSERT_FALSE(fixture.values.empty()) << "fixture missing or of the wrong size";
  std::vector<float> values(fixture.values.size());
  dequantizeRow(format, fixture.blocks.data(), values.size(), values.data());
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(fixture.values[i]))
        << format.name << " element " << i << ": " << values[i] << ", reference " << fixture.values[i];
}

// The formula that BlockFormat.h gives to packers and kernel generators, in f64 from the integers and stored
// scales.
TEST_P(EveryFormatOfBlocks, StructuredFormIsExact) {
  const BlockFormat &format = *findBlockFormat(GetParam().type);
  Fixture fixture = readFixture(format);
  DecodedBlock block;
  for (size_t b = 0; b * format.bytes < fixture.blocks.size(); ++b) {
    decodeBlock(format, fixture.blocks.data() + b * format.bytes, block);
    for (unsigned e = 0; e < format.elements; ++e) {
      unsigned j = e / format.subBlock, u = e / format.superBlock;
      ASSERT_LT(block.codes[e], 1u << format.codeBits);
      double scale = double(block.superScales[u]) * format.scaleFactor * block.subScales[j];
      double min = double(format.minSign) * block.superMin * block.subMins[j];
      ASSERT_EQ(scale, block.scales[j]);
      ASSERT_EQ(min, block.mins[j]);
      double product = scale * format.valueOf(block.codes[e]);
      if (format.hasMins()) {
        ASSERT_EQ(product, static_cast<float>(product)) << "a fused multiply-add would change bits";
      }
      ASSERT_EQ(static_cast<float>(product - min), fixture.values[b * format.elements + e]);
    }
  }
}

std::vector<BlockFormat> formatsOfBlocks() {
  std::vector<BlockFormat> formats(allBlockFormats().begin(), allBlockFormats().end());
  std::erase_if(formats, [](const BlockFormat &format) { return format.isPlain(); });
  return formats;
}

INSTANTIATE_TEST_SUITE_P(BlockFormat, EveryFormatOfBlocks, testing::ValuesIn(formatsOfBlocks()),
                         [](const auto &info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(BlockFormat, EveryFormat,
                         testing::ValuesIn(allBlockFormats().begin(), allBlockFormats().end()),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(BlockFormat, TableIsConsistent) {
  EXPECT_EQ(allBlockFormats().size(), 38u);
  uint32_t previous = 0;
  std::set<std::string_view> names;
  for (const BlockFormat &format : allBlockFormats()) {
    SCOPED_TRACE(format.name);
    uint32_t id = static_cast<uint32_t>(format.type);
    EXPECT_TRUE(&format == allBlockFormats().data() || id > previous);
    previous = id;
    EXPECT_TRUE(names.insert(format.name).second);
    EXPECT_EQ(findBlockFormat(format.type), &format);
    EXPECT_EQ(findBlockFormat(id), id < 1000 ? &format : nullptr) << "types of ours are in no file";
    EXPECT_EQ(findBlockFormat(format.name), &format);
    EXPECT_EQ(tensorTypeName(format.type), format.name);
    EXPECT_TRUE(removedTensorTypeName(id).empty());
    if (format.isPlain())
      continue;
    EXPECT_LE(format.elements, kMaxBlockElements);
    EXPECT_LE(format.numSubBlocks(), kMaxSubBlocks);
    EXPECT_LE(format.numSuperBlocks(), kMaxSuperBlocks);
    EXPECT_EQ(format.elements % format.superBlock, 0);
    EXPECT_EQ(format.superBlock % format.subBlock, 0);
    if (!format.values.empty()) {
      EXPECT_EQ(format.values.size(), size_t(1) << format.codeBits);
      EXPECT_LE(format.codeBits, 4);
    }
  }
}

TEST(BlockFormat, DocumentedAsItIs) {
  std::ifstream stream(LAMINA_SOURCE_DIR "/docs/formats/gguf.md");
  std::string page((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  for (const BlockFormat &format : allBlockFormats()) {
    std::string row = "| " + std::string(format.name) + " | " +
                      std::to_string(static_cast<uint32_t>(format.type)) + " | " +
                      std::to_string(format.elements) + " | " + std::to_string(format.bytes) + " | ";
    EXPECT_NE(page.find(row), std::string::npos) << "docs/formats/gguf.md has no row " << row;
  }
}

TEST(BlockFormat, UnknownAndRemovedTypes) {
  EXPECT_EQ(findBlockFormat("q4_k"), findBlockFormat(TensorType::Q4_K));
  EXPECT_EQ(findBlockFormat("Q4"), nullptr);
  EXPECT_EQ(findBlockFormat(43u), nullptr);
  EXPECT_EQ(findBlockFormat(0xFFFFFFFFu), nullptr);
  for (uint32_t id : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u}) {
    EXPECT_EQ(findBlockFormat(id), nullptr);
    EXPECT_FALSE(removedTensorTypeName(id).empty());
  }
  EXPECT_EQ(tensorTypeName(static_cast<TensorType>(4)), "unknown");
}

} // namespace
} // namespace lamina
