//===- GGUFWriterTest.cpp: the reader gives back what was written -------------------------------------===//

#include "runtime/io/GGUFWriter.h"
#include "test/runtime/io/GGUFImage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina {
namespace {

using testing::ElementsAre;

GGUFWriter exampleModel() {
  GGUFWriter writer;
  writer.addString("general.architecture", "llama");
  writer.addU32("general.alignment", 32);
  writer.addU32("llama.block_count", 2);
  std::string_view tokens[] = {"<s>", "", "b"};
  writer.addStrings("tokenizer.ggml.tokens", tokens);
  float scores[] = {0, -1, -2};
  writer.addFloats("tokenizer.ggml.scores", scores);
  int32_t types[] = {3, 1, 1};
  writer.addInt32s("tokenizer.ggml.token_type", types);
  writer.addBool("tokenizer.ggml.add_bos_token", true);
  writer.addF32("llama.rope.freq_base", 10000);
  uint64_t dims[] = {2, 3};
  std::vector<uint8_t> data(24, 7);
  writer.addTensor("token_embd.weight", TensorType::F32, dims, data);
  return writer;
}

TEST(GGUFWriter, RoundTrip) {
  GGUFImage image{exampleModel().finish()};
  EXPECT_EQ(image.bytes, exampleModel().finish());
  absl::StatusOr<GGUFReader> file = image.read();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file->getString("general.architecture"), "llama");
  EXPECT_EQ(*file->getUnsigned("llama.block_count"), 2u);
  EXPECT_THAT(*file->getStrings("tokenizer.ggml.tokens"), ElementsAre("<s>", "", "b"));
  EXPECT_EQ((*file->getFloats("tokenizer.ggml.scores"))[2], -2.0f);
  EXPECT_EQ((*file->getInt32s("tokenizer.ggml.token_type"))[0], 3);
  EXPECT_TRUE(*file->getBool("tokenizer.ggml.add_bos_token"));
  EXPECT_EQ(*file->getFloat("llama.rope.freq_base"), 10000.0);
  EXPECT_EQ(file->tensors()[0].shapeText(), "F32 [2, 3]");
  EXPECT_EQ((*file->data(file->tensors()[0]))[23], 7);
}

TEST(GGUFWriter, CopiesTheVocabularyAlone) {
  GGUFImage model{exampleModel().finish()};
  absl::StatusOr<GGUFReader> file = model.read();
  ASSERT_TRUE(file.ok()) << file.status();
  GGUFImage copy{copyVocabulary(*file)};
  absl::StatusOr<GGUFReader> vocabulary = copy.read();
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_TRUE(vocabulary->tensors().empty());
  EXPECT_EQ(vocabulary->pairs().size(), 5u);
  EXPECT_FALSE(vocabulary->has("general.alignment"));
  EXPECT_FALSE(vocabulary->has("llama.block_count"));
  EXPECT_EQ(*vocabulary->getString("general.architecture"), "llama");
  EXPECT_THAT(*vocabulary->getStrings("tokenizer.ggml.tokens"), ElementsAre("<s>", "", "b"));
  EXPECT_EQ((*vocabulary->getInt32s("tokenizer.ggml.token_type"))[0], 3);
  // A copy of the copy is the copy.
  EXPECT_EQ(copyVocabulary(*vocabulary), copy.bytes);
}

} // namespace
} // namespace lamina
