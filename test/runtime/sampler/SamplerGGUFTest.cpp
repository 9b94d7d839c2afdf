//===- SamplerGGUFTest.cpp - how a model likes to be sampled --------------------------------------------===//

#include "runtime/sampler/SamplerGGUF.h"
#include "runtime/io/GGUFWriter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <limits>
#include <unistd.h>

namespace lamina {
namespace {

absl::StatusOr<SamplerOptions> throughFile(const GGUFWriter &writer) {
  std::string path = testing::TempDir() + "sampling-" + std::to_string(getpid()) + ".gguf";
  std::ofstream(path, std::ios::binary) << writer.finish();
  absl::StatusOr<GGUFReader> reader = GGUFReader::open(path);
  std::remove(path.c_str());
  if (!reader.ok())
    return reader.status();
  return samplerOptionsFromGGUF(*reader);
}

TEST(SamplerGGUF, GoesThroughFilesUnchanged) {
  SamplerOptions options = {.temperature = 0.6f,
                            .topK = 20,
                            .topP = 0.95f,
                            .minP = 0.05f,
                            .repetitionPenalty = 1.1f,
                            .repetitionWindow = 256};
  GGUFWriter writer;
  addSamplerOptions(options, writer);
  absl::StatusOr<SamplerOptions> read = throughFile(writer);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, options);
}

TEST(SamplerGGUF, WhatIsNotSaidStaysAsItIs) {
  GGUFWriter writer;
  writer.addF32("general.sampling.temp", 0.5f);
  SamplerOptions expected;
  expected.temperature = 0.5f;
  EXPECT_EQ(*throughFile(writer), expected);
  EXPECT_EQ(*throughFile(GGUFWriter()), SamplerOptions());
}

TEST(SamplerGGUF, LessThanNothingIsAll) {
  const std::array<uint8_t, 4> minusOne = {0xff, 0xff, 0xff, 0xff};
  GGUFWriter writer;
  for (const char *key : {"general.sampling.top_k", "general.sampling.penalty_last_n"})
    writer.addPair(
        {.key = key, .type = gguf::ValueType::I32, .elementType = gguf::ValueType::I32, .bytes = minusOne});
  SamplerOptions expected;
  expected.topK = 0;
  expected.repetitionWindow = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(*throughFile(writer), expected);
}

TEST(SamplerGGUF, NonsenseIsNamed) {
  GGUFWriter writer;
  writer.addF32("general.sampling.top_p", 1.5f);
  EXPECT_THAT(throughFile(writer).status().message(), testing::HasSubstr("general.sampling: top-p"));
  GGUFWriter text;
  text.addString("general.sampling.temp", "hot");
  EXPECT_THAT(throughFile(text).status().message(), testing::HasSubstr("general.sampling.temp"));
}

} // namespace
} // namespace lamina
