//===- ThreadPool.cpp - splits one dispatch over threads ----------------------------------------------===//

#include "runtime/device/cpu/ThreadPool.h"

#include "runtime/base/Affinity.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <csignal>
#include <cstring>

namespace lamina {
namespace {

/// Enough chunks that a thread which starts late or is slower leaves little to wait for, few enough that
/// claiming them costs nothing beside the work.
constexpr int64_t kChunksPerThread = 8;

constexpr uint64_t packState(uint32_t epoch, uint64_t chunks) { return uint64_t(epoch) << 32 | chunks << 16; }
constexpr uint64_t chunksOf(uint64_t state) { return state >> 16 & 0xffff; }
constexpr uint64_t nextOf(uint64_t state) { return state & 0xffff; }

static_assert(ThreadPool::kMaxThreads * kChunksPerThread <= 0xffff);

} // namespace

absl::StatusOr<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads, uint64_t spinNanoseconds,
                                                               std::span<const int> cpus) {
  if (threads < 1 || threads > kMaxThreads)
    return absl::InvalidArgumentError(
        absl::StrCat("a worker cannot have ", threads, " threads: choose 1 to ", kMaxThreads));
  std::unique_ptr<ThreadPool> pool(new ThreadPool(spinNanoseconds));
  // Helpers inherit a full mask: signals of the process are the main thread's affair.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  // A thread inherits its CPU from the one that starts it, so each is where it belongs before it runs.
  for (int i = 1; i < threads && error == 0; ++i) {
    pthread_t helper;
    if (!cpus.empty())
      stayOnCpu(cpus[size_t(i)]);
    error = pthread_create(&helper, nullptr, helperMain, pool.get());
    if (error == 0)
      pool->helpers_.push_back(helper);
  }
  if (!cpus.empty())
    stayOnCpu(cpus[0]);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start ", threads, " threads: ", strerror(error), "; use fewer threads"));
  return pool;
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  jobs_.add(1);
  for (pthread_t helper : helpers_)
    pthread_join(helper, nullptr);
}

void *ThreadPool::helperMain(void *argument) {
  ThreadPool &pool = *static_cast<ThreadPool *>(argument);
  while (true) {
    uint32_t seen = pool.jobs_.load();
    if (pool.stop_.load())
      return nullptr;
    pool.runChunks();
    pool.jobs_.waitWhile(seen, pool.spin_, 0);
  }
}

void ThreadPool::runChunks() {
  uint64_t state = state_.load(std::memory_order_acquire);
  while (nextOf(state) < chunksOf(state)) {
    // Success means that the epoch is still the one we looked at and its chunk is ours: only then are the
    // fields of the job known to belong together.
    if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    int64_t size = chunkSize_.load(std::memory_order_relaxed);
    int64_t count = count_.load(std::memory_order_relaxed);
    int64_t begin = int64_t(nextOf(state)) * size;
    body_.load(std::memory_order_relaxed)(context_.load(std::memory_order_relaxed), begin,
                                          std::min(count, begin + size));
    finished_.add(1);
    state = state_.load(std::memory_order_acquire);
  }
}

void ThreadPool::parallelFor(Body body, void *context, int64_t count) {
  if (count <= 0)
    return;
  if (helpers_.empty() || count == 1)
    return body(context, 0, count);
  int64_t chunkSize = (count + threads() * kChunksPerThread - 1) / (threads() * kChunksPerThread);
  int64_t chunks = (count + chunkSize - 1) / chunkSize;
  body_.store(body, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  count_.store(count, std::memory_order_relaxed);
  chunkSize_.store(chunkSize, std::memory_order_relaxed);
  finished_.reset(0);
  state_.store(packState(++epoch_, uint64_t(chunks)), std::memory_order_release);
  jobs_.add(1);
  runChunks();
  // Threads that are still asleep own nothing, so this waits only for chunks that somebody is working on.
  for (uint32_t done = finished_.load(); done != chunks;)
    done = finished_.waitWhile(done, spin_, 0);
}

} // namespace lamina
