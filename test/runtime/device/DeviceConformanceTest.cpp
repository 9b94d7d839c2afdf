//===- DeviceConformanceTest.cpp - what every device must do ------------------------------------------===//

#include "DeviceTest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace lamina::test {
namespace {

using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Devices, DeviceTest, ::testing::ValuesIn(backends()),
                         [](const auto &info) { return info.param.name; });

TEST_P(DeviceTest, MemoryIsZeroedAndAligned) {
  for (uint64_t bytes : {uint64_t(0), uint64_t(1), uint64_t(4097), kHostBytes}) {
    auto memory = device_->allocate(bytes, "a test");
    ASSERT_TRUE(memory.ok()) << memory.status();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(*memory) % LAMINA_BUFFER_ALIGNMENT, 0u);
    std::memset(host_.data(), 0xff, kHostBytes);
    EXPECT_EQ(read(*memory, bytes).find_first_not_of('\0'), std::string_view::npos);
  }
}

TEST_P(DeviceTest, ImpossibleMemoryIsAnErrorThatNamesIt) {
  absl::Status status = device_->allocate(uint64_t(1) << 60, "the KV cache of layer 3").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("for the KV cache of layer 3"));
}

TEST_P(DeviceTest, WeightsAreTheFilesBytes) {
  std::string path = ::testing::TempDir() + "lamina-" + GetParam().name + "-weights.bin";
  std::string bytes(40'000'001, '\0'); // several chunks of a loader, and a rest
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = char(i * 31 + i / 65536);
  std::ofstream(path, std::ios::binary) << bytes;
  auto weights = device_->loadWeights(path, bytes.size());
  ASSERT_TRUE(weights.ok()) << weights.status();
  for (size_t i = 0; i < bytes.size(); i += kHostBytes) {
    size_t length = std::min(size_t(kHostBytes), bytes.size() - i);
    ASSERT_EQ(read(*weights + i, length), std::string_view(bytes).substr(i, length)) << i;
  }
  EXPECT_THAT(std::string(device_->loadWeights(path, bytes.size() + 1).status().message()),
              HasSubstr("has 40000001 bytes, the plan needs 40000002"));
  std::remove(path.c_str());
  EXPECT_EQ(device_->loadWeights(path, 10).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(DeviceTest, CopiesThereAndBack) {
  std::byte *memory = *device_->allocate(64, "a test");
  std::memcpy(host_.data() + 100, "lamina", 7);
  ASSERT_TRUE(device_->copyFromHost(memory, host_.data() + 100, 7).ok());
  EXPECT_EQ(read(memory, 6), "lamina");
}

TEST_P(DeviceTest, AllWorkgroupsRunAndCopiesSeeTheirResults) {
  KernelHandle kernel = loadDouble();
  std::byte *input = *device_->allocate(4000, "input"), *output = *device_->allocate(4000, "output");
  for (int i = 0; i < 1000; ++i)
    ints()[i] = i;
  ASSERT_TRUE(device_->copyFromHost(input, ints(), 4000).ok());
  ASSERT_TRUE(device_->beginStep(kStep).ok());
  void *bindings[] = {input, output};
  ASSERT_TRUE(device_->launch(kernel, bindings, 1000).ok());
  bindings[0] = bindings[1] = nullptr; // may change once launch returned
  EXPECT_TRUE(device_->launch(kernel, bindings, 0).ok()) << "nothing to do";
  read(output, 4000);
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(ints()[i], 2 * i + 7);
}

TEST_P(DeviceTest, LaunchesRunInOrderEachWithItsStep) {
  KernelHandle kernel = loadDouble();
  std::byte *first = *device_->allocate(40, "first"), *second = *device_->allocate(40, "second");
  void *there[] = {first, second}, *back[] = {second, first};
  ASSERT_TRUE(device_->beginStep(kStep).ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(device_->launch(kernel, there, 10).ok());
    ASSERT_TRUE(device_->launch(kernel, back, 10).ok());
  }
  LaminaStep next = kStep;
  next.tokens = 1;
  ASSERT_TRUE(device_->beginStep(next).ok());
  ASSERT_TRUE(device_->launch(kernel, there, 10).ok());
  read(second, 40);
  EXPECT_EQ(ints()[9], 2 * (7 * 63) + 1);
}

TEST_P(DeviceTest, KernelsShareMemoryWithTheHost) {
  KernelHandle kernel = loadDouble();
  ASSERT_TRUE(device_->beginStep(kStep).ok());
  void *bindings[] = {mapped_ + 4096, mapped_};
  for (int round = 1; round < 3; ++round) {
    for (int i = 0; i < 100; ++i)
      ints()[1024 + i] = round * i;
    ASSERT_TRUE(device_->launch(kernel, bindings, 100).ok());
    ASSERT_TRUE(device_->synchronize().ok());
    for (int i = 0; i < 100; ++i)
      ASSERT_EQ(ints()[i], 2 * round * i + 7);
  }
}

TEST_P(DeviceTest, KernelsThatAreMissingAndCodeThatIsBroken) {
  EXPECT_THAT(std::string(device_->findKernel({"test_double"}).status().message()),
              HasSubstr("kernel test_double is wanted before any code is loaded"));
  EXPECT_THAT(device_->description(), HasSubstr("without code"));
  std::vector<CodeFile> code = GetParam().code();
  ASSERT_TRUE(device_->loadCode(code).ok());
  EXPECT_THAT(device_->description(), HasSubstr(code[0].target));
  EXPECT_THAT(std::string(device_->findKernel({"absent"}).status().message()),
              HasSubstr("has no kernel absent"));
  std::string path = ::testing::TempDir() + "lamina-" + GetParam().name + "-broken";
  std::ofstream(path) << "not an object";
  std::vector<CodeFile> broken = {{path, code[0].target}}, foreign = {{path, "sm_10"}};
  EXPECT_FALSE((*GetParam().create())->loadCode(broken).ok());
  EXPECT_THAT(std::string((*GetParam().create())->loadCode(foreign).message()),
              HasSubstr("the artifact has sm_10, this "));
  std::remove(path.c_str());
}

} // namespace
} // namespace lamina::test
