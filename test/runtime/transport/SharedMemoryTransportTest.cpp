//===- SharedMemoryTransportTest.cpp - rings between threads and between processes --------------------===//

#include "runtime/transport/SharedMemoryTransport.h"

#include "runtime/base/Clock.h"
#include "runtime/device/cpu/CpuDevice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace lamina {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSpin = 3000;
constexpr uint32_t kBig = 0, kSmall = 1, kBack = 2;
constexpr int64_t kMaxRows = 20;

/// Two workers, two transfers from 0 to 1 and one back. kBig moves two buffers.
struct Link {
  std::shared_ptr<SharedMemoryLinks> links;
  std::atomic<uint32_t> abort{0};
  std::unique_ptr<CpuDevice> device = std::move(*CpuDevice::create(1, 0));
  std::vector<std::byte> big = std::vector<std::byte>(100 * kMaxRows),
                         tail = std::vector<std::byte>(28 * kMaxRows),
                         small = std::vector<std::byte>(12 * kMaxRows),
                         back = std::vector<std::byte>(8 * kMaxRows);

  explicit Link(uint64_t bytes = 8192, uint32_t frames = 4) {
    links = std::move(*SharedMemoryLinks::create({"first", "second"},
                                                 {{0, 1, 128, "big"}, {0, 1, 12, "small"}, {1, 0, 8, "back"}},
                                                 {{0, 1, frames, bytes}, {1, 0, frames, bytes}}));
  }
  /// Both ends may bind the same vectors in tests that use one end at a time.
  std::unique_ptr<Transport> endpoint(uint32_t worker, LocalEndpoints *local = nullptr) {
    auto endpoint = links->endpoint(worker, *device, abort, kSpin, local);
    EXPECT_TRUE(endpoint->bind(kBig, {{big.data(), 100}, {tail.data(), 28}}).ok());
    EXPECT_TRUE(endpoint->bind(kSmall, {{small.data(), 12}}).ok());
    EXPECT_TRUE(endpoint->bind(kBack, {{back.data(), 8}}).ok());
    endpoint->beginStep(1);
    return endpoint;
  }
};

/// What step `step` puts into byte `i` of a buffer.
std::byte pattern(uint64_t step, uint64_t buffer, size_t i) {
  return std::byte((step * 131 + buffer * 57 + i * 7) & 0xff);
}
void fill(std::vector<std::byte> &bytes, uint64_t step, uint64_t buffer) {
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = pattern(step, buffer, i);
}
bool holds(const std::vector<std::byte> &bytes, uint64_t step, uint64_t buffer, size_t length) {
  for (size_t i = 0; i < length; ++i)
    if (bytes[i] != pattern(step, buffer, i))
      return false;
  return true;
}

/// The source of one direction: random numbers of rows that the destination repeats from the same seed.
absl::Status runSource(Link &link, int steps) {
  auto endpoint = link.endpoint(0);
  std::mt19937 random(5);
  for (int step = 1; step <= steps; ++step) {
    int64_t rows = int64_t(random() % (kMaxRows + 1));
    endpoint->beginStep(uint64_t(step));
    fill(link.big, uint64_t(step), 0);
    fill(link.tail, uint64_t(step), 1);
    fill(link.small, uint64_t(step), 2);
    LAMINA_RETURN_IF_ERROR(endpoint->send(kBig, rows));
    LAMINA_RETURN_IF_ERROR(endpoint->send(kSmall, rows));
    if (step % 64 == 0) { // now and then both sides are in step, otherwise the source runs ahead
      LAMINA_RETURN_IF_ERROR(endpoint->recv(kBack, 1));
      LAMINA_RETURN_IF_ERROR(endpoint->wait(kBack));
    }
  }
  return absl::OkStatus();
}

absl::Status runDestination(Link &link, int steps) {
  auto endpoint = link.endpoint(1);
  std::mt19937 random(5);
  for (int step = 1; step <= steps; ++step) {
    size_t rows = random() % (kMaxRows + 1);
    endpoint->beginStep(uint64_t(step));
    LAMINA_RETURN_IF_ERROR(endpoint->recv(kBig, int64_t(rows)));
    LAMINA_RETURN_IF_ERROR(endpoint->recv(kSmall, int64_t(rows)));
    LAMINA_RETURN_IF_ERROR(endpoint->wait(kSmall)); // the later one first
    LAMINA_RETURN_IF_ERROR(endpoint->wait(kBig));
    if (!holds(link.big, uint64_t(step), 0, rows * 100) || !holds(link.tail, uint64_t(step), 1, rows * 28) ||
        !holds(link.small, uint64_t(step), 2, rows * 12))
      return absl::DataLossError("wrong bytes arrived");
    if (step % 64 == 0)
      LAMINA_RETURN_IF_ERROR(endpoint->send(kBack, 1));
  }
  return absl::OkStatus();
}

TEST(SharedMemoryTransport, ThreadsWithRingsThatWrap) {
  // The smallest ring that holds the largest frame: every size of remainder at the wrap occurs.
  for (uint64_t bytes : {uint64_t(128 * kMaxRows), uint64_t(128 * kMaxRows + 64), uint64_t(9000)}) {
    Link link(bytes, 2), other(bytes, 2);
    other.links = link.links; // one segment, separate buffers
    constexpr int kSteps = 4000;
    absl::Status sent;
    std::thread source([&] { sent = runSource(link, kSteps); });
    absl::Status received = runDestination(other, kSteps);
    source.join();
    EXPECT_TRUE(sent.ok()) << sent;
    EXPECT_TRUE(received.ok()) << received;
    EXPECT_EQ(other.links->counters(kBig).bytesSent.load(), other.links->counters(kBig).bytesReceived.load());
    EXPECT_EQ(other.links->counters(kBack).bytesReceived.load(), uint64_t(kSteps / 64 * 8));
  }
}

TEST(SharedMemoryTransport, Processes) {
  Link link(128 * kMaxRows, 2);
  constexpr int kSteps = 2000;
  pid_t child = fork();
  if (child == 0)
    _exit(runSource(link, kSteps).ok() ? 0 : 1);
  absl::Status received = runDestination(link, kSteps);
  EXPECT_TRUE(received.ok()) << received;
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(link.links->counters(kBig).bytesSent.load(), link.links->counters(kBig).bytesReceived.load());
}

TEST(SharedMemoryTransport, CommunicationBeginsWithTheSender) {
  Link link;
  auto source = link.endpoint(0), destination = link.endpoint(1);
  ASSERT_TRUE(destination->recv(kSmall, 1).ok());
  std::atomic<uint64_t> sending{0};
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    sending = monotonicNanoseconds();
    EXPECT_TRUE(source->send(kSmall, 1).ok());
  });
  EXPECT_TRUE(destination->wait(kSmall).ok());
  uint64_t end = monotonicNanoseconds();
  late.join();
  EXPECT_GT(source->communicationNanoseconds(), 0u);
  EXPECT_GT(destination->communicationNanoseconds(), 0u);
  EXPECT_LE(destination->communicationNanoseconds(), end - sending);
}

TEST(SharedMemoryTransport, CommunicationIsNoLongerThanTheWait) {
  for (uint64_t claimed : {uint64_t(0), UINT64_MAX}) { // by a peer that has no clock
    Link link;
    auto source = link.endpoint(0), destination = link.endpoint(1);
    ASSERT_TRUE(source->send(kSmall, 1).ok());
    link.links->channels()[0].headers[0].sent = claimed;
    ASSERT_TRUE(destination->recv(kSmall, 1).ok());
    uint64_t begin = monotonicNanoseconds();
    ASSERT_TRUE(destination->wait(kSmall).ok());
    EXPECT_LE(destination->communicationNanoseconds(), monotonicNanoseconds() - begin);
  }
}

TEST(SharedMemoryTransport, WhoTriesIsTold) {
  Link link(8192, 2);
  auto source = link.endpoint(0), destination = link.endpoint(1);
  ASSERT_TRUE(destination->recv(kSmall, 1).ok());
  EXPECT_FALSE(*destination->tryWait(kSmall)) << "nothing is sent";
  uint64_t begin = monotonicNanoseconds();
  EXPECT_TRUE(destination->block(5'000'000).ok());
  EXPECT_GE(monotonicNanoseconds() - begin, 4'000'000u);
  EXPECT_FALSE(*destination->tryWait(kSmall)) << "the limit is over and nothing else has happened";
  EXPECT_TRUE(*source->trySend(kSmall, 1));
  EXPECT_TRUE(*source->trySend(kSmall, 1));
  EXPECT_FALSE(*source->trySend(kSmall, 1)) << "there is room for two";
  EXPECT_TRUE(*destination->tryWait(kSmall));
  EXPECT_TRUE(source->block(0).ok()) << "there is room by now";
  EXPECT_TRUE(*source->trySend(kSmall, 1));
}

TEST(SharedMemoryTransport, WhoDoesNotBlockDoesNotCommunicate) {
  Link link;
  auto source = link.endpoint(0), destination = link.endpoint(1);
  ASSERT_TRUE(destination->recv(kSmall, 1).ok());
  ASSERT_FALSE(*destination->tryWait(kSmall));
  ASSERT_TRUE(*source->trySend(kSmall, 1));
  usleep(20'000); // one thread does something else
  uint64_t begin = monotonicNanoseconds();
  ASSERT_TRUE(*destination->tryWait(kSmall));
  EXPECT_LE(destination->communicationNanoseconds(), monotonicNanoseconds() - begin);
}

/// Both ends in one thread, with buffers of their own.
struct LocalLink : Link {
  LocalEndpoints local;
  std::unique_ptr<Transport> source = endpoint(0, &local), destination = endpoint(1, &local);
  std::vector<std::byte> bigThere = std::vector<std::byte>(100 * kMaxRows),
                         tailThere = std::vector<std::byte>(28 * kMaxRows),
                         smallThere = std::vector<std::byte>(12 * kMaxRows);

  LocalLink() {
    EXPECT_TRUE(destination->bind(kBig, {{bigThere.data(), 100}, {tailThere.data(), 28}}).ok());
    EXPECT_TRUE(destination->bind(kSmall, {{smallThere.data(), 12}}).ok());
    fill(big, 1, 0);
    fill(tail, 1, 1);
    fill(small, 1, 2);
  }
  bool bigArrived(size_t rows) const {
    return holds(bigThere, 1, 0, 100 * rows) && holds(tailThere, 1, 1, 28 * rows);
  }
  uint32_t framesInTheRing() const { return links->channels()[0].state->published.load(); }
};

TEST(LocalTransport, WhatIsExpectedGoesThereAtOnce) {
  LocalLink link;
  ASSERT_TRUE(link.destination->recv(kBig, 3).ok());
  EXPECT_FALSE(*link.destination->tryWait(kBig));
  ASSERT_TRUE(*link.source->trySend(kBig, 3));
  EXPECT_TRUE(link.bigArrived(3));
  EXPECT_EQ(link.bigThere[300], std::byte(0)) << "no more rows than were sent";
  EXPECT_TRUE(*link.destination->tryWait(kBig));
  EXPECT_EQ(link.framesInTheRing(), 0u);
  EXPECT_EQ(link.links->counters(kBig).bytesSent.load(), 3u * 128);
  EXPECT_EQ(link.links->counters(kBig).bytesReceived.load(), 3u * 128);
}

TEST(LocalTransport, WhatIsNotExpectedYetWaitsInTheRing) {
  LocalLink link;
  ASSERT_TRUE(*link.source->trySend(kBig, 3));
  fill(link.big, 2, 0); // the source may reuse its buffers
  ASSERT_TRUE(link.destination->recv(kBig, 3).ok());
  ASSERT_TRUE(link.destination->recv(kSmall, 2).ok());
  ASSERT_TRUE(*link.source->trySend(kSmall, 2));
  EXPECT_EQ(link.framesInTheRing(), 2u) << "the second does not overtake the first";
  EXPECT_TRUE(*link.destination->tryWait(kSmall));
  EXPECT_TRUE(*link.destination->tryWait(kBig));
  EXPECT_TRUE(link.bigArrived(3));
  EXPECT_TRUE(holds(link.smallThere, 1, 2, 24));
  // With the ring empty again the next step needs none.
  link.source->beginStep(2);
  link.destination->beginStep(2);
  ASSERT_TRUE(link.destination->recv(kSmall, 1).ok());
  ASSERT_TRUE(*link.source->trySend(kSmall, 1));
  EXPECT_TRUE(*link.destination->tryWait(kSmall));
  EXPECT_EQ(link.framesInTheRing(), 2u);
}

TEST(LocalTransport, WhatDiffersIsRefused) {
  LocalLink link;
  ASSERT_TRUE(link.destination->recv(kBig, 3).ok());
  ASSERT_TRUE(*link.source->trySend(kBig, 2));
  EXPECT_EQ(link.destination->tryWait(kBig).status().code(), absl::StatusCode::kDataLoss);
}

TEST(LocalTransport, ASecondMessageIsNotTakenForTheFirst) {
  LocalLink link;
  ASSERT_TRUE(link.destination->recv(kBig, 3).ok());
  ASSERT_TRUE(*link.source->trySend(kBig, 3));
  ASSERT_TRUE(*link.source->trySend(kBig, 3));
  EXPECT_EQ(link.framesInTheRing(), 1u);
}

TEST(SharedMemoryTransport, AbortEndsAWait) {
  Link link;
  auto endpoint = link.endpoint(1);
  ASSERT_TRUE(endpoint->recv(kBig, 1).ok());
  std::thread aborter([&] {
    usleep(20'000);
    link.abort.store(1);
    link.links->wakeAll();
  });
  absl::Status status = endpoint->wait(kBig);
  aborter.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(status.message()), HasSubstr("waiting for transfer 0 (big)"));
}

TEST(SharedMemoryTransport, AbortWithoutAWakeIsNoticed) {
  Link link;
  auto endpoint = link.endpoint(1);
  ASSERT_TRUE(endpoint->recv(kBig, 1).ok());
  std::thread aborter([&] {
    usleep(20'000);
    link.abort.store(1);
  });
  EXPECT_EQ(endpoint->wait(kBig).code(), absl::StatusCode::kCancelled);
  aborter.join();
}

TEST(SharedMemoryTransport, FullRingBlocksUntilAbort) {
  Link link(8192, 2);
  auto endpoint = link.endpoint(0);
  ASSERT_TRUE(endpoint->send(kSmall, 1).ok());
  ASSERT_TRUE(endpoint->send(kSmall, 1).ok());
  link.abort.store(1);
  absl::Status status = endpoint->send(kSmall, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(status.message()), HasSubstr("room to send transfer 1 (small)"));
}

TEST(SharedMemoryTransport, FrameLargerThanTheRingIsAnError) {
  Link link(64, 2);
  EXPECT_THAT(std::string(link.endpoint(0)->send(kBig, 1).message()),
              HasSubstr("needs 128 bytes of a channel"));
}

TEST(SharedMemoryTransport, MisuseIsAnError) {
  Link link;
  auto source = link.endpoint(0), destination = link.endpoint(1);
  EXPECT_FALSE(source->recv(kBig, 1).ok());
  EXPECT_FALSE(destination->send(kBig, 1).ok());
  EXPECT_FALSE(source->send(7, 1).ok());
  EXPECT_THAT(std::string(destination->wait(kBig).message()), HasSubstr("waited for before it is received"));
  ASSERT_TRUE(destination->recv(kBig, 1).ok());
  EXPECT_THAT(std::string(destination->recv(kBig, 1).message()), HasSubstr("received twice"));
  EXPECT_FALSE(source->bind(9, {}).ok());
  EXPECT_THAT(std::string(source->bind(kBig, {{link.big.data(), 99}}).message()),
              HasSubstr("moves 128 bytes per row, its buffers hold 99"));
  EXPECT_FALSE(link.links->endpoint(0, *link.device, link.abort, 0)->send(kBig, 1).ok())
      << "nothing is bound";
  auto create = [](std::vector<TransferSpec> transfers, ChannelSpec channel) {
    return std::string(
        SharedMemoryLinks::create({"first", "second"}, std::move(transfers), {channel}).status().message());
  };
  EXPECT_THAT(create({{1, 0, 8, "x"}}, {0, 1, 2, 64}), HasSubstr("no channel from worker 1 to worker 0"));
  EXPECT_THAT(create({}, {0, 1, 0, 64}),
              HasSubstr("the channel from worker first to worker second would hold 0 frames"));
  EXPECT_THAT(create({}, {0, 1, 1, uint64_t(1) << 62}), HasSubstr("which no machine can share"));
  EXPECT_THAT(create({}, {0, 2, 1, 64}), HasSubstr("from worker 0 to worker 2 of 2"));
}

/// A frame that was sent well and then damaged in the shared memory.
class DamagedFrame : public ::testing::Test {
protected:
  absl::Status receive() {
    EXPECT_TRUE(destination_->recv(kBig, 2).ok());
    return destination_->wait(kBig);
  }
  void SetUp() override { ASSERT_TRUE(link_.endpoint(0)->send(kBig, 2).ok()); }
  void expectRefused(const char *message) {
    absl::Status status = receive();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  Link link_;
  std::unique_ptr<Transport> destination_ = link_.endpoint(1);
  FrameHeader &frame_ = link_.links->channels()[0].headers[0];
};

TEST_F(DamagedFrame, NotDamagedAfterAll) { EXPECT_TRUE(receive().ok()); }
TEST_F(DamagedFrame, Sequence) {
  frame_.sequence = 5;
  expectRefused("worker first sent an unexpected frame where transfer 0 (big) was due: expected sequence "
                "number 1, got 5");
}
TEST_F(DamagedFrame, Transfer) {
  frame_.transfer = kSmall;
  expectRefused("expected transfer 0, got 1");
}
TEST_F(DamagedFrame, Step) {
  frame_.step = 2;
  expectRefused("expected step 1, got 2");
}
TEST_F(DamagedFrame, Size) {
  frame_.bytes = 255;
  expectRefused("expected bytes 256, got 255");
}
TEST_F(DamagedFrame, Offset) {
  frame_.offset = 8192;
  expectRefused("expected an offset below 8192, got 8192");
}

TEST(SharedMemoryTransport, OtherTransferThanReceivedIsAnError) {
  Link link;
  ASSERT_TRUE(link.endpoint(0)->send(kSmall, 1).ok());
  auto destination = link.endpoint(1);
  ASSERT_TRUE(destination->recv(kBig, 1).ok());
  EXPECT_EQ(destination->wait(kBig).code(), absl::StatusCode::kDataLoss);
}

} // namespace
} // namespace lamina
