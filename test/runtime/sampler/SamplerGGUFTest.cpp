//===- SamplerGGUFTest.cpp - how a model likes to be sampled --------------------------------------------===//

#include "runtime/io/GGUFWriter.h"
#include "runtime/sampler/SamplerGGUF.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
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
