//===- FormsTest.cpp - what kernels for GPUs refuse ---------------------------------------------------===//

#include "test/Target/CPU/AttentionHarness.h"

#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::test;

namespace {

TEST(FormsTest, RefusesBlocksThatShareMoreThanThereIs) {
  std::string errors = compileErrors(AttentionShape{8, 1, 2048, 64, "f16"}.text(), "ptx");
  EXPECT_NE(errors.find("needs more of a GPU's shared memory in kernel 'attention$split' than there is: "), std::string::npos)
      << errors;
}

} // namespace
