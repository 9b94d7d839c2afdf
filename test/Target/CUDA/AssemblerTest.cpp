//===- AssemblerTest.cpp - NVIDIA's assembler takes every kernel and spills nothing -------------------===//

#include "test/Target/CPU/AttentionHarness.h"

#include "lib/Target/CUDA/CUDATarget.h"

#include <gtest/gtest.h>

#include <regex>

using namespace lamina;
using namespace lamina::test;

namespace {

/// Every kernel of `text` for every architecture that the assembler knows. Needs NVIDIA's toolkit, which no
/// test of ours may require; the PTX itself is checked without it.
void expectNoSpills(const std::string &text) {
  std::optional<std::string> assembler = findAssembler();
  if (!assembler)
    GTEST_SKIP() << "skipped: no ptxas";
  ASSERT_TRUE(knowsArchitecture(*assembler, cudaArchitectures().front()));
  std::map<PTXArchitecture, std::string> ptx;
  for (llvm::StringRef architecture : cudaArchitectures()) {
    if (!knowsArchitecture(*assembler, architecture))
      continue;
    std::string report, &code = ptx[ptxArchitecture(architecture)];
    if (code.empty())
      code = compileText(text, {architecture.str()}).at(0);
    llvm::Expected<std::string> cubin = assemble(*assembler, code, architecture, &report);
    ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
    EXPECT_FALSE(cubin->empty());
    EXPECT_NE(report.find("registers"), std::string::npos) << "the report says nothing of registers";
    EXPECT_FALSE(std::regex_search(report, std::regex("[1-9][0-9]* bytes (stack frame|spill)"))) << report;
  }
}

/// A kernel with one operation; `types` are those of its operands and of its result.
std::string kernelText(const std::string &name, const std::vector<std::string> &types,
                       const std::string &operation) {
  std::string arguments;
  for (size_t i = 0; i + 1 < types.size(); ++i)
    arguments += (i ? ", %" : "%") + std::string(1, char('a' + i)) + ": " + types[i];
  return "plan.kernel @" + name + " {\n^bb0(" + arguments + "):\n  %0 = " + operation +
         "\n  plan.yield %0 : " + types.back() + "\n}\n";
}

/// With the activations that the planner gives them.
TEST(AssemblerTest, ProductsOfEveryFormatFit) {
  std::string text;
  for (const BlockFormat &format : allBlockFormats()) {
    text += linearText(lowerName(format), format, 64, 4 * columnsFor(format));
    if (!format.isPlain())
      text += linearText(lowerName(format) + "_q8", format, 64, 4 * columnsFor(format), "!lm.q8");
  }
  expectNoSpills(text);
}

/// Steps that go together need rows of more than four for each team.
TEST(AssemblerTest, ProductsOfLongRowsFit) {
  std::string text;
  for (const char *name : {"Q4_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K", "IQ4_XS", "MXFP4"})
    text += linearText(lowerName(*findBlockFormat(name)), *findBlockFormat(name), 64, 25 * 256, "!lm.q8");
  for (const char *name : {"F16", "BF16"})
    text += linearText(lowerName(*findBlockFormat(name)), *findBlockFormat(name), 64, 25 * 256);
  expectNoSpills(text);
}

TEST(AssemblerTest, AttentionOverEveryCacheFits) {
  for (const char *element : {"f16", "bf16", "f32", "q8_0", "fp8_e4m3"})
    for (int64_t sharing : {1, 4, 7, 8, 16}) {
      SCOPED_TRACE(element + std::to_string(sharing));
      expectNoSpills(AttentionShape{2 * sharing, 2, 128, 128, element}.text());
    }
  expectNoSpills(AttentionShape{16, 2, 256, 256, "bf16", 1024, 30.0}.text());
  for (const char *element : {"f16", "bf16", "fp8_e4m3"})
    for (int64_t value : {256, 512}) { // the most that goes to tensor cores, and more
      SCOPED_TRACE(element + std::to_string(value));
      expectNoSpills(AttentionShape{16, 1, 256, value, element, 1024}.text());
    }
}

/// What needs the most registers and shared memory: two products that meet, a residual, both forms of the result.
TEST(AssemblerTest, ProductsThatMeetFit) {
  std::string text;
  for (const char *format : {"q4_k", "q6_k", "q2_k", "f16", "bf16"}) {
    const std::string name = format, h = "tensor<?x64xf32>", h8 = "tensor<?x64x!lm.q8>";
    const std::string rows = name.ends_with("f16") ? "tensor<?x1024xf32>" : "tensor<?x1024x!lm.q8>";
    const std::string weight = "tensor<64x1024x!lm.block<" + name + ">>",
                      product = " : (" + rows + ", " + weight + ") -> " + h;
    text += "plan.kernel @gated_" + name + " {\n^bb0(%x: " + rows + ", %g: " + weight + ", %u: " + weight +
            ", %r: " + h + "):\n  %0 = lm.linear %x, %g" + product + "\n  %1 = lm.linear %x, %u" + product +
            "\n  %2 = lm.gated_activation silu %0, %1 : " + h + "\n  %3 = arith.addf %2, %r : " + h +
            "\n  %4 = lm.quantize %3 : " + h + " -> " + h8 + "\n  plan.yield %3, %4 : " + h + ", " + h8 +
            "\n}\n";
  }
  expectNoSpills(text);
}

TEST(AssemblerTest, ExpertsFit) {
  const std::string x = "tensor<?x256x!lm.q8>", e = "tensor<?x8xi32>", w = "tensor<?x8xf32>",
                    y = "tensor<?x8x64xf32>", matrices = "tensor<128x64x256x!lm.block<q4_k>>",
                    logits = "tensor<?x128xf32>";
  std::string text =
      kernelText("experts", {x, e, matrices, y},
                 "lm.expert_linear %a, %b, %c : (" + x + ", " + e + ", " + matrices + ") -> " + y);
  text += kernelText("combine", {y, w, "tensor<?x64xf32>"},
                     "lm.combine_experts %a, %b : (" + y + ", " + w + ") -> tensor<?x64xf32>");
  text += "plan.kernel @route {\n^bb0(%l: " + logits + "):\n  %e, %w = lm.route_experts %l {normalize} : (" +
          logits + ") -> (" + e + ", " + w + ")\n  plan.yield %e, %w : " + e + ", " + w + "\n}\n";
  expectNoSpills(text);
}

TEST(AssemblerTest, EmbeddingsAndAnglesFit) {
  const std::string ids = "tensor<?xi32>", rows = "tensor<?x1024xf32>", table = "tensor<?x4xf32>";
  std::string text =
      kernelText("angles", {ids, table},
                 "lm.rope_table %a {frequencies = array<f64: 1.0, 0.1>, magnitude = 1.0 : f32} : (" + ids +
                     ") -> " + table);
  for (const char *format : {"f16", "q8_0", "q4_k", "q6_k", "iq4_xs"}) {
    const std::string weight = "tensor<512x1024x!lm.block<" + std::string(format) + ">>";
    text += kernelText("embedding_" + std::string(format), {ids, weight, rows},
                       "lm.embedding %a, %b : (" + ids + ", " + weight + ") -> " + rows);
  }
  expectNoSpills(text);
}

TEST(AssemblerTest, RowsFit) {
  const std::string rows = "tensor<?x4096xf32>", vector = "tensor<4096xf32>", table = "tensor<?x128xf32>";
  std::string text = kernelText("norm", {rows, vector, rows},
                                "lm.rms_norm %a, %b {epsilon = 1.0e-5 : f32} : " + rows + ", " + vector);
  text += kernelText("layer_norm", {rows, vector, vector, rows},
                     "lm.layer_norm %a, %b, %c {epsilon = 1.0e-5 : f32} : " + rows + ", " + vector + ", " +
                         vector);
  text += kernelText("layer_norm_without_bias", {rows, vector, rows},
                     "lm.layer_norm %a, %b {epsilon = 1.0e-5 : f32} : " + rows + ", " + vector);
  text += kernelText("rotate", {rows, table, rows},
                     "lm.rotary_embedding %a, %b {head_length = 128 : i64} : " + rows + ", " + table);
  text += kernelText("round", {rows, "tensor<?x4096x!lm.q8>"},
                     "lm.quantize %a : " + rows + " -> tensor<?x4096x!lm.q8>");
  text += kernelText("gather", {rows, "tensor<?xi32>", rows},
                     "lm.gather_rows %a, %b : (" + rows + ", tensor<?xi32>) -> " + rows);
  for (const char *activation : {"silu", "gelu", "gelu_tanh", "sigmoid", "relu"})
    text += kernelText(activation, {rows, rows, rows},
                       "lm.gated_activation " + std::string(activation) + " %a, %b : " + rows);
  expectNoSpills(text);
}

TEST(AssemblerTest, CandidatesFit) {
  const std::string logits = "tensor<?x128256xf32>", values = "tensor<?x64xf32>", ids = "tensor<?x64xi32>";
  expectNoSpills("plan.kernel @top_k {\n^bb0(%l: " + logits + "):\n  %v, %i = lm.top_k %l : (" + logits +
                 ") -> (" + values + ", " + ids + ")\n  plan.yield %v, %i : " + values + ", " + ids +
                 "\n}\n");
}

} // namespace
