//===- RefusalTest.cpp - models that the importer must refuse, and what it says -----------------------===//

#include "test/Import/TinyModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

struct Refusal {
  const char *name;
  void (*damage)(TinyModel &);
  const char *message;
  const char *architecture = "llama";
};

void PrintTo(const Refusal &refusal, std::ostream *out) { *out << refusal.name; }

class RefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, SaysWhy) {
  bool experts = std::string(GetParam().architecture) == "qwen3moe";
  TinyModel model = experts ? tinyExpertModel("qwen3moe") : tinyModel(GetParam().architecture);
  ASSERT_THAT(model.import().errors, ElementsAre()) << "unbroken";
  GetParam().damage(model);
  Imported imported = model.import();
  EXPECT_FALSE(imported.module);
  EXPECT_THAT(imported.errors, ElementsAre(HasSubstr(GetParam().message)));
  EXPECT_THAT(imported.errors, ElementsAre(HasSubstr("\"tiny.gguf\":0:0")));
}

std::string nameOf(const ::testing::TestParamInfo<Refusal> &info) { return info.param.name; }

const Refusal kModels[] = {
    {"UnknownArchitecture", [](TinyModel &m) { m.architecture = "qwen35"; },
     "unknown architecture 'qwen35', expected one of llama, qwen2, qwen3, qwen3moe, gemma2, gemma3, gpt2, "
     "starcoder2, phi2, phi3; "
     "did you mean 'qwen3'?"},
    {"Adapter", [](TinyModel &m) { m.keys["general.type"] = std::string("adapter"); },
     "key 'general.type' is 'adapter', expected 'model'"},
    {"VocabularyOnly", [](TinyModel &m) { m.tensors.clear(); }, "vocabulary-only GGUF"},
};

const Refusal kKeys[] = {
    {"MissingKey", [](TinyModel &m) { m.keys.erase("block_count"); }, "key 'llama.block_count' is missing"},
    {"MisspelledKey",
     [](TinyModel &m) {
       m.keys.erase("context_length");
       m.keys["context_lenght"] = 128u;
     },
     "key 'llama.context_length' is missing; did you mean 'llama.context_lenght'?"},
    {"UnknownKey", [](TinyModel &m) { m.keys["rope.freq_bass"] = 1e4f; },
     "(\"llama.rope.freq_bass\"(\"tiny.gguf\":0:0)): key 'llama.rope.freq_bass' is not known to this "
     "importer and may change results; did you mean 'llama.rope.freq_base'?"},
    {"WrongKeyType", [](TinyModel &m) { m.keys["embedding_length"] = std::string("32"); },
     "llama.embedding_length"},
    {"TooManyLayers", [](TinyModel &m) { m.keys["block_count"] = 1000000u; },
     "key 'llama.block_count' is 1000000, expected 1 to 4096"},
    {"NoLayers", [](TinyModel &m) { m.keys["block_count"] = 0u; },
     "key 'llama.block_count' is 0, expected 1 to 4096"},
    {"ShortLayerList", [](TinyModel &m) { m.keys["attention.head_count"] = std::vector<int32_t>{2, 2, 2}; },
     "key 'llama.attention.head_count' has 3 values, expected one for each of 2 layers"},
    {"HeadsThatDoNotDivide", [](TinyModel &m) { m.keys["attention.head_count"] = 3u; },
     "key 'llama.attention.head_count' is 3, expected a divisor of the embedding_length 32"},
    {"KeyHeadsThatDoNotDivide", [](TinyModel &m) { m.keys["attention.head_count_kv"] = 3u; },
     "key 'llama.attention.head_count_kv' is 3, expected a divisor of the 2 heads"},
    {"NoHeads", [](TinyModel &m) { m.keys["attention.head_count"] = 0u; }, "is 0, expected 1 to 65536"},
    {"OddRope", [](TinyModel &m) { m.keys["rope.dimension_count"] = 7u; },
     "is 7, expected an even number up to the key length 16"},
    {"WideRope", [](TinyModel &m) { m.keys["rope.dimension_count"] = 32u; },
     "is 32, expected an even number up to"},
    {"UnknownScaling", [](TinyModel &m) { m.keys["rope.scaling.type"] = std::string("yarm"); },
     "key 'llama.rope.scaling.type' is 'yarm', expected none, linear, yarn or longrope; did you mean "
     "'yarn'?"},
    {"LongRopeWithFactor",
     [](TinyModel &m) {
       m.keys["rope.scaling.type"] = std::string("longrope");
       m.keys["rope.scaling.factor"] = 4.0f;
     },
     "key 'llama.rope.scaling.factor' is given, but longrope's factors are tensors"},
    {"LongRopeWithoutFactors", [](TinyModel &m) { m.keys["rope.scaling.type"] = std::string("longrope"); },
     "tensor 'rope_factors_short.weight' is missing"},
    {"Alibi", [](TinyModel &m) { m.keys["attention.max_alibi_bias"] = 8.0f; },
     "key 'llama.attention.max_alibi_bias' is 8, expected 0: the importer does not support its effect"},
    {"Clamp", [](TinyModel &m) { m.keys["attention.clamp_kqv"] = 6.0f; },
     "key 'llama.attention.clamp_kqv' is 6, expected 0"},
    {"LogitScale", [](TinyModel &m) { m.keys["logit_scale"] = 0.5f; }, "key 'llama.logit_scale' is 0.5"},
    {"LatentAttention", [](TinyModel &m) { m.keys["attention.kv_lora_rank"] = 512u; },
     "key 'llama.attention.kv_lora_rank' is 512"},
    {"NotCausal", [](TinyModel &m) { m.keys["attention.causal"] = false; },
     "key 'llama.attention.causal' is 0, expected 1"},
    {"Underflow", [](TinyModel &m) { m.keys["rope.freq_base"] = 1e-40f; },
     "key 'llama.rope.freq_base' is 9.99995e-41, expected 1"},
    {"NotANumber", [](TinyModel &m) { m.keys["rope.freq_base"] = std::numeric_limits<float>::quiet_NaN(); },
     "key 'llama.rope.freq_base' is nan"},
    {"WindowWhereThereIsNone", [](TinyModel &m) { m.keys["attention.sliding_window"] = 64u; },
     "key 'qwen3.attention.sliding_window' is 64, but this architecture attends to everything", "qwen3"},
    {"MissingWindow", [](TinyModel &m) { m.keys.erase("attention.sliding_window"); },
     "key 'gemma3.attention.sliding_window' is missing", "gemma3"},
    {"Experts", [](TinyModel &m) { m.keys["expert_count"] = 8u; },
     "key 'qwen2.expert_count' is 8, but this architecture has no experts", "qwen2"},
    {"TooManyUsedExperts", [](TinyModel &m) { m.keys["expert_used_count"] = 5u; },
     "key 'qwen3moe.expert_used_count' is 5, expected 1 to the expert_count of 4", "qwen3moe"},
    {"MissingExperts", [](TinyModel &m) { m.keys.erase("expert_count"); },
     "key 'qwen3moe.expert_count' is missing or 0", "qwen3moe"},
    {"SigmoidGate", [](TinyModel &m) { m.keys["expert_gating_func"] = 2u; },
     "key 'qwen3moe.expert_gating_func' is 2", "qwen3moe"},
};

const Refusal kTensors[] = {
    {"MissingTensor", [](TinyModel &m) { m.tensors.erase("blk.1.attn_q.weight"); },
     "(\"blk.1.attn_q.weight\"(\"tiny.gguf\":0:0)): tensor 'blk.1.attn_q.weight' is missing"},
    {"MisspelledTensor",
     [](TinyModel &m) {
       m.tensors.erase("output_norm.weight");
       m.tensors["output_nrom.weight"] = {{32}};
     },
     "tensor 'output_norm.weight' is missing; did you mean 'output_nrom.weight'?"},
    {"MissingEmbedding", [](TinyModel &m) { m.tensors.erase("token_embd.weight"); },
     "tensor 'token_embd.weight' is missing"},
    {"MissingBias", [](TinyModel &m) { m.tensors.erase("blk.0.attn_k.bias"); },
     "tensor 'blk.0.attn_k.bias' is missing", "qwen2"},
    {"MissingNormBias", [](TinyModel &m) { m.tensors.erase("blk.0.ffn_norm.bias"); },
     "tensor 'blk.0.ffn_norm.bias' is missing", "gpt2"},
    {"MissingPositions", [](TinyModel &m) { m.tensors.erase("position_embd.weight"); },
     "tensor 'position_embd.weight' is missing", "gpt2"},
    {"MissingEpsilonOfALayerNorm", [](TinyModel &m) { m.keys.erase("attention.layer_norm_epsilon"); },
     "key 'starcoder2.attention.layer_norm_epsilon' is missing", "starcoder2"},
    {"GateWhereThereIsNone", [](TinyModel &m) { m.tensors["blk.0.ffn_gate.weight"] = {{32, 64}}; },
     "'blk.0.ffn_gate.weight'", "phi2"},
    {"MissingHeadNorm", [](TinyModel &m) { m.tensors.erase("blk.0.attn_q_norm.weight"); },
     "tensor 'blk.0.attn_q_norm.weight' is missing", "qwen3"},
    {"MissingPostNorm", [](TinyModel &m) { m.tensors.erase("blk.0.post_ffw_norm.weight"); },
     "tensor 'blk.0.post_ffw_norm.weight' is missing", "gemma2"},
    {"ExtraTensor", [](TinyModel &m) { m.tensors["blk.0.attn_q.scale"] = {{1}}; },
     "tensor 'blk.0.attn_q.scale' is not part of this architecture and may change results"},
    {"ExtraLayer", [](TinyModel &m) { m.tensors["blk.2.attn_norm.weight"] = {{32}}; },
     "tensor 'blk.2.attn_norm.weight' is not part of this architecture"},
    {"WrongShape", [](TinyModel &m) { m.tensors["blk.0.ffn_down.weight"].dims = {32, 64}; },
     "tensor 'blk.0.ffn_down.weight' has shape [32, 64], expected [64, 32] (row length first)"},
    {"MatrixForVector", [](TinyModel &m) { m.tensors["output_norm.weight"].dims = {32, 2}; },
     "tensor 'output_norm.weight' has shape [32, 2], expected [32]"},
    {"WrongVocabulary", [](TinyModel &m) { m.keys["vocab_size"] = 41u; },
     "tensor 'token_embd.weight' has shape [32, 40], expected [32, 41]"},
    {"MoreTokensThanRows", [](TinyModel &m) { m.keys["tokenizer.ggml.tokens"] = std::vector<int32_t>(41); },
     "key 'tokenizer.ggml.tokens' has 41 tokens, expected at most the 40 rows of 'token_embd.weight'"},
    {"IntegerMatrix", [](TinyModel &m) { m.tensors["blk.0.ffn_up.weight"].type = TensorType::I32; },
     "tensor 'blk.0.ffn_up.weight' has type I32, expected F32, F16, BF16 or a block format"},
    {"QuantisedNorm", [](TinyModel &m) { m.tensors["blk.0.ffn_norm.weight"].type = TensorType::Q8_0; },
     "tensor 'blk.0.ffn_norm.weight' has type Q8_0, expected F32, F16 or BF16"},
    {"MixedExperts",
     [](TinyModel &m) {
       m.tensors.erase("blk.0.ffn_up_exps.weight");
       for (int i = 0; i < 4; ++i)
         m.tensors["blk.0.ffn_up." + std::to_string(i) + ".weight"] = {
             {32, 32}, i == 3 ? TensorType::Q8_0 : TensorType::Q4_0};
     },
     "tensor 'blk.0.ffn_up.3.weight' has type Q8_0, expected Q4_0 as 'blk.0.ffn_up.0.weight'", "qwen3moe"},
};

INSTANTIATE_TEST_SUITE_P(Models, RefusalTest, ::testing::ValuesIn(kModels), nameOf);
INSTANTIATE_TEST_SUITE_P(Keys, RefusalTest, ::testing::ValuesIn(kKeys), nameOf);
INSTANTIATE_TEST_SUITE_P(Tensors, RefusalTest, ::testing::ValuesIn(kTensors), nameOf);

TEST(Refusal, ContextBeyondTheModel) {
  Imported imported = tinyModel("llama").import({.contextLength = 129});
  EXPECT_THAT(imported.errors, ElementsAre(HasSubstr(
                                   "key 'llama.context_length' is 128, but a context of 129 was asked for")));
}

TEST(Refusal, LongAndControlCharactersStayOnOneLine) {
  TinyModel model = tinyModel("llama");
  model.architecture = "a\nb" + std::string(1000, 'x');
  Imported imported = model.import();
  ASSERT_EQ(imported.errors.size(), 1u);
  EXPECT_THAT(imported.errors[0], HasSubstr("unknown architecture 'a\\0Ab"));
  EXPECT_EQ(imported.errors[0].find('\n'), std::string::npos);
  EXPECT_LT(imported.errors[0].size(), 500u);
}

TEST(Neutral, KeysThatSayNothingAreAccepted) {
  TinyModel model = tinyModel("llama");
  model.keys["attention.max_alibi_bias"] = 0.0f;
  model.keys["logit_scale"] = 1.0f;
  model.keys["attention.causal"] = true;
  model.keys["expert_count"] = 0u;
  model.keys["expert_used_count"] = 0u;
  model.keys["tensor_data_layout"] = std::string("Meta AI original pth");
  model.tensors["blk.0.attn_rot_embd.weight"] = {{8}};
  EXPECT_THAT(model.import().errors, ElementsAre());
}

} // namespace
