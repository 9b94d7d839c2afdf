//===- ObjectTest.cpp - shared objects: what they need, export and weigh ------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "lib/Target/Kernels/TargetInfo.h"

#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::test;

namespace {

/// One kernel of each kind; the formats need every way of decoding.
const std::string kEveryKind = R"(
plan.kernel @linear {
^bb0(%x: tensor<?x256xf32>, %w: tensor<40x256x!lm.block<q4_k>>, %r: tensor<?x40xf32>):
  %0 = lm.linear %x, %w : (tensor<?x256xf32>, tensor<40x256x!lm.block<q4_k>>) -> tensor<?x40xf32>
  %1 = lm.soft_cap %0, 30.0 : tensor<?x40xf32>
  %2 = arith.addf %1, %r : tensor<?x40xf32>
  plan.yield %2 : tensor<?x40xf32>
}
plan.kernel @embedding {
^bb0(%i: tensor<?xi32>, %w: tensor<37x32x!lm.block<mxfp4>>):
  %0 = lm.embedding %i, %w : (tensor<?xi32>, tensor<37x32x!lm.block<mxfp4>>) -> tensor<?x32xf32>
  plan.yield %0 : tensor<?x32xf32>
}
plan.kernel @half {
^bb0(%x: tensor<?x33xf32>, %w: tensor<16x33x!lm.block<f16>>):
  %0 = lm.linear %x, %w : (tensor<?x33xf32>, tensor<16x33x!lm.block<f16>>) -> tensor<?x16xf32>
  plan.yield %0 : tensor<?x16xf32>
}
plan.kernel @norm {
^bb0(%x: tensor<?x64xf32>, %g: tensor<64xf32>):
  %0 = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
plan.kernel @rope {
^bb0(%p: tensor<?xi32>):
  %0 = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x4xf32>
  plan.yield %0 : tensor<?x4xf32>
}
plan.kernel @gated {
^bb0(%x: tensor<?x64xf32>, %e: tensor<?x2xi32>, %g: tensor<5x40x64x!lm.block<iq4_nl>>, %u: tensor<5x40x64x!lm.block<q5_1>>):
  %0 = lm.expert_linear %x, %e, %g : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<5x40x64x!lm.block<iq4_nl>>) -> tensor<?x2x40xf32>
  %1 = lm.expert_linear %x, %e, %u : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<5x40x64x!lm.block<q5_1>>) -> tensor<?x2x40xf32>
  %2 = lm.gated_activation gelu_tanh %0, %1 : tensor<?x2x40xf32>
  plan.yield %2 : tensor<?x2x40xf32>
}
plan.kernel @route {
^bb0(%l: tensor<?x8xf32>):
  %e, %w = lm.route_experts %l {normalize} : (tensor<?x8xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>)
  plan.yield %e, %w : tensor<?x2xi32>, tensor<?x2xf32>
}
plan.kernel @append {
^bb0(%c: !lm.kv_cache<2 x 80 x 80, f16>, %k: tensor<?x160xf32>, %v: tensor<?x160xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %b: tensor<?x?xi32>):
  %0 = lm.cache_append %c, %k, %v at %p, %s, %b : !lm.kv_cache<2 x 80 x 80, f16>, tensor<?x160xf32>, tensor<?x160xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  plan.yield %0 : !lm.kv_cache<2 x 80 x 80, f16>
}
plan.kernel @attention {
^bb0(%q: tensor<?x320xf32>, %c: !lm.kv_cache<2 x 80 x 80, f16>, %p: tensor<?xi32>, %s: tensor<?xi32>, %b: tensor<?x?xi32>):
  %0 = lm.online_attention %q, %c at %p, %s, %b {scale = 0.1 : f32, window = 100 : i64, range = 512, ranges = 2, split_tokens = 8} : tensor<?x320xf32>, !lm.kv_cache<2 x 80 x 80, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x336xf32>
  plan.yield %0 : tensor<?x336xf32>
}
plan.kernel @combine {
^bb0(%x: tensor<?x336xf32>, %p: tensor<?xi32>):
  %0 = lm.attention_combine %x at %p {heads = 4, window = 100 : i64, range = 512, ranges = 2, split_tokens = 8} : (tensor<?x336xf32>, tensor<?xi32>) -> tensor<?x320xf32>
  plan.yield %0 : tensor<?x320xf32>
}
)";

std::vector<std::string> allTargets() {
  std::vector<std::string> result;
  for (llvm::StringRef target : cpuTargets())
    result.push_back(target.str());
  return result;
}

/// An object for each target, compiled once for all tests.
const std::vector<std::string> &objectsOfAllTargets() {
  static const std::vector<std::string> objects = compileText(kEveryKind, allTargets());
  return objects;
}

TEST(ObjectTest, NeedsNothingAndExportsTheForms) {
  std::vector<std::string> targets = allTargets(), objects = objectsOfAllTargets();
  ASSERT_EQ(objects.size(), targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    auto file = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(objects[i], targets[i]));
    ASSERT_TRUE(bool(file)) << targets[i];
    auto *elf = llvm::cast<llvm::object::ELF64LEObjectFile>(file->get());
    bool arm = llvm::StringRef(targets[i]).starts_with("aarch64");
    EXPECT_EQ(elf->getELFFile().getHeader().e_machine, arm ? llvm::ELF::EM_AARCH64 : llvm::ELF::EM_X86_64);
    std::vector<std::string> symbols;
    for (llvm::object::ELFSymbolRef symbol : elf->getDynamicSymbolIterators()) {
      EXPECT_FALSE(*symbol.getFlags() & llvm::object::SymbolRef::SF_Undefined)
          << targets[i] << " needs " << symbol.getName()->str();
      symbols.push_back(symbol.getName()->str());
    }
    EXPECT_THAT(symbols, testing::UnorderedElementsAre("linear.t1", "linear.t4", "linear.any", "half.t1",
                                                       "half.t4", "half.any", "embedding", "norm", "rope",
                                                       "gated", "route", "append", "attention.split",
                                                       "attention.any", "combine.split", "combine.any"));
    auto entries = elf->getELFFile().dynamicEntries();
    ASSERT_TRUE(bool(entries));
    for (const auto &entry : *entries)
      EXPECT_NE(entry.d_tag, llvm::ELF::DT_NEEDED) << targets[i];
  }
}

TEST(ObjectTest, SameInputGivesSameBytes) {
  EXPECT_EQ(compileText(kEveryKind, allTargets()), objectsOfAllTargets());
}

/// Where targets of one CPU differ.
TEST(ObjectTest, SameProductOfBytesGivesSameBytes) {
  std::string text = linearText("bytes", *findBlockFormat("Q8_0"), 40, 96, "!lm.q8");
  std::vector<std::string> objects = compileText(text, allTargets());
  EXPECT_EQ(compileText(text, allTargets()), objects);
  std::sort(objects.begin(), objects.end());
  EXPECT_EQ(std::unique(objects.begin(), objects.end()), objects.end()) << "two targets have the same code";
}

/// Kernels of f32 alone are the same code for all targets with one CPU: see floatTargets.
TEST(ObjectTest, TargetsOfOneCpuDifferInProductsOfBytesAlone) {
  std::vector<std::string> targets = allTargets();
  const std::vector<std::string> &objects = objectsOfAllTargets();
  for (size_t i = 1; i < targets.size(); ++i)
    if (findTargetInfo(targets[i])->cpu == findTargetInfo(targets[i - 1])->cpu)
      EXPECT_TRUE(objects[i] == objects[i - 1]) << targets[i];
}

TEST(ObjectTest, UnknownTargetsAreRefused) {
  EXPECT_THAT(compileErrors(kEveryKind, "x86-64-v9"),
              testing::HasSubstr("no CPU target is called 'x86-64-v9'"));
}

/// Also where a program has no kernels.
TEST(ObjectTest, UnknownTargetsAreRefusedWithoutKernels) {
  mlir::MLIRContext context;
  std::string errors;
  context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diagnostic) { errors += diagnostic.str(); });
  EXPECT_TRUE(failed(compileKernels(mlir::UnknownLoc::get(&context), {}, {"x86-64-v9"}, 1)));
  EXPECT_EQ(errors, "no CPU target is called 'x86-64-v9'");
  auto objects = compileKernels(mlir::UnknownLoc::get(&context), {}, {runnableTargets().back()}, 1);
  ASSERT_TRUE(succeeded(objects));
  EXPECT_FALSE(objects->front().empty());
}

struct Refusal {
  const char *body, *message;
};

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesTheOperation) {
  std::string text = std::string("plan.kernel @k {\n") + GetParam().body + "\n}";
  EXPECT_THAT(compileErrors(text, runnableTargets().back()), testing::HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, RefusalTest,
    testing::Values(
        Refusal{R"(^bb0(%x: tensor<?x64xf32>, %w: tensor<64x64x!lm.block<f32>>, %g: tensor<64xf32>):
  %0 = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<f32>>) -> tensor<?x64xf32>
  %1 = lm.rms_norm %0, %g {epsilon = 0.0 : f32} : tensor<?x64xf32>, tensor<64xf32>
  plan.yield %1 : tensor<?x64xf32>)",
                "'lm.rms_norm' op has no CPU kernel together with the other operations"},
        Refusal{R"(^bb0(%x: tensor<?x64xf32>, %w: tensor<64x64x!lm.block<f32>>):
  %0 = lm.scale %x, 2.0 : tensor<?x64xf32>
  %1 = lm.linear %0, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<f32>>) -> tensor<?x64xf32>
  plan.yield %1 : tensor<?x64xf32>)",
                "'lm.linear' op has no CPU kernel together"},
        Refusal{R"(^bb0(%x: tensor<?x64xf32>, %t: tensor<?x8xf32>):
  %0 = lm.rotary_embedding %x, %t {head_length = 8 : i64} : tensor<?x64xf32>, tensor<?x8xf32>
  %1 = lm.scale %0, 2.0 : tensor<?x64xf32>
  plan.yield %1 : tensor<?x64xf32>)",
                "'lm.rotary_embedding' op has no CPU kernel together"},
        Refusal{R"(^bb0(%x: tensor<?x64xf32>, %w: tensor<64x64x!lm.block<q4_k>>):
  %0 = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_k>>) -> tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>)",
                "expected rows of whole blocks of 256 elements"},
        Refusal{R"(^bb0(%x: tensor<?x64xf32>, %w: tensor<64x64x!lm.block<q9_z>>):
  %0 = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q9_z>>) -> tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>)",
                "q9_z"},
        Refusal{R"(^bb0(%x: tensor<?x64xf32>):
  plan.yield)",
                "expected a kernel with a result"}));

} // namespace
