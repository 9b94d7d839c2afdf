//===- ArchitectureTest.cpp - what the importer builds for each architecture --------------------------===//

#include "test/Import/TinyModel.h"

#include "dialects/LM/IR/LM.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace {

/// The windows of the attentions in layer order; 0: none.
std::vector<int64_t> windows(Imported &imported) {
  std::vector<int64_t> found;
  imported.module->walk([&](lm::AttentionOp op) { found.push_back(op.getWindow().value_or(0)); });
  return found;
}

lm::WeightOp weight(Imported &imported, llvm::StringRef name) {
  return imported.module->lookupSymbol<lm::WeightOp>(name);
}

lm::SourceAttr source(lm::WeightOp op, int index = 0) {
  return llvm::cast<lm::SourceAttr>(op.getSources()[index]);
}

TEST(Architecture, LlamaIsADecoder) {
  Imported m = tinyModel("llama").import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_THAT(m.text, HasSubstr("func.func @step(%arg0: !lm.batch, %arg1: !lm.kv_cache<1 x 16 x 16, f16>, "
                                "%arg2: !lm.kv_cache<1 x 16 x 16, f16>) -> tensor<?x40xf32>"));
  EXPECT_EQ(count(m.text, "lm.attention "), 2);
  EXPECT_EQ(count(m.text, "lm.rotary_embedding "), 4);
  EXPECT_EQ(count(m.text, "lm.rope_table "), 1);
  EXPECT_EQ(count(m.text, "arith.addf "), 4);
  EXPECT_EQ(count(m.text, "lm.bias_add "), 0);
  EXPECT_EQ(count(m.text, "silu "), 2);
  EXPECT_THAT(m.text, HasSubstr("scale = 2.500000e-01 : f32"));
  EXPECT_EQ(windows(m), (std::vector<int64_t>{0, 0}));
  EXPECT_LT(m.text.find("blk.1.ffn_down.weight :"), m.text.find("lm.embedding ")); // weights come first
}

TEST(Architecture, ModuleIsDescribed) {
  Imported m = tinyModel("llama").import({.contextLength = 64});
  EXPECT_THAT(m.text,
              HasSubstr("lm.architecture = \"llama\", lm.context_length = 64 : i64, lm.files = "
                        "[\"tiny.gguf\"], lm.hidden_size = 32 : i64, lm.layers = 2 : i64, "
                        "lm.name = \"tiny\", lm.trained_context = 128 : i64, lm.vocab_size = 40 : i64"));
}

TEST(Architecture, LogitsAreOfGatheredRowsAlone) {
  Imported m = tinyModel("llama").import();
  size_t gather = m.text.find("lm.gather_rows "), norm = m.text.rfind("lm.rms_norm "),
         head = m.text.rfind("lm.linear ");
  EXPECT_GT(gather, m.text.rfind("arith.addf "));
  EXPECT_LT(gather, norm);
  EXPECT_LT(norm, head);
}

TEST(Architecture, InterleavedRowsArePermuted) {
  TinyModel tiny = tinyModel("llama", 1);
  tiny.keys["rope.dimension_count"] = 8u; // a part of the head
  tiny.tensors["blk.0.attn_k.bias"] = {{16}};
  Imported m = tiny.import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(weight(m, "blk.0.attn_q.weight").getRopeHeads(), 2);
  EXPECT_EQ(weight(m, "blk.0.attn_q.weight").getRopeLength(), 8);
  EXPECT_EQ(weight(m, "blk.0.attn_k.weight").getRopeHeads(), 1);
  EXPECT_EQ(weight(m, "blk.0.attn_k.bias").getRopeHeads(), 1);
  EXPECT_EQ(weight(m, "blk.0.attn_v.weight").getRopeHeads(), std::nullopt);
  EXPECT_EQ(count(m.text, "lm.bias_add "), 1);
  EXPECT_THAT(m.text, HasSubstr("tensor<?x8xf32>")); // the rope table
}

TEST(Architecture, WeightsKeepTheirFormatAndPlace) {
  Imported m = tinyModel("llama", 1).import();
  lm::WeightOp query = weight(m, "blk.0.attn_q.weight");
  EXPECT_EQ(llvm::cast<lm::BlockType>(query.getTensorType().getElementType()).getFormat(), "q8_0");
  EXPECT_EQ(source(query).getTensor(), "blk.0.attn_q.weight");
  EXPECT_GT(source(query).getOffset(), 0);
  EXPECT_THAT(
      m.text,
      HasSubstr("@blk.0.attn_norm.weight : tensor<32xf32> from [#lm.source<\"blk.0.attn_norm.weight\""));
}

TEST(Architecture, LocationsNameTheWeight) {
  Imported m = tinyModel("llama", 1).import();
  std::string names;
  m.module->walk(
      [&](lm::LinearOp op) { names += llvm::cast<mlir::NameLoc>(op.getLoc()).getName().str() + " "; });
  EXPECT_EQ(names, "blk.0.attn_q blk.0.attn_k blk.0.attn_v blk.0.attn_output blk.0.ffn_gate blk.0.ffn_up "
                   "blk.0.ffn_down token_embd ");
}

TEST(Architecture, HeadMayBeItsOwn) {
  TinyModel tiny = tinyModel("llama", 1);
  tiny.tensors["output.weight"] = {{32, 40}, TensorType::F16};
  Imported m = tiny.import();
  EXPECT_EQ(count(m.text, "get_weight @token_embd.weight"), 1);
  EXPECT_EQ(count(m.text, "get_weight @output.weight"), 1);
  EXPECT_EQ(count(tinyModel("llama", 1).import().text, "get_weight @token_embd.weight"), 2); // tied
}

TEST(Architecture, CacheMayBeF32) {
  EXPECT_THAT(tinyModel("llama").import({.cacheElement = CacheElement::F32}).text, HasSubstr("16, f32>"));
}

TEST(Architecture, LlamaExperts) {
  Imported m = tinyExpertModel("llama").import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_THAT(m.text, HasSubstr("lm.route_experts"));
  EXPECT_THAT(m.text, HasSubstr("{normalize}"));
  EXPECT_EQ(count(m.text, "lm.expert_linear "), 3);
  EXPECT_THAT(m.text, HasSubstr("tensor<4x32x32x!lm.block<q4_0>>"));
}

TEST(Architecture, ExpertsMayBeSeparateTensors) {
  TinyModel tiny = tinyExpertModel("llama");
  for (std::string name : {"gate", "up", "down"}) {
    tiny.tensors.erase("blk.0.ffn_" + name + "_exps.weight");
    for (int i = 0; i < 4; ++i)
      tiny.tensors["blk.0.ffn_" + name + "." + std::to_string(i) + ".weight"] = {{32, 32}, TensorType::Q4_0};
  }
  Imported m = tiny.import();
  ASSERT_THAT(m.errors, IsEmpty());
  lm::WeightOp gate = weight(m, "blk.0.ffn_gate_exps.weight");
  EXPECT_EQ(gate.getSources().size(), 4u);
  EXPECT_EQ(source(gate, 3).getTensor(), "blk.0.ffn_gate.3.weight");
  EXPECT_EQ(gate.getTensorType().getDimSize(0), 4);
}

TEST(Architecture, ExpertWeightsFollowTheKeys) {
  TinyModel tiny = tinyExpertModel("qwen3moe");
  tiny.keys["expert_weights_norm"] = false;
  tiny.keys["expert_weights_scale"] = 2.5f;
  Imported m = tiny.import();
  EXPECT_THAT(m.text, Not(HasSubstr("{normalize")));
  EXPECT_THAT(m.text, HasSubstr("scale = 2.500000e+00 : f32"));
}

TEST(Architecture, Qwen2HasBiases) {
  Imported m = tinyModel("qwen2").import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(count(m.text, "lm.bias_add "), 6);
  EXPECT_EQ(count(m.text, "rope_heads"), 0);
}

TEST(Architecture, Qwen3NormalisesHeads) {
  Imported m = tinyModel("qwen3", 1).import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(count(m.text, "lm.rms_norm "), 5);
  EXPECT_THAT(m.text, HasSubstr("get_weight @blk.0.attn_q_norm.weight : tensor<16xf32>"));
}

TEST(Architecture, Gemma2AlternatesWindows) {
  Imported m = tinyModel("gemma2", 4).import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(windows(m), (std::vector<int64_t>{16, 0, 16, 0}));
  EXPECT_EQ(count(m.text, "soft_cap = 5.000000e+01 : f32"), 4);
  EXPECT_THAT(m.text, HasSubstr("lm.soft_cap"));
  EXPECT_EQ(count(m.text, "lm.rms_norm "), 4 * 4 + 1);
  EXPECT_EQ(count(m.text, "gelu_tanh "), 4);
  EXPECT_EQ(count(m.text, "lm.scale "), 1);
}

TEST(Architecture, WindowOfTheWholeContextIsNone) {
  Imported m = tinyModel("gemma2", 2).import({.contextLength = 16});
  EXPECT_EQ(windows(m), (std::vector<int64_t>{0, 0}));
}

TEST(Architecture, Gemma3HasLocalLayers) {
  TinyModel tiny = tinyModel("gemma3", 7);
  tiny.keys["rope.freq_base"] = 1e6f;
  tiny.keys["rope.scaling.type"] = std::string("linear");
  tiny.keys["rope.scaling.factor"] = 8.0f;
  Imported m = tiny.import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(windows(m), (std::vector<int64_t>{16, 16, 16, 16, 16, 0, 16}));
  EXPECT_EQ(count(m.text, "lm.rope_table "), 2);
  EXPECT_THAT(m.text, HasSubstr("array<f64: 1.250000e-01")); // global: 1/8
  EXPECT_THAT(m.text, HasSubstr("array<f64: 1.000000e+00")); // local: unscaled
}

TEST(Architecture, WindowPatternMayBeAList) {
  TinyModel tiny = tinyModel("gemma3", 3);
  tiny.keys["attention.sliding_window_pattern"] = std::vector<int32_t>{0, 1, 0};
  Imported m = tiny.import();
  EXPECT_EQ(windows(m), (std::vector<int64_t>{0, 16, 0}));
}

TEST(Architecture, WideGemmaScalesByTheHiddenSize) {
  TinyModel tiny = tinyModel("gemma2", 46);
  tiny.keys["attention.head_count"] = 2u;
  tiny.keys["attention.key_length"] = 16u;
  tiny.keys["attention.value_length"] = 16u;
  EXPECT_EQ(count(tiny.import().text, "scale = 2.500000e-01 : f32"), 46); // 1/sqrt(32 / 2)
  tiny = tinyModel("gemma2", 46);
  tiny.keys["attention.head_count"] = 1u;
  tiny.keys["attention.key_length"] = 16u;
  tiny.keys["attention.value_length"] = 16u;
  for (int i = 0; i < 46; ++i) {
    tiny.tensors["blk." + std::to_string(i) + ".attn_q.weight"] = {{32, 16}};
    tiny.tensors["blk." + std::to_string(i) + ".attn_output.weight"] = {{16, 32}};
  }
  EXPECT_EQ(count(tiny.import().text, "scale = 0.176776692 : f32"), 46); // 1/sqrt(32)
}

TEST(Architecture, Phi3TensorsAreTakenApart) {
  Imported m = tinyModel("phi3", 1).import();
  ASSERT_THAT(m.errors, IsEmpty());
  int64_t row = 32 * 4; // bytes
  int64_t q = source(weight(m, "blk.0.attn_q.weight")).getOffset();
  EXPECT_EQ(source(weight(m, "blk.0.attn_k.weight")).getOffset(), q + 32 * row);
  EXPECT_EQ(source(weight(m, "blk.0.attn_v.weight")).getOffset(), q + 48 * row);
  EXPECT_EQ(source(weight(m, "blk.0.attn_v.weight")).getTensor(), "blk.0.attn_qkv.weight");
  int64_t gate = source(weight(m, "blk.0.ffn_gate.weight")).getOffset();
  EXPECT_EQ(source(weight(m, "blk.0.ffn_up.weight")).getOffset(), gate + 64 * row);
}

TEST(Architecture, Gpt2AddsPositionsAndTakesOffMeans) {
  Imported m = tinyModel("gpt2").import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(count(m.text, "lm.rope_table "), 0);
  EXPECT_EQ(count(m.text, "lm.rotary_embedding "), 0);
  EXPECT_EQ(count(m.text, "lm.embedding "), 2);
  EXPECT_EQ(weight(m, "position_embd.weight").getTensorType().getDimSize(0), 128);
  EXPECT_EQ(count(m.text, "lm.layer_norm "), 5);
  EXPECT_EQ(count(m.text, "lm.rms_norm "), 0);
  EXPECT_EQ(count(m.text, "lm.activation gelu_tanh "), 2);
  EXPECT_EQ(count(m.text, "lm.gated_activation "), 0);
  EXPECT_EQ(source(weight(m, "blk.0.attn_v.weight")).getTensor(), "blk.0.attn_qkv.weight");
}

TEST(Architecture, Phi2AddsAttentionAndFeedForwardOfOneNorm) {
  Imported m = tinyModel("phi2", 1).import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(count(m.text, "lm.rotary_embedding "), 2);
  EXPECT_EQ(count(m.text, "lm.layer_norm "), 2);
  lm::LayerNormOp norm =
      *m.module->lookupSymbol<mlir::func::FuncOp>("step").getOps<lm::LayerNormOp>().begin();
  EXPECT_EQ(std::distance(norm->user_begin(), norm->user_end()), 4); // query, key, value, up
}

TEST(Architecture, Starcoder2RotatesHalves) {
  Imported m = tinyModel("starcoder2", 1).import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(count(m.text, "lm.rotary_embedding "), 2);
  EXPECT_EQ(count(m.text, "rope_heads"), 0);
  EXPECT_EQ(count(m.text, "lm.layer_norm "), 3);
  EXPECT_EQ(count(m.text, "lm.activation gelu_tanh "), 1);
}

TEST(Architecture, FusedTensorsOfAnInterleavedArchitectureArePermuted) {
  TinyModel tiny = tinyModel("llama", 1);
  for (const char *name : {"q", "k", "v"})
    tiny.tensors.erase("blk.0.attn_" + std::string(name) + ".weight");
  tiny.tensors["blk.0.attn_qkv.weight"] = {{32, 64}, TensorType::Q4_0};
  Imported m = tiny.import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_EQ(weight(m, "blk.0.attn_k.weight").getRopeHeads(), 1);
  EXPECT_EQ(source(weight(m, "blk.0.attn_k.weight")).getOffset() -
                source(weight(m, "blk.0.attn_q.weight")).getOffset(),
            32 * 18);
}

TEST(Architecture, LayersMayDiffer) {
  TinyModel tiny = tinyModel("llama", 2);
  tiny.keys["attention.head_count_kv"] = std::vector<int32_t>{1, 2};
  tiny.keys["feed_forward_length"] = std::vector<int32_t>{64, 96};
  tiny.tensors["blk.1.attn_k.weight"] = tiny.tensors["blk.1.attn_v.weight"] = {{32, 32}};
  tiny.tensors["blk.1.ffn_gate.weight"] = tiny.tensors["blk.1.ffn_up.weight"] = {{32, 96}};
  tiny.tensors["blk.1.ffn_down.weight"] = {{96, 32}};
  Imported m = tiny.import();
  ASSERT_THAT(m.errors, IsEmpty());
  EXPECT_THAT(m.text,
              HasSubstr("%arg1: !lm.kv_cache<1 x 16 x 16, f16>, %arg2: !lm.kv_cache<2 x 16 x 16, f16>"));
}

TEST(Architecture, ModulesAreLinearInLayers) {
  size_t forty = tinyModel("llama", 40).import().text.size(),
         eighty = tinyModel("llama", 80).import().text.size();
  EXPECT_NEAR(double(eighty) / double(forty), 2.0, 0.1);
}

} // namespace
