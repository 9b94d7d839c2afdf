//===- ThreadPoolTest.cpp -----------------------------------------------------------------------------===//

#include "runtime/device/cpu/ThreadPool.h"

#include "runtime/base/Affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <unistd.h>

namespace lamina {
namespace {

using ::testing::Each;
using ::testing::Eq;

void countVisits(void *context, int64_t begin, int64_t end) {
  auto &visits = *static_cast<std::vector<int> *>(context);
  for (int64_t i = begin; i < end; ++i) {
    ++visits[size_t(i)];
    pauseSpinning(); // so that a job lasts long enough for several threads to take part
  }
}

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, RunsEveryIndexOnce) {
  auto pool = ThreadPool::create(GetParam(), 3000);
  ASSERT_TRUE(pool.ok()) << pool.status();
  EXPECT_EQ((*pool)->threads(), GetParam());
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    size_t count = round < 100 ? size_t(round) : random() % 2000;
    std::vector<int> visits(count);
    (*pool)->parallelFor(countVisits, &visits, int64_t(count));
    ASSERT_EQ(std::count(visits.begin(), visits.end(), 1), int64_t(count));
    if (round % 500 == 0)
      usleep(1000); // long enough for the helpers to fall asleep
  }
}

TEST_P(ThreadPoolTest, ResultsOfOneJobAreVisibleToTheNext) {
  auto pool = ThreadPool::create(GetParam(), 0);
  ASSERT_TRUE(pool.ok());
  constexpr size_t kCount = 97;
  struct Job {
    std::vector<int> from, to;
  } job{std::vector<int>(kCount, 0), std::vector<int>(kCount, 0)};
  for (int round = 0; round < 1000; ++round) {
    (*pool)->parallelFor(
        [](void *context, int64_t begin, int64_t end) {
          Job &job = *static_cast<Job *>(context);
          for (int64_t i = begin; i < end; ++i)
            job.to[size_t(i)] = job.from[(size_t(i) + 40) % kCount] + 1;
        },
        &job, int64_t(kCount));
    std::swap(job.from, job.to);
  }
  EXPECT_THAT(job.from, Each(Eq(1000)));
}

/// Gives work until all threads of the pool have had some; the CPUs that each may be on.
std::map<pthread_t, std::vector<int>> cpusOfAllThreads(ThreadPool &pool) {
  struct Seen {
    std::mutex mutex;
    std::map<pthread_t, std::vector<int>> threads;
  } seen;
  for (int round = 0; round < 200 && int(seen.threads.size()) < pool.threads(); ++round)
    pool.parallelFor(
        [](void *context, int64_t begin, int64_t end) {
          Seen &seen = *static_cast<Seen *>(context);
          usleep(500);
          std::lock_guard lock(seen.mutex);
          seen.threads[pthread_self()] = availableCpus();
        },
        &seen, pool.threads() * 4);
  return seen.threads;
}

TEST_P(ThreadPoolTest, EveryThreadTakesPart) {
  auto pool = ThreadPool::create(GetParam(), 3000);
  ASSERT_TRUE(pool.ok());
  auto threads = cpusOfAllThreads(**pool);
  EXPECT_EQ(int(threads.size()), GetParam());
  EXPECT_EQ(threads.count(pthread_self()), 1u) << "the caller takes part";
}

TEST_P(ThreadPoolTest, EveryThreadStaysOnItsCpu) {
  std::vector<int> available = availableCpus(), cpus;
  ASSERT_FALSE(available.empty());
  for (int i = 0; i < GetParam(); ++i)
    cpus.push_back(available[size_t(i) % available.size()]);
  // Of its own, because creating the pool ties the caller down.
  std::thread([&] {
    auto pool = ThreadPool::create(GetParam(), 0, cpus);
    ASSERT_TRUE(pool.ok());
    EXPECT_EQ(availableCpus(), std::vector<int>{cpus[0]});
    std::vector<int> used;
    for (const auto &[thread, allowed] : cpusOfAllThreads(**pool)) {
      ASSERT_EQ(allowed.size(), 1u);
      used.push_back(allowed[0]);
    }
    EXPECT_THAT(used, ::testing::UnorderedElementsAreArray(cpus));
  }).join();
  EXPECT_EQ(availableCpus(), available);
}

TEST(ThreadPool, WorksThroughSharesFromTheFrontAndHelpsFromTheBack) {
  auto pool = ThreadPool::create(2, 3000);
  ASSERT_TRUE(pool.ok());
  constexpr int64_t kCount = 640;
  struct Order {
    pthread_t caller;
    std::vector<std::pair<int64_t, int64_t>> callers, helpers;
  } order{pthread_self(), {}, {}};
  for (int round = 0; round < 300; ++round) {
    order.callers.clear();
    order.helpers.clear();
    (*pool)->parallelFor(
        [](void *context, int64_t begin, int64_t end) {
          Order &order = *static_cast<Order *>(context);
          (pthread_equal(pthread_self(), order.caller) ? order.callers : order.helpers)
              .push_back({begin, end});
          pauseSpinning();
        },
        &order, kCount);
    auto expectOrder = [](const std::vector<std::pair<int64_t, int64_t>> &chunks, int64_t begin,
                          int64_t end) {
      size_t i = 0;
      for (int64_t next = begin; i < chunks.size() && chunks[i].first >= begin && chunks[i].first < end;
           ++i) {
        EXPECT_EQ(chunks[i].first, next);
        next = chunks[i].second;
      }
      for (int64_t last = begin == 0 ? kCount : begin; i < chunks.size(); ++i) {
        EXPECT_EQ(chunks[i].second, last);
        last = chunks[i].first;
      }
    };
    expectOrder(order.callers, 0, kCount / 2);
    expectOrder(order.helpers, kCount / 2, kCount);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
  }
}

TEST(ThreadPool, RefusesImpossibleNumbers) {
  for (int threads : {0, -1, ThreadPool::kMaxThreads + 1})
    EXPECT_EQ(ThreadPool::create(threads, 0).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ThreadPool, IdleThreadsSleep) {
  auto pool = ThreadPool::create(4, 3000);
  ASSERT_TRUE(pool.ok());
  std::vector<int> visits(100);
  (*pool)->parallelFor(countVisits, &visits, 100);
  usleep(5000);
  timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  usleep(100'000);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  int64_t used = (after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec;
  EXPECT_LT(used, 20'000'000) << "idle threads burn the CPU";
}

} // namespace
} // namespace lamina
