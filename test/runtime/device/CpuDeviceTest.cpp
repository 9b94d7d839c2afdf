//===- CpuDeviceTest.cpp - memory, weights and code of a CPU worker -----------------------------------===//

#include "runtime/device/cpu/CpuDevice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sys/prctl.h>

namespace lamina {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<CpuDevice> makeDevice(int threads = 2) {
  return std::move(*CpuDevice::create(threads, 3000));
}

std::vector<CodeFile> testCode() {
  std::vector<CodeFile> files;
  for (const std::string &target : detectTargets())
    files.push_back({LAMINA_TEST_KERNELS, target});
  return files;
}

TEST(DetectTargets, KnowsThisMachine) {
  std::vector<std::string> targets = detectTargets();
  ASSERT_FALSE(targets.empty());
#if defined(__x86_64__)
  EXPECT_EQ(targets.back(), "x86-64-v2");
  EXPECT_EQ(std::count(targets.begin(), targets.end(), "x86-64-v3"), bool(__builtin_cpu_supports("avx2")));
#else
  EXPECT_EQ(targets.back(), "aarch64");
#endif
  // In the order of the table, which therefore decides what "best" means.
  auto next = targets.begin();
  for (const CodeTarget &target : codeTargets())
    if (next != targets.end() && *next == target.name)
      ++next;
  EXPECT_EQ(next, targets.end());
}

/// What the kernel says of the processor must hold for every target that we would load.
TEST(DetectTargets, AgreesWithTheKernelsFlags) {
  struct Needs {
    const char *target, *flag;
  };
  constexpr Needs kNeeds[] = {{"x86-64-v4-amx", " amx_int8"}, {"x86-64-v4-vnni", " avx512_vnni"},
                              {"x86-64-v4", " avx512vl"},     {"x86-64-v3-avxvnni", " avx_vnni"},
                              {"x86-64-v3", " avx2"},         {"x86-64-v2", " sse4_2"},
                              {"aarch64-i8mm", " i8mm"},      {"aarch64-dotprod", " asimddp"},
                              {"aarch64", " asimd"}};
  std::ifstream stream("/proc/cpuinfo");
  std::string cpuinfo{std::istreambuf_iterator<char>(stream), {}};
  std::vector<std::string> targets = detectTargets();
  for (const CodeTarget &target : codeTargets()) {
    auto needs = std::find_if(std::begin(kNeeds), std::end(kNeeds),
                              [&](const Needs &entry) { return entry.target == target.name; });
    ASSERT_NE(needs, std::end(kNeeds)) << target.name << " has no line in this test";
    EXPECT_EQ(std::count(targets.begin(), targets.end(), target.name),
              cpuinfo.find(needs->flag) != std::string::npos)
        << target.name;
  }
}

TEST(SelectCodeFile, TakesTheBestThatFits) {
  std::vector<CodeFile> files = {{"a", "x86-64-v2"}, {"b", "x86-64-v4"}, {"c", "x86-64-v3"}};
  std::vector<std::string> v3 = {"x86-64-v3", "x86-64-v2"};
  EXPECT_EQ((*selectCodeFile(files, v3))->path, "c");
  std::vector<std::string> v4 = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
  EXPECT_EQ((*selectCodeFile(files, v4))->path, "b");
}

TEST(SelectCodeFile, NamesBothSidesIfNoneFits) {
  std::vector<CodeFile> files = {{"a", "aarch64"}, {"b", "x86-64-v4"}};
  std::vector<std::string> targets = {"x86-64-v3", "x86-64-v2"};
  absl::Status status = selectCodeFile(files, targets).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("the artifact has aarch64, x86-64-v4, this machine runs x86-64-v3, x86-64-v2"));
  EXPECT_THAT(std::string(selectCodeFile({}, targets).status().message()),
              HasSubstr("the artifact has none"));
}

TEST(CpuDevice, CopiesOfAnyLengthMoveEveryByteAndNoMore) {
  auto device = makeDevice(3);
  for (size_t bytes : {1, 4097, 65535, 65536, 65537, 1'000'003}) {
    std::vector<std::byte> from(bytes), to(bytes + 1);
    for (size_t i = 0; i < bytes; ++i)
      from[i] = std::byte(1 + i % 251);
    ASSERT_TRUE(device->copyToHost(to.data(), from.data(), bytes).ok());
    EXPECT_TRUE(std::equal(from.begin(), from.end(), to.begin())) << bytes;
    EXPECT_EQ(to.back(), std::byte(0)) << bytes;
    std::fill(from.begin(), from.end(), std::byte(0));
    ASSERT_TRUE(device->copyFromHost(from.data(), to.data(), bytes).ok());
    EXPECT_TRUE(std::equal(from.begin(), from.end(), to.begin())) << bytes;
  }
}

TEST(CpuDevice, UnusedMemoryCostsNothing) {
  auto device = makeDevice();
  auto memory = device->allocate(uint64_t(1) << 40, "a long context");
  ASSERT_TRUE(memory.ok()) << memory.status();
  (*memory)[uint64_t(1) << 39] = std::byte(1);
}

TEST(CpuDevice, LargeMemoryAndWeightsBeginWhereHugePagesCan) {
  constexpr uint64_t kHuge = 2u << 20, kBytes = (9u << 20) + 100;
  std::string path = ::testing::TempDir() + "lamina-large-weights.bin";
  std::ofstream(path) << std::string(kBytes, 'w');
  auto device = makeDevice();
  auto memory = device->allocate(kBytes, "a test");
  auto weights = device->loadWeights(path, kBytes);
  ASSERT_TRUE(memory.ok() && weights.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(*memory) % kHuge, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(*weights) % kHuge, 0u);
  std::fill(*memory, *memory + kBytes, std::byte(1)); // to the last byte
  EXPECT_TRUE(std::all_of(*weights, *weights + kBytes, [](std::byte b) { return b == std::byte('w'); }));
  std::remove(path.c_str());
}

/// Where the system forbids huge pages nothing but the page size changes.
TEST(CpuDevice, WorksWithoutHugePages) {
  ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
  auto device = makeDevice();
  auto memory = device->allocate(64u << 20, "a test");
  prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
  ASSERT_TRUE(memory.ok()) << memory.status();
  std::fill(*memory, *memory + (64u << 20), std::byte(1));
}

TEST(CpuDevice, SaysWhatItIs) {
  auto device = makeDevice();
  ASSERT_TRUE(device->loadCode(testCode()).ok());
  EXPECT_EQ(device->description(), "cpu " + detectTargets().front() + ", 2 threads");
}

TEST(CpuDevice, BrokenCodeIsAnError) {
  std::string path = ::testing::TempDir() + "lamina-broken.so";
  std::ofstream(path) << "not an object";
  std::vector<CodeFile> broken = {{path, detectTargets().front()}};
  EXPECT_THAT(std::string(makeDevice()->loadCode(broken).message()), HasSubstr("cannot load code object"));
  std::remove(path.c_str());
}

} // namespace
} // namespace lamina
