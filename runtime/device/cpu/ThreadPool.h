//===- ThreadPool.h - splits one dispatch over threads --------------------------------------*- C++ -*-===//
//
// A pool of N threads, one of which is the caller. Each works through a share of its own from front to back
// and then helps the others from the back. Handing out work takes a few atomic operations: no lock, no
// allocation, and a system call only to wake a thread that went to sleep. Idle threads offer their CPU to
// others while they spin for a fraction of a millisecond, and then sleep, so that a pool whose worker waits
// for its peer leaves the CPUs to that peer.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CPU_THREADPOOL_H
#define LAMINA_RUNTIME_DEVICE_CPU_THREADPOOL_H

#include "runtime/base/Status.h"
#include "runtime/base/WaitWord.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <span>
#include <vector>

namespace lamina {

class ThreadPool {
public:
  static constexpr int kMaxThreads = 1024;

  /// Runs [begin, end); called concurrently from several threads with disjoint ranges.
  using Body = void (*)(void *context, int64_t begin, int64_t end);

  /// `threads` counts the caller: a pool of 1 runs everything inline. Idle threads spin for
  /// `spinNanoseconds`. With `cpus`, one for each thread, thread i stays on cpus[i]; thread 0 is the caller.
  static absl::StatusOr<std::unique_ptr<ThreadPool>> create(int threads, uint64_t spinNanoseconds,
                                                            std::span<const int> cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// Runs `body` over [0, count) exactly once per index and returns when all of it is done. One caller at a
  /// time; `body` must not call back into the pool.
  void parallelFor(Body body, void *context, int64_t count);

  int threads() const { return int(shares_.size()); }

private:
  /// What a thread begins with: an equal part of the chunks, one after another. `taken` is epoch:32 | chunks
  /// taken from the front:16 | and from the back:16; of another epoch than the job's it stands for none
  /// taken.
  struct alignas(64) Share {
    std::atomic<uint64_t> taken{0};
    ThreadPool *pool = nullptr;
  };

  ThreadPool(int threads, uint64_t spinNanoseconds);
  static void *helperMain(void *share);
  int64_t claim(uint64_t job, size_t owner, bool own);
  void runChunks(size_t self);

  const uint64_t spin_;
  std::vector<pthread_t> helpers_;
  std::vector<Share> shares_; // the caller's first

  // The current job. `job_` is epoch:32 | chunks:32; its fields are stable while any of its chunks is
  // unfinished.
  alignas(64) std::atomic<uint64_t> job_{0};
  std::atomic<Body> body_{nullptr};
  std::atomic<void *> context_{nullptr};
  std::atomic<int64_t> count_{0};
  std::atomic<int64_t> chunkSize_{0};
  uint32_t epoch_ = 0; // of the caller alone

  alignas(64) WaitWord jobs_;     // changes with every job
  alignas(64) WaitWord finished_; // chunks of the current job that are done
  std::atomic<bool> stop_{false};
};

} // namespace lamina

#endif // LAMINA_RUNTIME_DEVICE_CPU_THREADPOOL_H
