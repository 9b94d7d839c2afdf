//===- CudaProbeTest.cpp - the measuring of a GPU, on the simulated one -------------------------------===//

#include "tools/lamina-bench/CudaProbe.h"

#include "tools/lamina-bench/CudaProbeKernels.h"
#include "tools/lamina-bench/Environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace lamina::bench {
namespace {

using ::testing::HasSubstr;

TEST(CudaProbe, MeasuresWhatNeedsNoKernel) {
  setenv("LAMINA_CUDA_DRIVER", LAMINA_CUDA_SIM, 1);
  setenv("LAMINA_CUDA_SIM_MEMORY", "16000000", 1);
  for (int repeat = 0; repeat < 2; ++repeat) { // each in a process of its own
    absl::StatusOr<CudaFigures> figures = probeCuda(CudaParts::All);
    ASSERT_TRUE(figures.ok()) << figures.status();
    EXPECT_STREQ(figures->name, "simulated GPU 0");
    EXPECT_EQ(figures->capability, 90);
    EXPECT_GT(figures->copy, 0);
    EXPECT_GT(figures->toDevice, 0);
    EXPECT_GT(figures->fromDevice, 0);
    EXPECT_EQ(figures->read, 0) << "the simulator compiles no PTX";
    EXPECT_THAT(figures->missing, HasSubstr("cannot compile kernel read: CUDA_ERROR_NO_BINARY_FOR_GPU"));
  }
}

TEST(CudaProbe, SaysThatThereIsNoGpu) {
  setenv("LAMINA_CUDA_DRIVER", "libno-such-driver.so", 1);
  EXPECT_THAT(std::string(probeCuda(CudaParts::Bandwidth).status().message()),
              HasSubstr("no CUDA device was found"));
}

TEST(CudaProbe, GivesUpAGpuThatHangs) {
  setenv("LAMINA_CUDA_DRIVER", LAMINA_HANGING_DRIVER, 1);
  EXPECT_EQ(probeCuda(CudaParts::All, 200).status().message(), "the GPU was not done after 200 ms");
}

/// Where NVIDIA's assembler is there, which no test may require, it takes what the driver would have to compile.
TEST(CudaProbe, KernelsAreAssembled) {
  std::string path = "PATH=$PATH:/usr/local/cuda/bin ",
              file = ::testing::TempDir() + "lamina-probe-" + std::to_string(getpid()) + ".ptx";
  if (std::system((path + "command -v ptxas >/dev/null").c_str()) != 0)
    GTEST_SKIP() << "skipped: no ptxas";
  std::vector<std::pair<std::string, std::string>> modules = {{cudaProbeKernels(), "sm_80"},
                                                              {waitingKernel(), "sm_90"}};
  for (const ProductKernel &kernel : productKernels())
    modules.emplace_back(kernel.ptx, kernel.capability == 90 ? "sm_90a" : "sm_80");
  for (const auto &[text, target] : modules) {
    std::ofstream(file) << text;
    EXPECT_EQ(std::system((path + "ptxas -arch=" + target + " -o /dev/null " + file).c_str()), 0) << text;
  }
  std::remove(file.c_str());
}

TEST(CudaProbe, PrintsATable) {
  CudaFigures figures = {
      .name = "H200", .capability = 90, .copy = 4.3e12, .launchSeconds = 2.5e-6, .missing = "no time"};
  EXPECT_EQ(cudaTable(figures), R"(| H200, sm_90 | |
| --- | ---: |
| copy in its memory, reads and writes | 4300.00 GB/s |
| read its memory | - |
| multiply-adds of bf16, in f32 | - |
| copy from the host | - |
| copy to the host | - |
| an empty kernel, launched | 2.50 us |
| an empty kernel, replayed | - |
| an empty kernel that waits, replayed | - |
| not measured | no time |
)");
}

TEST(BandwidthShare, IsThatOfTheWorkersDevice) {
  Environment environment;
  EXPECT_DOUBLE_EQ(bandwidthShare(environment, false, 20e9), 0) << "nothing was measured";
  environment.readBandwidth = 40e9;
  environment.gpuBandwidth = 4e12;
  EXPECT_DOUBLE_EQ(bandwidthShare(environment, false, 20e9), 0.5);
  EXPECT_DOUBLE_EQ(bandwidthShare(environment, true, 3e12), 0.75);
}

} // namespace
} // namespace lamina::bench
