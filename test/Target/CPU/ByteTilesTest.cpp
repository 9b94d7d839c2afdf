//===- ByteTilesTest.cpp - code for AMX where there is none -------------------------------------------===//
//
// Kernels are generated for x86-64-v4-amx, and then each tile instruction becomes a call of a model of the
// unit, so that the rest, from decoding to scaling, runs on any machine with AVX-512: the bits are those of
// the other targets. The model is after the instruction set's reference: what would raise an exception there
// fails here.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/KernelEmitter.h"
#include "lib/Target/CPU/ObjectEmitter.h"
#include "test/Target/CPU/KernelHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace lamina;
using namespace lamina::test;

namespace {

//===--- The unit --------------------------------------------------------------------------------------===//

struct Tile {
  int64_t rows = 0, rowBytes = 0;
  int8_t bytes[16][64] = {};

  int32_t &sum(int64_t row, int64_t column) { return reinterpret_cast<int32_t *>(bytes[row])[column]; }
};

Tile tiles[8];
bool configured = false;
int64_t products = 0; ///< so far

void loadConfiguration(const uint8_t *bytes) {
  EXPECT_EQ(bytes[0], 1) << "palette";
  EXPECT_FALSE(configured) << "the unit is set up twice";
  configured = true;
  for (int64_t i = 1; i < 64; ++i)
    if (i < 16 || (i >= 32 && i < 48) || i >= 56)
      EXPECT_EQ(bytes[i], 0) << "reserved byte " << i;
  for (int64_t i = 0; i < 8; ++i) {
    tiles[i] = {.rows = bytes[48 + i], .rowBytes = bytes[16 + 2 * i] | bytes[17 + 2 * i] << 8};
    EXPECT_LE(tiles[i].rows, 16);
    EXPECT_LE(tiles[i].rowBytes, 64);
  }
}

void release() {
  EXPECT_TRUE(configured);
  configured = false;
}

Tile &tile(int64_t number) {
  EXPECT_TRUE(configured && tiles[number].rows != 0) << "tile " << number << " is not set up";
  return tiles[number];
}

void zero(int64_t number) { std::memset(tile(number).bytes, 0, sizeof Tile::bytes); }

void load(int64_t number, const int8_t *memory, int64_t pitch) {
  zero(number);
  for (int64_t row = 0; row < tile(number).rows; ++row)
    std::memcpy(tile(number).bytes[row], memory + row * pitch, size_t(tile(number).rowBytes));
}

void store(int64_t number, int8_t *memory, int64_t pitch) {
  for (int64_t row = 0; row < tile(number).rows; ++row)
    std::memcpy(memory + row * pitch, tile(number).bytes[row], size_t(tile(number).rowBytes));
}

void multiply(int64_t sums, int64_t left, int64_t right) {
  Tile &c = tile(sums), &a = tile(left), &b = tile(right);
  EXPECT_TRUE(c.rows == a.rows && c.rowBytes == b.rowBytes && a.rowBytes == 4 * b.rows && sums != left &&
              sums != right && left != right);
  for (int64_t m = 0; m < c.rows; ++m)
    for (int64_t n = 0; n < c.rowBytes / 4; ++n)
      for (int64_t k = 0; k < a.rowBytes; ++k)
        c.sum(m, n) += a.bytes[m][k] * b.bytes[k / 4][4 * n + k % 4];
  ++products;
}

//===--- Code that calls it ----------------------------------------------------------------------------===//

uint64_t modelOf(StringRef intrinsic) {
  auto address = [](auto *function) { return reinterpret_cast<uint64_t>(function); };
  return llvm::StringSwitch<uint64_t>(intrinsic)
      .Case("llvm.x86.ldtilecfg", address(loadConfiguration))
      .Case("llvm.x86.tilerelease", address(release))
      .Case("llvm.x86.tilezero", address(zero))
      .Case("llvm.x86.tileloadd64", address(load))
      .Case("llvm.x86.tilestored64", address(store))
      .Case("llvm.x86.tdpbssd", address(multiply))
      .Default(0);
}

void callModels(ModuleOp module) {
  SmallVector<LLVM::CallIntrinsicOp> calls;
  module.walk([&](LLVM::CallIntrinsicOp call) {
    if (modelOf(call.getIntrin()) != 0)
      calls.push_back(call);
  });
  for (LLVM::CallIntrinsicOp call : calls) {
    ImplicitLocOpBuilder b(call.getLoc(), call);
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    Value address = arith::ConstantOp::create(b, b.getI64IntegerAttr(int64_t(modelOf(call.getIntrin()))));
    SmallVector<Value> operands = {LLVM::IntToPtrOp::create(b, pointer, address)};
    SmallVector<Type> types;
    for (Value argument : call.getArgs()) {
      if (argument.getType().isInteger(8)) // the number of a tile
        argument = arith::ExtSIOp::create(b, b.getI64Type(), argument);
      operands.push_back(argument);
      types.push_back(argument.getType());
    }
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types);
    LLVM::CallOp::create(b, type, operands);
    call.erase();
  }
}

/// Code for AMX that runs without it.
std::string compileWithModels(ArrayRef<KernelSource> kernels) {
  const TargetInfo &amx = *findTargetInfo("x86-64-v4-amx"), &host = *findTargetInfo("x86-64-v4-vnni");
  std::vector<std::string> objects;
  for (const KernelSource &kernel : kernels) {
    MLIRContext context;
    loadKernelDialects(context);
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    auto forms = kernelForms(kernel);
    for (const KernelForm &form : *forms)
      emitKernel(kernel, form, amx, *module);
    callModels(*module);
    objects.push_back(llvm::cantFail(emitObject(*module, host)));
  }
  return llvm::cantFail(linkObjects(objects, host));
}

class ByteTilesTest : public testing::Test {
protected:
  /// All but the tiles is vector code, which only a machine with these instructions runs; AssemblyTest reads it on
  /// every machine.
  void SetUp() override {
    if (!llvm::is_contained(runnableTargets(), "x86-64-v4-vnni"))
      GTEST_SKIP() << "skipped: this machine has no AVX-512 with VNNI";
  }
};

TEST_F(ByteTilesTest, EveryFormatGivesTheBitsOfVectors) {
  Random random(41);
  std::string text;
  std::vector<const BlockFormat *> formats;
  for (const BlockFormat &format : allBlockFormats())
    if (!format.isPlain()) {
      formats.push_back(&format);
      text += linearText(lowerName(format), format, 35, columnsFor(format), "!lm.q8");
    }
  auto vectors = KernelLibrary::compile(text, "x86-64-v4-vnni");
  auto withTiles = KernelLibrary::compile(text, compileWithModels);
  ASSERT_TRUE(vectors && withTiles);
  for (const BlockFormat *format : formats) {
    std::string name = lowerName(*format);
    for (const Matrix &w :
         {randomMatrix(random, *format, 35, columnsFor(*format)),
          filledMatrix(random, *format, 35, columnsFor(*format), {0xFF, 0x00, 0x77, 0x88, 0x80, 0x7F})})
      for (int64_t tokens : {15, 16, 45}) {
        Matrix weight = w;
        QuantizedRows x = quantized(randomRows(random, tokens, w.columns));
        Rows expected = runLinear(*vectors, name, 2, x, weight);
        int64_t before = products;
        Rows y = runLinear(*withTiles, name, 2, x, weight);
        EXPECT_TRUE(y.sameBits(expected)) << name << ", " << tokens << " tokens";
        EXPECT_FALSE(configured) << "the unit is not freed";
        // For each tile of tokens and three groups, one for each scale of 16 or 32 elements.
        int64_t scale = std::min<int64_t>(format->subBlock, 32);
        EXPECT_EQ(products - before, tokens / 16 * 3 * (w.columns / scale)) << name;
      }
  }
}

TEST_F(ByteTilesTest, ScalesOfBothLengthsMeetInAGate) {
  const std::string text = R"(plan.kernel @gated {
^bb0(%x: tensor<?x256x!lm.q8>, %g: tensor<96x256x!lm.block<q4_k>>, %u: tensor<96x256x!lm.block<q6_k>>,
     %v: tensor<40x256x!lm.block<q8_0>>):
  %0 = lm.linear %x, %g : (tensor<?x256x!lm.q8>, tensor<96x256x!lm.block<q4_k>>) -> tensor<?x96xf32>
  %1 = lm.linear %x, %u : (tensor<?x256x!lm.q8>, tensor<96x256x!lm.block<q6_k>>) -> tensor<?x96xf32>
  %2 = lm.gated_activation silu %0, %1 : tensor<?x96xf32>
  %3 = lm.quantize %2 : tensor<?x96xf32> -> tensor<?x96x!lm.q8>
  %4 = lm.linear %x, %v : (tensor<?x256x!lm.q8>, tensor<40x256x!lm.block<q8_0>>) -> tensor<?x40xf32>
  plan.yield %3, %4 : tensor<?x96x!lm.q8>, tensor<?x40xf32>
})";
  Random random(42);
  Matrix g = randomMatrix(random, *findBlockFormat("Q4_K"), 96, 256),
         u = randomMatrix(random, *findBlockFormat("Q6_K"), 96, 256),
         v = randomMatrix(random, *findBlockFormat("Q8_0"), 40, 256);
  QuantizedRows x = quantized(randomRows(random, 37, 256));
  std::vector<QuantizedRows> gated(2, QuantizedRows(37, 96));
  std::vector<Rows> other(2, Rows(37, 40));
  for (size_t i : {0, 1}) {
    auto library = i == 0 ? KernelLibrary::compile(text, "x86-64-v4-vnni")
                          : KernelLibrary::compile(text, compileWithModels);
    ASSERT_TRUE(library);
    library->run("gated",
                 {x.pointer(), g.packed.data(), u.packed.data(), v.packed.data(), gated[i].pointer(),
                  other[i].pointer()},
                 LaminaStep{37, 0, 1, 1});
  }
  EXPECT_EQ(std::memcmp(gated[0].pointer(), gated[1].pointer(), BoundBuffer(gated[0].blocks).bytes), 0);
  EXPECT_TRUE(other[0].sameBits(other[1]));
}

/// Expert products, and all with f32, are those of vectors.
TEST_F(ByteTilesTest, OtherKernelsLeaveTheUnitAlone) {
  const std::string text = linearText("floats", *findBlockFormat("Q4_0"), 64, 256) + R"(
plan.kernel @experts {
^bb0(%x: tensor<?x64x!lm.q8>, %e: tensor<?x2xi32>, %w: tensor<5x40x64x!lm.block<q8_0>>):
  %0 = lm.expert_linear %x, %e, %w : (tensor<?x64x!lm.q8>, tensor<?x2xi32>, tensor<5x40x64x!lm.block<q8_0>>) -> tensor<?x2x40xf32>
  plan.yield %0 : tensor<?x2x40xf32>
})";
  EXPECT_EQ(compileText(text, {"x86-64-v4-amx"}), compileText(text, {"x86-64-v4-vnni"}));
}

} // namespace
