//===- HardwareTest.cpp - what is relied on of tensor cores, on a GPU ------------------------------------===//
//
// How tensor cores add no document says; what kernels take for granted is tested where there is a GPU: the sum in a row
// and a column does not depend on the other rows and columns nor on where these stand, and products of zeros leave a sum
// as it was. So forms give the same bits. From sm_90 on kernels begin before those in front of them are done. The same
// runs on the simulated GPU, through the runtime's device.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "test/Target/CPU/AttentionHarness.h"

#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/transport/SharedSegment.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr std::string_view kDriver = "libcuda.so.1";

/// NVIDIA's driver, without which there is nothing to test, or the simulator.
class HardwareTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    auto created = cuda::CudaDevice::create(GetParam(), 0);
    if (absl::IsFailedPrecondition(created.status()) && GetParam() == kDriver)
      GTEST_SKIP() << "skipped: " << created.status().message();
    ASSERT_TRUE(created.ok()) << created.status();
    device_ = std::move(*created);
    auto memory = SharedSegment::create(kBytes, "the test");
    auto arena = device_->allocate(kBytes, "the test");
    ASSERT_TRUE(memory.ok() && arena.ok()) << memory.status() << arena.status();
    memory_ = std::move(*memory);
    arena_ = *arena;
    ASSERT_TRUE(device_->mapHost(memory_.data(), kBytes).ok());
  }

  /// The kernels of a module, once for a device.
  void load(const std::string &text) {
    std::vector<CodeFile> files;
    // The code for sm_90a is PTX here, which the driver takes as well.
    for (auto [target, name] :
         {std::pair("ptx", "ptx"), std::pair("sm_90a", "sm_90a"), std::pair("cuda_sim", "sim")}) {
      std::string path = testing::TempDir() + "hardware-test." + std::to_string(getpid()) + "." + name;
      std::ofstream(path, std::ios::binary) << compileText(text, {target}).at(0);
      files.push_back({path, name});
    }
    absl::Status status = device_->loadCode(files);
    ASSERT_TRUE(status.ok()) << status;
    for (const CodeFile &file : files)
      std::filesystem::remove(file.path);
    forms_ = describeText(text);
  }

  /// Where the device has buffers that lie one behind another, as they do on the host.
  std::vector<void *> place(const std::vector<BoundBuffer> &buffers) {
    std::vector<void *> places;
    size_t end = 0;
    for (const BoundBuffer &buffer : buffers) {
      EXPECT_LE(end + buffer.bytes, kBytes);
      std::memcpy(memory_.data() + end, buffer.data, buffer.bytes);
      places.push_back(arena_ + end);
      end = llvm::alignTo(end + buffer.bytes, LAMINA_BUFFER_ALIGNMENT);
    }
    check(device_->copyFromHost(arena_, memory_.data(), end));
    return places;
  }

  void launch(const KernelVariant &form, const std::vector<void *> &bindings, const LaminaStep &step) {
    auto kernel = device_->findKernel({form.symbol, form.blockThreads, form.sharedBytes});
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    int64_t rows = form.extent == plan::RowExtent::fixed ? 1 : step.tokens;
    check(device_->launch(*kernel, bindings, rows * int64_t(form.workgroups)));
  }

  /// Waits for what has been launched.
  void read(const BoundBuffer &buffer, const void *place) {
    check(device_->copyToHost(memory_.data(), place, buffer.bytes));
    std::memcpy(buffer.data, memory_.data(), buffer.bytes);
  }

  void run(const KernelVariant &form, const std::vector<BoundBuffer> &buffers, const LaminaStep &step) {
    std::vector<void *> places = place(buffers);
    check(device_->beginStep(step));
    launch(form, places, step);
    for (auto [buffer, from] : llvm::zip(buffers, places))
      read(buffer, from);
  }

  static void check(const absl::Status &status) { ASSERT_TRUE(status.ok()) << status; }

  /// A conversation in one step, and in smaller ones.
  void converseInSteps(const AttentionShape &shape) {
    load(shape.text());
    AttentionRunner runner = [this](const std::string &kernel, size_t form,
                                    const std::vector<BoundBuffer> &buffers, LaminaStep step,
                                    int64_t) { run(forms_.at(kernel).at(form), buffers, step); };
    Random random(2);
    Tokens tokens(random, shape, kTokens);
    Rows together = converse(shape, runner, tokens, kTokens);
    for (int64_t rows : {8, 37})
      EXPECT_TRUE(converse(shape, runner, tokens, rows).sameBits(together)) << rows;
  }

  static constexpr size_t kBytes = 64 << 20;
  static constexpr int64_t kTokens = 140; // more than a block of positions
  std::unique_ptr<cuda::CudaDevice> device_;
  SharedSegment memory_;
  std::byte *arena_ = nullptr;
  std::map<std::string, std::vector<KernelVariant>> forms_;
};

/// One token, some that fill no tile, and more than a tile: alone and together.
TEST_P(HardwareTest, ProductsGiveTheSameBitsInEveryForm) {
  Random random(1);
  std::string text;
  for (const char *name : {"F16", "BF16"})
    text += linearText(name, *findBlockFormat(name), 40, 288);
  load(text);
  for (const char *name : {"F16", "BF16"}) {
    Matrix w = randomMatrix(random, *findBlockFormat(name), 40, 288);
    auto multiply = [&](Rows &x, const KernelVariant &form) {
      Rows y(x.rows, w.rows);
      run(form, {{x.data}, {w.packed}, {y.data}}, LaminaStep{x.rows, 0, 1, 1});
      return y;
    };
    const std::vector<KernelVariant> &forms = forms_.at(name);
    Rows all = randomRows(random, 21, w.columns), expected = multiply(all, forms.back());
    EXPECT_LT(relativeError(product(all, w), expected.unpadded()), 1e-5) << name;
    for (auto [begin, count] : {std::pair(0, 1), std::pair(20, 1), std::pair(3, 5), std::pair(2, 19)}) {
      Rows x = slice(all, begin, count), y = slice(expected, begin, count);
      for (const KernelVariant &form : forms)
        if (form.maxTokens == 0 || count <= int64_t(form.maxTokens))
          EXPECT_TRUE(multiply(x, form).sameBits(y)) << form.symbol << ", " << count << " tokens";
    }
  }
}

/// Rows that go together have blocks of positions in which some attend to nothing, whose weights are zeros.
TEST_P(HardwareTest, AttentionGivesTheSameBitsHoweverRowsGoTogether) {
  converseInSteps({8, 2, 64, 64, "f16"});
}
TEST_P(HardwareTest, AttentionToAWindowDoesToo) { converseInSteps({4, 1, 64, 64, "bf16", /*window=*/100}); }

/// Each product reads what the one before it writes, and writes what the one before that has read.
TEST_P(HardwareTest, LaunchesThatOverlapGiveTheSameBits) {
  constexpr int64_t kRows = 512, kProducts = 12; // numbers grow by some twenty times each
  const BlockFormat &format = *findBlockFormat("F16");
  load(linearText("F16", format, kRows, kRows));
  Random random(3);
  Matrix w = randomMatrix(random, format, kRows, kRows);
  const KernelVariant &form = forms_.at("F16").front();
  for (int64_t tokens : {1, 8}) {
    Rows x = randomRows(random, tokens, kRows), y(tokens, kRows);
    auto multiply = [&](bool apart) {
      std::vector<void *> places = place({{x.data}, {w.packed}, {y.data}});
      LaminaStep step{tokens, 0, 1, 1};
      check(device_->beginStep(step));
      Rows last(tokens, kRows);
      for (int64_t i = 0; i < kProducts; ++i) {
        launch(form, places, step);
        std::swap(places[0], places[2]);
        if (apart)
          read({last.data}, places[0]);
      }
      read({last.data}, places[0]);
      return last;
    };
    EXPECT_TRUE(multiply(false).sameBits(multiply(true))) << tokens;
  }
}

INSTANTIATE_TEST_SUITE_P(Drivers, HardwareTest, testing::Values(LAMINA_CUDA_SIM, kDriver.data()),
                         [](const auto &info) {
                           return std::string(info.index == 0 ? "Simulated" : "Real");
                         });

} // namespace
