//===- KernelHarness.h - compiles kernels from text and runs them ---------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_TARGET_CPU_KERNELHARNESS_H
#define LAMINA_TEST_TARGET_CPU_KERNELHARNESS_H

#include "lib/Target/CPU/CPUTarget.h"
#include "runtime/device/cpu/KernelABI.h"

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace lamina::test {

/// The x86 targets that this machine can run, or aarch64; the widest last.
std::vector<std::string> runnableTargets();

/// All plan.kernel of a module, compiled for one target and loaded.
class KernelLibrary {
public:
  /// Null with a test failure if the text or a kernel is wrong.
  static std::unique_ptr<KernelLibrary> compile(const std::string &mlir, const std::string &target,
                                                plan::RowExtent rows = plan::RowExtent::tokens);
  ~KernelLibrary();

  const std::vector<KernelVariant> &variants(const std::string &kernel) const { return variants_.at(kernel); }

  /// Runs one form over all its workgroups, split into `parts` ranges that run in reverse order.
  void run(const std::string &kernel, size_t variant, const std::vector<void *> &bindings, LaminaStep step,
           int64_t parts = 1) const;
  /// Runs the form that the plan would choose for the step.
  void run(const std::string &kernel, const std::vector<void *> &bindings, LaminaStep step) const;

private:
  void *handle_ = nullptr;
  std::map<std::string, std::vector<KernelVariant>> variants_;
};

/// What one module's compilation gives for each of `targets`.
std::vector<std::string> compileText(const std::string &mlir, const std::vector<std::string> &targets);

/// The errors that compiling a module for a target gives, one a line; empty if there are none.
std::string compileErrors(const std::string &mlir, const std::string &target);

/// Rows of activations with their padding.
struct Rows {
  int64_t rows, width, stride;
  std::vector<float> data;

  /// Filled with NaN, so that what a kernel fails to write is seen.
  Rows(int64_t rows, int64_t width);
  float *row(int64_t r) { return data.data() + r * stride; }
  const float *row(int64_t r) const { return data.data() + r * stride; }
  void *pointer() { return data.data(); }
  bool paddingIsZero() const;
  bool sameBits(const Rows &other) const {
    return std::memcmp(data.data(), other.data.data(), data.size() * sizeof(float)) == 0;
  }
};

using Random = std::mt19937;

/// Normally distributed elements and zeros in the padding.
Rows randomRows(Random &random, int64_t rows, int64_t width, float scale = 1.0f);

/// A matrix in a block format: random blocks with finite scales, their f32 values, and the packed bytes.
struct Matrix {
  int64_t rows, columns;
  std::vector<uint8_t> bytes;
  std::vector<float> values;
  std::vector<uint8_t> packed;
};
Matrix randomMatrix(Random &random, const BlockFormat &format, int64_t rows, int64_t columns);

/// Packs through packWeight.
std::vector<uint8_t> pack(const std::string &type, const BlockFormat &format, const uint8_t *bytes,
                          int64_t ropeHeads = 0, int64_t ropeLength = 0, unsigned threads = 2);
/// The same from `parts` parts that are stacked.
std::vector<uint8_t> packParts(const std::string &type, const BlockFormat &format,
                               const std::vector<uint8_t> &bytes, size_t parts);
absl::Status packInto(const std::string &type, const BlockFormat &format, const uint8_t *bytes,
                      llvm::function_ref<absl::Status(std::span<const uint8_t>)> sink);
/// A vector as a weight buffer: padded to 16 with zeros.
std::vector<float> padded(const std::vector<float> &vector);

/// ||actual - expected|| / ||expected||
double relativeError(const std::vector<double> &expected, const std::vector<float> &actual);

std::string lowerName(const BlockFormat &format);

} // namespace lamina::test

#endif // LAMINA_TEST_TARGET_CPU_KERNELHARNESS_H
