//===- TransportProbeTest.cpp - the transport's figures, and the end of its second process --------------===//

#include "runtime/base/Affinity.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "tools/lamina-bench/Probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace lamina::bench {
namespace {

/// The processes that this one has started.
std::vector<pid_t> children() {
  std::vector<pid_t> result;
  std::error_code ignored; // processes come and go
  for (const auto &entry : std::filesystem::directory_iterator("/proc", ignored)) {
    std::string name = entry.path().filename(), line;
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size())
      continue;
    std::ifstream status(entry.path() / "status");
    while (std::getline(status, line))
      if (line == "PPid:\t" + std::to_string(::getpid()))
        result.push_back(pid);
  }
  return result;
}

TEST(TransportProbe, MeasuresBothWays) {
  std::vector<int> cpus = availableCpus();
  for (int threads : {1, static_cast<int>(cpus.size())}) {
    absl::StatusOr<TransportFigures> figures = probeTransport(threads);
    ASSERT_TRUE(figures.ok()) << figures.status();
    EXPECT_GT(figures->roundTripSeconds, 0);
    EXPECT_GT(figures->bandwidth, 1e6);
  }
  EXPECT_TRUE(children().empty());
  EXPECT_EQ(availableCpus(), cpus) << "the caller must stay free";
}

TEST(TransportProbe, SaysWhatEndedTheSecondProcess) {
  std::atomic<bool> done = false;
  std::thread killer([&] {
    for (; !done; std::this_thread::sleep_for(std::chrono::milliseconds(1)))
      for (pid_t child : children())
        ::kill(child, SIGKILL);
  });
  absl::StatusOr<TransportFigures> figures = probeTransport(1);
  done = true;
  killer.join();
  EXPECT_TRUE(absl::IsUnavailable(figures.status())) << figures.status();
  EXPECT_THAT(figures.status().message(), testing::HasSubstr("ended before the first: signal 9"));
  EXPECT_TRUE(children().empty());
}

/// Both refuse, before either could wait for the other.
TEST(TransportProbe, LeavesNoProcessBehindWhenItFails) {
  absl::StatusOr<TransportFigures> figures = probeTransport(ThreadPool::kMaxThreads + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(figures.status())) << figures.status();
  EXPECT_TRUE(children().empty());
}

} // namespace
} // namespace lamina::bench
