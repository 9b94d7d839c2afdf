//===- WaitWord.h - a 32-bit word that threads and processes wait on ------------------------*- C++ -*-===//
//
// Publishers change the word; waiters spin for a while, giving their CPU to whoever else is ready in between,
// and then sleep on it (futex). Changing the word is one atomic operation and a system call only if somebody
// sleeps. Zeroed memory is a valid WaitWord, so it can live in a shared segment. A waiter that is killed
// leaves the word usable: later changes make a needless system call.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_BASE_WAITWORD_H
#define LAMINA_RUNTIME_BASE_WAITWORD_H

#include "runtime/base/Clock.h"

#include <atomic>
#include <climits>
#include <cstdint>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lamina {

/// How long workers spin. Falling asleep and being woken costs both sides microseconds, many times in a
/// layer; spinning costs nobody anything while it offers the CPU to others. Longer than what a step of one
/// token leaves a thread without work.
constexpr uint64_t kSpinNanoseconds = 200'000;

inline void pauseSpinning() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

/// `shared`: waiters may be in other processes that map the same memory.
template <bool shared> class BasicWaitWord {
public:
  /// The word itself, for devices that write it or wait for it. They wake nobody: who waits for what a device writes
  /// must look again by itself.
  uint32_t *word() { return reinterpret_cast<uint32_t *>(&value_); }

  uint32_t load() const { return value_.load(std::memory_order_acquire); }

  /// Stores, publishing everything written before, and wakes all sleepers.
  void store(uint32_t value) {
    value_.store(value, std::memory_order_seq_cst);
    wakeSleepers();
  }
  /// Adds atomically, publishing everything written before, and wakes all sleepers.
  void add(uint32_t amount) {
    value_.fetch_add(amount, std::memory_order_seq_cst);
    wakeSleepers();
  }
  /// Sets the word without publishing or waking; for an owner that knows nobody waits.
  void reset(uint32_t value) { value_.store(value, std::memory_order_relaxed); }
  /// Makes sleepers return although the word has not changed, so that they look at something else.
  void wakeAll() { futex(FUTEX_WAKE, INT_MAX, nullptr); }

  /// Waits until the word differs from `seen`: spins for `spin` nanoseconds, then sleeps up to `timeout`
  /// nanoseconds (0 = without limit). The first `keep` nanoseconds of spinning keep the CPU: for who waits for
  /// threads that have CPUs of their own and will be done sooner than others could come and go. Returns the word as
  /// it is then, which equals `seen` after a timeout or wakeAll().
  uint32_t waitWhile(uint32_t seen, uint64_t spin, uint64_t timeout, uint64_t keep = 0) {
    uint64_t begin = 0;
    for (int looks = 16;;) {
      for (int i = 0; i < looks; ++i) {
        if (uint32_t value = load(); value != seen)
          return value;
        pauseSpinning();
      }
      uint64_t now = monotonicNanoseconds();
      if (begin == 0)
        begin = now;
      if (now - begin >= spin)
        break;
      if (now - begin < keep)
        continue;
      // Whom we wait for may be waiting for this very CPU: threads of two workers share it. With nobody else the call
      // costs no more than the pauses. Whoever gives the CPU back to us wants it back: one look is enough.
      sched_yield();
      looks = 1;
    }
    // A publisher changes the word and then reads the count, we count and then read the word: one of us sees
    // the other, so no change is slept through.
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    if (value_.load(std::memory_order_seq_cst) == seen) {
      timespec limit{time_t(timeout / 1000000000u), long(timeout % 1000000000u)};
      futex(FUTEX_WAIT, seen, timeout == 0 ? nullptr : &limit);
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    return load();
  }

private:
  void wakeSleepers() {
    if (sleepers_.load(std::memory_order_seq_cst) != 0)
      wakeAll();
  }
  void futex(int operation, uint32_t value, const timespec *timeout) {
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&value_),
            shared ? operation : operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
  }

  std::atomic<uint32_t> value_{0};
  std::atomic<uint32_t> sleepers_{0};
  static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);
};

using WaitWord = BasicWaitWord<false>;
using SharedWaitWord = BasicWaitWord<true>;

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_WAITWORD_H
