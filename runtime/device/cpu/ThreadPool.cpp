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
constexpr int64_t kChunksPerThread = 16;

/// Threads of one dispatch are done within microseconds of each other, and the next one follows as soon.
constexpr uint64_t kKeepNanoseconds = 3'000;

constexpr uint64_t packJob(uint32_t epoch, uint64_t chunks) { return uint64_t(epoch) << 32 | chunks; }
constexpr int64_t chunksOf(uint64_t job) { return int64_t(job & 0xffffffff); }

constexpr uint64_t packTaken(uint64_t job, uint64_t front, uint64_t back) {
  return job >> 32 << 32 | front << 16 | back;
}
constexpr bool sameEpoch(uint64_t a, uint64_t b) { return a >> 32 == b >> 32; }
constexpr int64_t frontOf(uint64_t taken) { return int64_t(taken >> 16 & 0xffff); }
constexpr int64_t backOf(uint64_t taken) { return int64_t(taken & 0xffff); }

static_assert(kChunksPerThread <= 0xffff);

} // namespace

absl::StatusOr<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads, uint64_t spinNanoseconds,
                                                               std::span<const int> cpus) {
  if (threads < 1 || threads > kMaxThreads)
    return absl::InvalidArgumentError(
        absl::StrCat("a worker cannot have ", threads, " threads: choose 1 to ", kMaxThreads));
  std::unique_ptr<ThreadPool> pool(new ThreadPool(threads, spinNanoseconds));
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
    error = pthread_create(&helper, nullptr, helperMain, &pool->shares_[size_t(i)]);
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

ThreadPool::ThreadPool(int threads, uint64_t spinNanoseconds)
    : spin_(spinNanoseconds), shares_(size_t(threads)) {
  for (Share &share : shares_)
    share.pool = this;
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  jobs_.add(1);
  for (pthread_t helper : helpers_)
    pthread_join(helper, nullptr);
}

void *ThreadPool::helperMain(void *argument) {
  Share &own = *static_cast<Share *>(argument);
  ThreadPool &pool = *own.pool;
  while (true) {
    uint32_t seen = pool.jobs_.load();
    if (pool.stop_.load())
      return nullptr;
    pool.runChunks(size_t(&own - pool.shares_.data()));
    pool.jobs_.waitWhile(seen, pool.spin_, 0, kKeepNanoseconds);
  }
}

/// Takes a chunk of `owner`'s share of the job: the owner takes the first that is left, others the last.
/// Returns -1 if none is left.
int64_t ThreadPool::claim(uint64_t job, size_t owner, bool own) {
  int64_t chunks = chunksOf(job), threads = int64_t(shares_.size());
  int64_t begin = chunks * int64_t(owner) / threads, end = chunks * int64_t(owner + 1) / threads;
  std::atomic<uint64_t> &taken = shares_[owner].taken;
  uint64_t seen = taken.load(std::memory_order_acquire);
  while (true) {
    int64_t front = 0, back = 0;
    if (sameEpoch(seen, job))
      front = frontOf(seen), back = backOf(seen);
    else if (job_.load(std::memory_order_acquire) != job)
      return -1; // somebody has claimed for a later job already: ours is done
    if (begin + front >= end - back)
      return -1;
    // Success means that this chunk of the job was left, so the job is not done and its fields belong
    // together.
    uint64_t next = packTaken(job, uint64_t(front + own), uint64_t(back + !own));
    if (taken.compare_exchange_weak(seen, next, std::memory_order_acq_rel, std::memory_order_acquire))
      return own ? begin + front : end - back - 1;
  }
}

/// First the own share in ascending order, since work next to each other often reads memory next to each
/// other and what one chunk fetches ahead is for the next; then what others have left.
void ThreadPool::runChunks(size_t self) {
  uint64_t job = job_.load(std::memory_order_acquire);
  uint32_t done = 0;
  for (size_t i = 0; i < shares_.size(); ++i) {
    size_t owner = (self + i) % shares_.size();
    for (int64_t chunk; (chunk = claim(job, owner, owner == self)) >= 0; ++done) {
      int64_t size = chunkSize_.load(std::memory_order_relaxed);
      int64_t begin = chunk * size, end = std::min(count_.load(std::memory_order_relaxed), begin + size);
      body_.load(std::memory_order_relaxed)(context_.load(std::memory_order_relaxed), begin, end);
    }
  }
  if (done != 0)
    finished_.add(done);
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
  job_.store(packJob(++epoch_, uint64_t(chunks)), std::memory_order_release);
  jobs_.add(1);
  runChunks(0);
  // Threads that are still asleep own nothing, so this waits only for chunks that somebody is working on.
  for (uint32_t done = finished_.load(); done != chunks;)
    done = finished_.waitWhile(done, spin_, 0, kKeepNanoseconds);
}

} // namespace lamina
