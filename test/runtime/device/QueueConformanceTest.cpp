//===- QueueConformanceTest.cpp - what every device with a queue must do ------------------------------===//

#include "DeviceTest.h"

#include "runtime/base/Clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

namespace lamina::test {
namespace {

class QueueTest : public DeviceTest {
protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure())
      return;
    queue_ = device_->queue();
    if (queue_ == nullptr) // a device may have none: it is how work is handed over ahead of time
      GTEST_SKIP() << "skipped: " << GetParam().name << " has no queue, its work is done when a call returns";
  }

  /// Until everything is done; false after a failure.
  bool finish() {
    while (true) {
      absl::StatusOr<bool> finished = queue_->finished();
      if (!finished.ok() || *finished)
        return finished.ok();
    }
  }
  /// A word of the host's memory, behind what read() overwrites.
  uint32_t *word(size_t index) { return reinterpret_cast<uint32_t *>(host_.data() + kHostBytes / 2) + index; }
  uint32_t valueOf(uint32_t *word) { return std::atomic_ref(*word).load(); }

  DeviceQueue *queue_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Devices, QueueTest, ::testing::ValuesIn(backends()),
                         [](const auto &info) { return info.param.name; });

TEST_P(QueueTest, RecordedLaunchesRunWhenTheyAreReplayedEachTimeWithItsStep) {
  KernelHandle kernel = loadDouble();
  std::byte *first = *device_->allocate(40, "first"), *second = *device_->allocate(40, "second");
  void *there[] = {first, second}, *back[] = {second, first};
  ASSERT_TRUE(device_->beginStep(kStep).ok());
  ASSERT_TRUE(queue_->beginRecording().ok());
  ASSERT_TRUE(device_->launch(kernel, there, 10).ok());
  ASSERT_TRUE(device_->launch(kernel, back, 10).ok());
  absl::StatusOr<RecordedHandle> recorded = queue_->endRecording();
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  read(first, 40);
  EXPECT_EQ(ints()[9], 0) << "nothing has run yet";
  ASSERT_TRUE(queue_->replay(*recorded).ok());
  LaminaStep next = kStep;
  next.tokens = 1;
  ASSERT_TRUE(device_->beginStep(next).ok());
  ASSERT_TRUE(queue_->replay(*recorded).ok());
  read(first, 40);
  EXPECT_EQ(ints()[9], 2 * (2 * (2 * 7 + 7) + 1) + 1);
}

TEST_P(QueueTest, WorkWaitsForWordsAndTellsByWords) {
  std::byte *memory = *device_->allocate(64, "a test");
  std::memcpy(host_.data(), "lamina", 7);
  *word(0) = 41;
  ASSERT_TRUE(queue_->waitForWord(word(0), 40).ok()) << "which it has passed";
  ASSERT_TRUE(queue_->enqueueCopyFromHost(memory, host_.data(), 7).ok());
  ASSERT_TRUE(queue_->writeWord(word(1), 5).ok());
  ASSERT_TRUE(finish());
  EXPECT_EQ(valueOf(word(1)), 5u);
  ASSERT_TRUE(queue_->waitForWord(word(0), 42).ok());
  ASSERT_TRUE(queue_->enqueueCopyToHost(host_.data() + 100, memory, 7).ok());
  ASSERT_TRUE(queue_->writeWord(word(1), 6).ok());
  absl::StatusOr<bool> finished = queue_->finished();
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_FALSE(*finished);
  EXPECT_EQ(valueOf(word(1)), 5u);
  std::atomic_ref(*word(0)).store(42);
  ASSERT_TRUE(finish());
  EXPECT_EQ(valueOf(word(1)), 6u);
  EXPECT_STREQ(reinterpret_cast<const char *>(host_.data() + 100), "lamina");
}

TEST_P(QueueTest, WordsAreComparedRoundTheEndOfTheirRange) {
  *word(0) = 2;
  ASSERT_TRUE(queue_->waitForWord(word(0), 0xfffffffe).ok());
  ASSERT_TRUE(queue_->writeWord(word(1), 0xffffffff).ok());
  ASSERT_TRUE(finish());
  EXPECT_EQ(valueOf(word(1)), 0xffffffffu);
}

TEST_P(QueueTest, CopiesWithinTheDevice) {
  std::byte *from = *device_->allocate(64, "a test"), *to = *device_->allocate(64, "a test");
  std::memcpy(host_.data(), "lamina", 7);
  ASSERT_TRUE(queue_->enqueueCopyFromHost(from, host_.data(), 7).ok());
  ASSERT_TRUE(queue_->enqueueCopy(to + 8, from, 7).ok());
  EXPECT_EQ(read(to, 15).substr(8, 6), "lamina");
}

TEST_P(QueueTest, MarksTellWhenWhatLiesBetweenThemRan) {
  KernelHandle kernel = loadDouble();
  std::byte *memory = *device_->allocate(4000, "a test");
  void *bindings[] = {memory, memory};
  ASSERT_TRUE(device_->beginStep(kStep).ok());
  uint64_t before = monotonicNanoseconds();
  ASSERT_TRUE(queue_->mark(0).ok());
  for (size_t i = 1; i < 4; ++i) {
    ASSERT_TRUE(device_->launch(kernel, bindings, 1000).ok());
    ASSERT_TRUE(queue_->mark(i).ok());
  }
  ASSERT_TRUE(finish());
  uint64_t last = before, after = monotonicNanoseconds() + 1'000'000; // two clocks
  for (size_t i = 0; i < 4; ++i) {
    absl::StatusOr<uint64_t> time = queue_->markTime(i);
    ASSERT_TRUE(time.ok()) << time.status();
    EXPECT_GE(*time, last) << i;
    EXPECT_LE(*time, after) << i;
    last = *time;
  }
  EXPECT_GT(last, *queue_->markTime(0));
}

} // namespace
} // namespace lamina::test
