//===- CudaDeviceTest.cpp - what is particular to GPUs, on the simulated one --------------------------===//

#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/base/MappedFile.h"
#include "runtime/transport/SharedSegment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <sys/wait.h>
#include <unistd.h>

namespace lamina::cuda {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Lt;

std::unique_ptr<CudaDevice> makeDevice() {
  auto device = CudaDevice::create(LAMINA_CUDA_SIM, 0);
  EXPECT_TRUE(device.ok()) << device.status();
  return std::move(*device);
}

std::vector<CodeFile> testCode() { return {{LAMINA_CUDA_TEST_KERNELS, "sim"}}; }

std::vector<std::string> order(std::vector<std::string> targets, Capability capability) {
  std::vector<CodeFile> files;
  for (const std::string &target : targets)
    files.push_back({"", target});
  std::vector<std::string> names;
  for (const CodeFile *file : suitableFiles(files, capability))
    names.push_back(file->target);
  return names;
}

TEST(SuitableFiles, MachineCodeOfTheGenerationThenPtx) {
  std::vector<std::string> all = {"ptx", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_90", "sm_100", "x86-64-v3"};
  EXPECT_THAT(order(all, {8, 0}), ElementsAre("sm_80", "ptx", "x86-64-v3"));
  EXPECT_THAT(order(all, {8, 7}), ElementsAre("sm_86", "sm_80", "ptx", "x86-64-v3"));
  EXPECT_THAT(order(all, {9, 0}), ElementsAre("sm_90a", "sm_90", "ptx", "x86-64-v3"));
  EXPECT_THAT(order(all, {10, 3}), ElementsAre("sm_100", "ptx", "x86-64-v3"));
  EXPECT_THAT(order(all, {12, 0}), ElementsAre("ptx", "x86-64-v3"));
  EXPECT_THAT(order({"sm_", "sm_x", "sm_90b"}, {9, 0}), ElementsAre());
}

TEST(CudaDriver, NoDriverIsOneLineThatSaysWhatToDo) {
  absl::Status status = CudaDevice::create("libno-such-driver.so", 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      ::testing::MatchesRegex("no CUDA device was found .libno-such-driver.so: .*; install NVIDIA's "
                              "driver on a machine with a GPU, or compile the model for cpu devices"));
}

TEST(CudaDriver, ALibraryWithoutTheFunctionsIsTooOld) {
  EXPECT_THAT(std::string(CudaDevice::create("libm.so.6", 0).status().message()),
              HasSubstr("libm.so.6 is too old: it has no cuInit"));
}

TEST(CudaDriver, NoDevices) {
  pid_t child = fork(); // the others want the device
  if (child == 0) {
    setenv("LAMINA_CUDA_SIM_DEVICES", "0", 1);
    absl::Status status = CudaDevice::create("/." LAMINA_CUDA_SIM, 0).status(); // not yet open by this name
    _exit(status.message().find("(CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected)") ==
          std::string::npos);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(CudaDriver, DoesNotSurviveAFork) {
  makeDevice();
  pid_t child = fork();
  if (child == 0)
    _exit(CudaDevice::create(LAMINA_CUDA_SIM, 0).status().message().find("CUDA_ERROR_NOT_INITIALIZED") ==
          std::string::npos);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(CudaDevice, WorkersBeyondTheGpusShareThem) {
  auto device = CudaDevice::create(LAMINA_CUDA_SIM, 5);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)->description(), "cuda without code, simulated GPU 0");
}

TEST(CudaDevice, TellsHowMuchMemoryThereIs) {
  EXPECT_THAT(std::string(makeDevice()->allocate(uint64_t(1) << 50, "activations").status().message()),
              HasSubstr("bytes of GPU memory for activations, 68719476696 of 68719476736 are free: "
                        "CUDA_ERROR_OUT_OF_MEMORY: out of memory"));
}

TEST(CudaDevice, RefusedCodeSaysWhy) {
  std::vector<CodeFile> files = {{LAMINA_SOURCE_DIR "/test/runtime/device/TestKernels.ptx", "ptx"},
                                 {"absent", "sm_80"}};
  EXPECT_EQ(
      makeDevice()->loadCode(files).message(),
      "no code object runs on this GPU: the artifact has ptx, sm_80, this GPU is sm_90, the driver refuses "
      "ptx: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution on the device; "
      "compile the model for this GPU");
  files[0].target = "sm_90a"; // refused first, then the next form is tried
  files[1] = testCode()[0];
  auto device = makeDevice();
  EXPECT_TRUE(device->loadCode(files).ok());
  EXPECT_EQ(device->description(), "cuda sim, simulated GPU 0");
}

TEST(CudaDevice, KernelsHaveThreadsAndSharedMemory) {
  SharedSegment host = std::move(*SharedSegment::create(4096, "a test"));
  auto device = makeDevice();
  std::byte *mapped = *device->mapHost(host.data(), host.bytes());
#if !__has_feature(thread_sanitizer) // which must see that both are the same
  EXPECT_NE(mapped, host.data()) << "the simulator shows who mixes the two up";
#endif
  ASSERT_TRUE(device->loadCode(testCode()).ok());
  ASSERT_TRUE(device->beginStep({}).ok());
  KernelHandle kernel = *device->findKernel({"test_sum", 64, 65536});
  void *bindings[] = {mapped};
  ASSERT_TRUE(device->launch(kernel, bindings, 3).ok());
  ASSERT_TRUE(device->synchronize().ok());
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(reinterpret_cast<int32_t *>(host.data())[i], 64 * 63 / 2);
}

TEST(CudaDevice, LaunchesOutsideTheLimitsAreErrors) {
  auto device = makeDevice();
  ASSERT_TRUE(device->loadCode(testCode()).ok());
  EXPECT_THAT(
      std::string(device->findKernel({"test_sum", 64, 256 << 10}).status().message()),
      HasSubstr("kernel test_sum cannot have 262144 bytes of shared memory: CUDA_ERROR_INVALID_VALUE"));
  KernelHandle kernel = *device->findKernel({"test_sum", 64, 256});
  void *bindings[] = {nullptr, nullptr};
  EXPECT_THAT(std::string(device->launch(kernel, std::span(bindings, 1), int64_t(1) << 31).message()),
              HasSubstr("kernel test_sum cannot run 2147483648 workgroups"));
  EXPECT_THAT(std::string(device->launch(kernel, bindings, 1).message()),
              HasSubstr("cannot launch kernel test_sum: CUDA_ERROR_INVALID_VALUE"))
      << "a parameter too many";
  kernel = *device->findKernel({"test_sum", 2048, 256});
  EXPECT_FALSE(device->launch(kernel, std::span(bindings, 1), 1).ok());
}

/// A chain of launches of test_early, each with what the one in front of it has written.
class EarlyTest : public ::testing::Test {
protected:
  static constexpr int kLaunches = 12;

  void open(const std::string &driver) {
    auto device = CudaDevice::create(driver, 0);
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = std::move(*device);
    memory_ = *device_->allocate(2 * (kLaunches + 1) * sizeof(int32_t), "a test");
    ASSERT_TRUE(device_->mapHost(host_.data(), host_.bytes()).ok());
    ASSERT_TRUE(device_->loadCode(testCode()).ok());
    kernel_ = *device_->findKernel({"test_early", 64});
    ASSERT_TRUE(device_->beginStep({}).ok());
  }
  void launch(int i) {
    std::byte *input = memory_ + i * sizeof(int32_t), *stale = input + (kLaunches + 1) * sizeof(int32_t);
    void *bindings[] = {input, input + sizeof(int32_t), stale};
    ASSERT_TRUE(device_->launch(kernel_, bindings, 1).ok());
  }
  void launchAll() {
    for (int i = 0; i < kLaunches; ++i)
      launch(i);
  }
  /// How many launches began before their input was there; all had it when they used it.
  int early() {
    EXPECT_TRUE(device_->copyToHost(host_.data(), memory_, 2 * (kLaunches + 1) * sizeof(int32_t)).ok());
    const auto *results = reinterpret_cast<const int32_t *>(host_.data());
    EXPECT_EQ(results[kLaunches], kLaunches);
    return std::accumulate(results + kLaunches + 1, results + 2 * kLaunches + 1, 0);
  }

  SharedSegment host_ = std::move(*SharedSegment::create(4096, "a test"));
  std::unique_ptr<CudaDevice> device_;
  std::byte *memory_ = nullptr;
  KernelHandle kernel_;
};

TEST_F(EarlyTest, KernelsThatWaitBeginBeforeTheLaunchInFrontIsDone) {
  open(LAMINA_CUDA_SIM);
  launchAll();
  EXPECT_THAT(early(), AllOf(Gt(0), Lt(kLaunches)));
}

TEST_F(EarlyTest, SoDoThoseThatAreReplayed) {
  open(LAMINA_CUDA_SIM);
  ASSERT_TRUE(device_->beginRecording().ok());
  launchAll();
  RecordedHandle recorded = *device_->endRecording();
  ASSERT_TRUE(device_->replay(recorded).ok());
  EXPECT_THAT(early(), AllOf(Gt(0), Lt(kLaunches)));
}

TEST_F(EarlyTest, WhatIsNoLaunchIsWaitedForAsAWhole) {
  open(LAMINA_CUDA_SIM);
  auto *word = reinterpret_cast<uint32_t *>(host_.data() + 2048);
  std::byte *spare = memory_ + kLaunches * sizeof(int32_t);
  const std::function<absl::Status()> between[] = {
      [&] { return device_->enqueueCopyToHost(host_.data(), spare, 4); },
      [&] { return device_->enqueueCopyFromHost(spare, host_.data(), 4); },
      [&] { return device_->enqueueCopy(spare, memory_, 4); },
      [&] { return device_->writeWord(word, 1); },
      [&] { return device_->waitForWord(word, 1); },
      [&] { return device_->mark(1); },
  };
  for (int i = 0; i < kLaunches; ++i) {
    launch(i);
    if (i < kLaunches - 1)
      ASSERT_TRUE(between[size_t(i) % std::size(between)]().ok());
  }
  EXPECT_EQ(early(), 0);
}

TEST_F(EarlyTest, ADriverOfBeforeLaunchesOneBehindTheOther) {
  setenv("LAMINA_CUDA_SIM_VERSION", "12020", 1);
  open("/././" LAMINA_CUDA_SIM); // not yet open by this name
  unsetenv("LAMINA_CUDA_SIM_VERSION");
  launchAll();
  EXPECT_EQ(early(), 0);
}

TEST(CudaSimulator, RefusesEarlyLaunchesOfWhatDoesNotWaitAndBehindWhatIsNoLaunch) {
  auto device = makeDevice(); // and its context
  const Driver &driver = **Driver::open(LAMINA_CUDA_SIM);
  absl::StatusOr<MappedFile> image = MappedFile::open(LAMINA_CUDA_TEST_KERNELS);
  ASSERT_TRUE(image.ok()) << image.status();
  CUmodule module = nullptr;
  CUstream stream = nullptr;
  ASSERT_EQ(driver.cuModuleLoadData(&module, image->data()), CUDA_SUCCESS);
  ASSERT_EQ(driver.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  auto launch = [&](const char *name, size_t parameters, int early) {
    CUfunction function = nullptr;
    EXPECT_EQ(driver.cuModuleGetFunction(&function, module, name), CUDA_SUCCESS);
    CUlaunchAttribute overlap{.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, .value = {}};
    overlap.value.programmaticStreamSerializationAllowed = early;
    CUlaunchConfig config{1, 1, 1, 64, 1, 1, 256, stream, &overlap, 1};
    CUdeviceptr values[4] = {};
    size_t bytes = parameters * sizeof(CUdeviceptr);
    void *extra[] = {reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_POINTER), values,
                     reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_SIZE), &bytes,
                     reinterpret_cast<void *>(CU_LAUNCH_PARAM_END)};
    return driver.cuLaunchKernelEx(&config, function, nullptr, extra);
  };
  // Nothing of it runs: nobody waits for the stream.
  EXPECT_EQ(launch("test_early", 4, 1), CUDA_ERROR_INVALID_VALUE) << "the first in its stream";
  EXPECT_EQ(launch("test_sum", 2, 0), CUDA_SUCCESS);
  EXPECT_EQ(launch("test_sum", 2, 1), CUDA_ERROR_INVALID_VALUE) << "does not wait";
  EXPECT_EQ(launch("test_early", 4, 1), CUDA_SUCCESS);
}

TEST(CudaDevice, CopiesWithStrangeMemoryAreErrors) {
  auto device = makeDevice();
  std::byte *memory = *device->allocate(64, "a test");
  char unknown[64];
  EXPECT_THAT(std::string(device->copyToHost(unknown, memory, 64).message()),
              HasSubstr("cannot copy from the GPU: CUDA_ERROR_INVALID_VALUE"));
  SharedSegment host = std::move(*SharedSegment::create(4096, "a test"));
  ASSERT_TRUE(device->mapHost(host.data(), host.bytes()).ok());
  EXPECT_FALSE(device->copyFromHost(memory, host.data(), 65).ok());
  device.reset();
}

TEST(CudaDevice, MemoryThatTwoWorkersRegister) {
  SharedSegment host = std::move(*SharedSegment::create(4096, "a test"));
  auto first = makeDevice(), second = makeDevice();
  ASSERT_TRUE(first->mapHost(host.data(), host.bytes()).ok());
  ASSERT_TRUE(second->mapHost(host.data(), host.bytes()).ok());
  first.reset();
  std::byte *memory = *second->allocate(64, "a test");
  EXPECT_TRUE(second->copyFromHost(memory, host.data(), 64).ok());
}

TEST(CudaDevice, WorkersOfOneProcessReachEachOthersMemoryOnTheirGpu) {
  SharedSegment host = std::move(*SharedSegment::create(4096, "a test"));
  auto first = makeDevice(), second = makeDevice();
  std::byte *from = *first->allocate(64, "a test"), *to = *second->allocate(64, "a test");
  absl::StatusOr<DeviceMemoryOffer> offer = second->offerMemory(to);
  ASSERT_TRUE(offer.ok()) << offer.status();
  EXPECT_EQ(*first->reachMemory(*offer), to);
  ASSERT_TRUE(first->mapHost(host.data(), host.bytes()).ok());
  std::memcpy(host.data(), "lamina", 7);
  ASSERT_TRUE(first->copyFromHost(from, host.data(), 7).ok());
  ASSERT_TRUE(first->enqueueCopy(to, from, 7).ok());
  ASSERT_TRUE(first->copyToHost(host.data() + 100, to, 7).ok());
  EXPECT_STREQ(reinterpret_cast<const char *>(host.data() + 100), "lamina");
  EXPECT_FALSE(first->enqueueCopy(to, from, 65).ok());
  EXPECT_FALSE(second->offerMemory(to + 1).ok());
  ++offer->device;
  EXPECT_EQ(first->reachMemory(*offer).status().message(),
            "GPUs of one process do not reach each other's memory");
  ++offer->process; // of another process, which is not there
  EXPECT_THAT(std::string(first->reachMemory(*offer).status().message()),
              HasSubstr("the GPU cannot reach another's memory: CUDA_ERROR_"));
}

TEST(CudaDevice, AFailureNamesWhatItCanHaveBeen) {
  for (int others : {0, 2}) {
    auto device = makeDevice();
    ASSERT_TRUE(device->loadCode(testCode()).ok());
    ASSERT_TRUE(device->beginStep({}).ok());
    KernelHandle fault = *device->findKernel({"test_fault", 32});
    KernelHandle sum = *device->findKernel({"test_sum", 64, 256});
    std::byte *output = *device->allocate(4, "a test");
    void *bindings[] = {output};
    for (int i = 0; i < others; ++i)
      ASSERT_TRUE(device->launch(sum, bindings, 1).ok());
    ASSERT_TRUE(device->launch(fault, bindings, 1).ok()) << "it has not run yet";
    EXPECT_THAT(
        std::string(device->synchronize().message()),
        HasSubstr(others == 0
                      ? "the GPU failed during kernel test_fault: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal"
                      : "the GPU failed during the 3 kernels from test_sum to test_fault: CUDA_ERROR"));
    EXPECT_FALSE(device->launch(sum, bindings, 1).ok()) << "the GPU does nothing more for us";
  }
}

TEST(CudaDeviceDeathTest, DeviceMemoryIsNotForTheHost) {
  auto device = makeDevice();
  std::byte *memory = *device->allocate(64, "a test");
  EXPECT_DEATH(*memory = std::byte(1), "");
}

} // namespace
} // namespace lamina::cuda
