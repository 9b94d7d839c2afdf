//===- LoweredKernelTest.cpp - kernels that are loops over memory already -----------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr int64_t kTurns = 1 << 20;

/// A loop each of whose turns takes `scratch` on the stack.
std::string loopWith(const std::string &scratch) {
  return R"(plan.kernel @copy {
^bb0(%x: memref<1048576xf32>, %y: memref<1048576xf32>):
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %n = arith.constant 1048576 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %size = arith.addi %c16, %c16 : index
    %scratch = )" +
         scratch + R"(
    %place = arith.remui %i, %c16 : index
    %0 = memref.load %x[%i] : memref<1048576xf32>
    memref.store %0, %scratch[%place] : )" +
         scratch.substr(scratch.find("memref<")) + R"(
    %1 = memref.load %scratch[%place] : )" +
         scratch.substr(scratch.find("memref<")) + R"(
    memref.store %1, %y[%i] : memref<1048576xf32>
  }
  plan.yield
})";
}

/// The stack of a thread is smaller than what all turns together would take.
TEST(LoweredKernelTest, TurnsOfALoopShareTheirScratch) {
  std::vector<float> x(kTurns), y(kTurns);
  std::iota(x.begin(), x.end(), 0.0f);
  auto library =
      KernelLibrary::compile(loopWith("memref.alloca() : memref<16xf32>"), runnableTargets().back());
  ASSERT_TRUE(library);
  ASSERT_EQ(library->variants("copy").front().workgroups, kTurns / 1024);
  library->run("copy", 0, {x.data(), y.data()}, {1, 0, 1, 1}, /*parts=*/3);
  EXPECT_EQ(x, y);
}

TEST(LoweredKernelTest, ScratchOfUnknownSizeIsRefused) {
  EXPECT_THAT(
      compileErrors(loopWith("memref.alloca(%size) : memref<?xf32>"), runnableTargets().back()),
      testing::HasSubstr("expected memory on the stack of a size that is known, got: 'memref<?xf32>'"));
}

} // namespace
