//===- KernelHarness.h - compiles kernels from text and runs them ---------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_TARGET_CPU_KERNELHARNESS_H
#define LAMINA_TEST_TARGET_CPU_KERNELHARNESS_H

#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/Kernels/PackedWeight.h"
#include "runtime/device/KernelABI.h"

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace lamina::test {

//===--- The kind of devices under test: HostDevice.cpp, or a program for another kind has its own ----------===//

/// The targets that this machine can run, the best last.
std::vector<std::string> runnableTargets();

/// The best of those that have the same instructions but for products of bytes: all that tests of other
/// instructions need (ObjectTest holds that the rest get the same code).
std::vector<std::string> floatTargets();

/// Whether kernels run so slowly that tests choose among their cases.
bool slowDevice();

mlir::FailureOr<std::vector<KernelVariant>> describeForDevice(const KernelSource &kernel);
/// A shared object for each target.
mlir::FailureOr<std::vector<std::string>> compileForDevice(llvm::ArrayRef<KernelSource> kernels,
                                                           llvm::ArrayRef<llvm::StringRef> targets);
/// Runs `symbol` of such an object over the workgroups of a form, split into `parts` ranges that run in reverse order
/// where the device runs ranges.
void launchOnDevice(void *symbol, const KernelVariant &form, const std::vector<void *> &bindings,
                    const LaminaStep &step, int64_t workgroups, int64_t parts);

//===--- Kernels ------------------------------------------------------------------------------------------------===//

/// All plan.kernel of a module, compiled for one target and loaded.
class KernelLibrary {
public:
  /// Null with a test failure if the text or a kernel is wrong.
  static std::unique_ptr<KernelLibrary> compile(const std::string &mlir, const std::string &target,
                                                plan::RowExtent rows = plan::RowExtent::tokens);
  /// The same with the shared object that `compiler` makes; empty if it fails.
  using Compiler = std::function<std::string(llvm::ArrayRef<KernelSource>)>;
  static std::unique_ptr<KernelLibrary> compile(const std::string &mlir, const Compiler &compiler,
                                                plan::RowExtent rows = plan::RowExtent::tokens);
  ~KernelLibrary();

  const std::vector<KernelVariant> &variants(const std::string &kernel) const { return variants_.at(kernel); }
  /// Those that admit a step of `tokens`.
  std::vector<size_t> formsFor(const std::string &kernel, int64_t tokens) const;

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

/// The forms of each kernel of a module.
std::map<std::string, std::vector<KernelVariant>> describeText(const std::string &mlir);

/// The errors that compiling a module for a target gives, one a line; empty if there are none.
std::string compileErrors(const std::string &mlir, const std::string &target);

/// Memory that a kernel is bound to.
struct BoundBuffer {
  void *data;
  size_t bytes;

  BoundBuffer(void *data, size_t bytes) : data(data), bytes(bytes) {}
  template <typename T>
  BoundBuffer(std::vector<T> &vector) : data(vector.data()), bytes(vector.size() * sizeof(T)) {}
};

/// Rows of activations with their padding.
struct Rows {
  int64_t rows, width, stride;
  std::vector<float> data;

  /// Filled with NaN, so that what a kernel fails to write is seen.
  Rows(int64_t rows, int64_t width);
  float *row(int64_t r) { return data.data() + r * stride; }
  const float *row(int64_t r) const { return data.data() + r * stride; }
  double at(int64_t r, int64_t k) const { return row(r)[k]; }
  void *pointer() { return data.data(); }
  std::vector<float> unpadded() const;
  bool paddingIsZero() const;
  bool sameBits(const Rows &other) const {
    return std::memcmp(data.data(), other.data.data(), data.size() * sizeof(float)) == 0;
  }
};

using Random = std::mt19937;

/// Normally distributed elements and zeros in the padding.
Rows randomRows(Random &random, int64_t rows, int64_t width, float scale = 1.0f);

/// Rows of activations rounded to eight bits.
struct QuantizedRows {
  int64_t rows, width;
  std::vector<LaminaQuantizedBlock> blocks;

  QuantizedRows(int64_t rows, int64_t width);
  LaminaQuantizedBlock *row(int64_t r) { return blocks.data() + r * width / LAMINA_QUANTIZED_BLOCK_ELEMENTS; }
  const LaminaQuantizedBlock *row(int64_t r) const { return const_cast<QuantizedRows *>(this)->row(r); }
  void *pointer() { return blocks.data(); }
  /// The number that an element stands for.
  double at(int64_t r, int64_t k) const;
  /// Computes the sums after codes and scales have been set.
  void finish();
};

/// As lm.quantize rounds them.
QuantizedRows quantized(const Rows &rows);

/// A matrix in a block format: random blocks with finite scales, their f32 values, and the packed bytes.
struct Matrix {
  int64_t rows, columns;
  std::vector<uint8_t> bytes;
  std::vector<float> values;
  std::vector<uint8_t> packed;
};
Matrix randomMatrix(Random &random, const BlockFormat &format, int64_t rows, int64_t columns);
/// The same with every byte of a row `fill[row % fill.size()]`, but for the scales of blocks.
Matrix filledMatrix(Random &random, const BlockFormat &format, int64_t rows, int64_t columns,
                    const std::vector<uint8_t> &fill);

/// Rows (or quantised rows) times rows of a matrix, row after row.
template <typename Activations> std::vector<double> product(const Activations &x, const Matrix &w) {
  std::vector<double> y;
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t n = 0; n < w.rows; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < w.columns; ++k)
        sum += x.at(t, k) * double(w.values[n * w.columns + k]);
      y.push_back(sum);
    }
  return y;
}

/// `lm.linear` of a matrix and activations of `element` as a kernel.
std::string linearText(const std::string &name, const BlockFormat &format, int64_t rows, int64_t columns,
                       const std::string &element = "f32");
/// A length of rows that has blocks to spare but is no power of two.
int64_t columnsFor(const BlockFormat &format);
/// tensor<…x!lm.block<…>>
std::string matrixType(const BlockFormat &format, int64_t rows, int64_t columns);

/// Runs a form of linearText's kernel.
template <typename Activations>
Rows runLinear(const KernelLibrary &library, const std::string &name, size_t variant, Activations &x,
               Matrix &w, int64_t parts = 1) {
  Rows y(x.rows, w.rows);
  library.run(name, variant, {x.pointer(), w.packed.data(), y.pointer()}, LaminaStep{x.rows, 0, 1, 1}, parts);
  return y;
}

/// Packs through packWeight.
std::vector<uint8_t> pack(const std::string &type, const BlockFormat &format, const uint8_t *bytes,
                          int64_t ropeHeads = 0, int64_t ropeLength = 0, unsigned threads = 2);
/// The same of a matrix that the file holds transposed.
std::vector<uint8_t> packTransposed(const std::string &type, const BlockFormat &format, const uint8_t *bytes,
                                    int64_t columnPitch);
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
