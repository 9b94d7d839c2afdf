//===- QueuedTransportTest.cpp - rings whose ends a device moves --------------------------------------===//

#include "QueuedEnd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <cstring>
#include <random>
#include <thread>

namespace lamina::test {
namespace {

using ::testing::HasSubstr;

/// Which of the two ends are devices.
class QueuedTransport : public ::testing::TestWithParam<std::pair<bool, bool>> {};

INSTANTIATE_TEST_SUITE_P(Ends, QueuedTransport,
                         ::testing::Values(std::pair(true, true), std::pair(true, false),
                                           std::pair(false, true)),
                         [](const auto &info) {
                           return std::string(info.param.first ? "Cuda" : "Cpu") + "To" +
                                  (info.param.second ? "Cuda" : "Cpu");
                         });

TEST_P(QueuedTransport, ManyStepsThroughRingsThatWrap) {
  // The smallest ring that holds the largest frame: then the second waits for the first to be taken.
  for (uint64_t bytes : {uint64_t(kBigRow * kMaxRows), uint64_t(kBigRow * kMaxRows + 64), uint64_t(9000)}) {
    bool direct = GetParam().first && GetParam().second;
    auto links = makeLinks(bytes, direct);
    End destination(*links, 1, GetParam().second);
    std::barrier step(2); // as between the workers of an engine
    absl::Status sent, received;
    auto run = [&](absl::Status &status, Transport &transport, auto turn) {
      std::mt19937 random(5);
      status = transport.connect();
      for (uint64_t number = 1; number <= 300; ++number, step.arrive_and_wait())
        if (int64_t rows = int64_t(random() % (kMaxRows + 1)); status.ok())
          status = turn(number, rows);
    };
    // A device belongs to the thread that made it, and a context is current there.
    std::thread peer([&] {
      End source(*links, 0, GetParam().first);
      run(sent, *source.transport, [&](uint64_t number, int64_t rows) { return source.send(number, rows); });
    });
    run(received, *destination.transport,
        [&](uint64_t number, int64_t rows) { return destination.receive(number, rows); });
    peer.join();
    EXPECT_TRUE(sent.ok()) << sent;
    EXPECT_TRUE(received.ok()) << received;
    EXPECT_EQ(links->counters(kBig).bytesSent.load(), links->counters(kBig).bytesReceived.load());
    EXPECT_EQ(hostRingIsUnused(*links), direct);
  }
}

TEST(QueuedTransportByHand, NothingMovesBeforeItIsWaitedFor) {
  auto links = makeLinks(8192);
  End source(*links, 0, true);
  const ChannelState &state = *links->channels()[0].state;
  source.transport->beginStep(1);
  ASSERT_TRUE(source.transport->send(kBig, 2).ok());
  EXPECT_EQ(state.published.load(), 0u);
  ASSERT_TRUE(source.transport->endStep().ok());
  EXPECT_EQ(state.published.load(), 1u);
}

TEST(QueuedTransportByHand, DamagedHeadersAreFoundWhenTheStepIsDone) {
  struct Damage {
    void (*make)(FrameHeader &);
    const char *message;
  };
  const Damage kDamages[] = {
      {[](FrameHeader &frame) { frame.sequence = 5; }, "expected sequence number 1, got 5"},
      {[](FrameHeader &frame) { frame.transfer = kSmall; }, "expected transfer 0, got 1"},
      {[](FrameHeader &frame) { frame.step = 2; }, "expected step 1, got 2"},
      {[](FrameHeader &frame) { frame.bytes = 255; }, "expected bytes 256, got 255"},
      {[](FrameHeader &frame) { frame.offset = 8192; }, "expected an offset below 8192, got 8192"},
      {[](FrameHeader &frame) { frame.offset = 64; },
       "worker compute0 sent transfer 0 (big) at offset 64 of the ring, expected 0"},
  };
  for (const Damage &damage : kDamages) {
    auto links = makeLinks(8192);
    End source(*links, 0, false), destination(*links, 1, true);
    ASSERT_TRUE(source.send(1, 2).ok());
    damage.make(links->channels()[0].headers[0]);
    absl::Status status = destination.receive(1, 2);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(damage.message));
  }
}

TEST(QueuedTransportByHand, AStepThatNobodyAnswersCanBeAbandoned) {
  auto links = makeLinks(8192);
  {
    End destination(*links, 1, true);
    destination.transport->beginStep(1);
    ASSERT_TRUE(destination.transport->recv(kBig, 1).ok());
    ASSERT_TRUE(destination.transport->wait(kBig).ok());
    destination.abort.store(1);
    EXPECT_EQ(destination.transport->endStep().code(), absl::StatusCode::kCancelled);
    destination.transport->abandonStep();
  } // the device waits for its queue
  End source(*links, 0, true);
  source.transport->beginStep(1);
  for (int i = 0; i < 5; ++i) // more than the ring holds
    ASSERT_TRUE(source.transport->send(kBig, kMaxRows).ok());
  source.abort.store(1);
  EXPECT_EQ(source.transport->endStep().code(), absl::StatusCode::kCancelled);
  source.transport->abandonStep();
}

} // namespace
} // namespace lamina::test
