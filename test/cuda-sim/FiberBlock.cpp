//===- FiberBlock.cpp - runs the simulated form of a CUDA kernel --------------------------------------===//

#include "FiberBlock.h"

#include "FiberSwitch.h"

#include "runtime/base/Float16.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sys/mman.h>
#include <vector>

namespace lamina::cudasim {
namespace {

constexpr size_t kFenceBytes = 65536; // the largest page that a system has
constexpr size_t kStackBytes = 128 << 10;
constexpr size_t kSharedSpace = 256 << 10;
constexpr size_t kSharedAlignment = 128;
static_assert(kSharedSpace >= uint32_t(LAMINA_CUDA_MAX_SHARED) + kSharedAlignment);

/// Memory between two fences that fault.
std::byte *mapFenced(size_t bytes) {
  void *space =
      mmap(nullptr, bytes + 2 * kFenceBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  std::byte *memory = static_cast<std::byte *>(space) + kFenceBytes;
  if (space == MAP_FAILED || mprotect(memory, bytes, PROT_READ | PROT_WRITE) != 0) {
    perror("cuda-sim: cannot map memory for simulated threads");
    abort();
  }
  return memory;
}

void unmapFenced(std::byte *memory, size_t bytes) { munmap(memory - kFenceBytes, bytes + 2 * kFenceBytes); }

enum class State : uint8_t { Ready, AtBarrier, InShuffle, InProduct, Returned };

const char *describe(State state) {
  switch (state) {
  case State::AtBarrier:
    return "waits at a barrier";
  case State::InShuffle:
    return "waits in a shuffle";
  case State::InProduct:
    return "waits in a product of tiles";
  case State::Returned:
    return "has returned";
  default:
    return "runs";
  }
}

/// What a lane gives to its warp: a word; its words of two tiles, `a` and `b` one after the other; or the numbers in them,
/// as f32.
using Offer = std::array<int32_t, 12>;
constexpr int32_t kOfferOfB = 4;

struct Fiber {
  std::byte *stack;
  void *context;
  State state;
  /// The last two: a lane may be one exchange ahead of another, never two.
  Offer offers[2];
  uint8_t exchanges; // parity of how many it has called
};

/// Products of the signed bytes of two words.
int32_t dotBytes(int32_t a, int32_t b) {
  int32_t sum = 0;
  for (int32_t byte = 0; byte < 4; ++byte)
    sum += int8_t(a >> 8 * byte) * int8_t(b >> 8 * byte);
  return sum;
}

class Runner {
public:
  ~Runner() {
    for (Fiber &fiber : fibers_)
      unmapFenced(fiber.stack, kStackBytes);
    unmapFenced(shared_, kSharedSpace);
  }

  void run(const Grid &grid) {
    grid_ = &grid;
    if (grid.threads < 1 || grid.threads > LAMINA_CUDA_MAX_BLOCK || grid.threads % LAMINA_CUDA_WARP != 0)
      fail("%d threads in a block, expected a multiple of 32 up to %d", grid.threads,
           int(LAMINA_CUDA_MAX_BLOCK));
    if (grid.sharedBytes > uint32_t(LAMINA_CUDA_MAX_SHARED))
      fail("%u bytes of shared memory, there are %u", grid.sharedBytes, uint32_t(LAMINA_CUDA_MAX_SHARED));
    makeFibers();
    static std::atomic<uint32_t> grids{0};
    uint32_t turn = grids.fetch_add(1, std::memory_order_relaxed);
    midway_ = true;
    for (block_ = 0; block_ < grid.blocks; ++block_)
      runBlock((uint32_t(block_) + turn) % 2 != 0);
    midway_ = false;
  }

  int32_t thread() const { return current_; }
  int32_t block() const { return block_; }

  std::byte *shared() const {
    size_t bytes = (grid_->sharedBytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
    return shared_ + kSharedSpace - bytes;
  }

  void barrier() { leave(State::AtBarrier); }

  int32_t shuffle(int32_t value, int32_t lane) {
    if (lane < 0 || lane >= LAMINA_CUDA_WARP)
      fail("thread %d shuffles with lane %d", current_, lane);
    return exchange({value}, State::InShuffle).of(lane)[0];
  }

  void multiplyTiles(const int32_t *a, const int32_t *b, int32_t *sums, int32_t depth) {
    if (depth != 16 && depth != 32)
      fail("thread %d multiplies tiles of depth %d", current_, depth);
    int32_t halves = depth / 16, lane = current_ % LAMINA_CUDA_WARP;
    Offer own{};
    std::copy_n(a, 2 * halves, own.begin());
    std::copy_n(b, halves, own.begin() + kOfferOfB);
    Offers offers = exchange(own, State::InProduct);
    for (int32_t i = 0; i < 4; ++i) {
      int32_t rows = i / 2, row = lane / 4, column = 2 * (lane % 4) + i % 2; // the upper or the lower eight rows
      for (int32_t quarter = 0; quarter < 4; ++quarter)
        for (int32_t half = 0; half < halves; ++half)
          sums[i] += dotBytes(offers.of(4 * row + quarter)[size_t(2 * half + rows)],
                              offers.of(4 * column + quarter)[size_t(kOfferOfB + half)]);
    }
  }

  void multiplyFloatTiles(const int32_t *a, const int32_t *b, float *sums, bool bfloat) {
    Offer own;
    for (size_t i = 0; i < own.size(); ++i) { // two in each word
      auto bits = uint16_t((i < 8 ? a[i / 2] : b[i / 2 - 4]) >> 16 * (i % 2));
      own[i] = std::bit_cast<int32_t>(bfloat ? bfloat16ToFloat(bits) : halfToFloat(bits));
    }
    Offers offers = exchange(own, State::InProduct);
    int32_t lane = current_ % LAMINA_CUDA_WARP;
    for (int32_t i = 0; i < 4; ++i) {
      int32_t rows = i / 2, row = lane / 4, column = 2 * (lane % 4) + i % 2;
      double sum = sums[i];
      for (int32_t k = 0; k < 16; ++k) {
        int32_t owner = k % 8 / 2, place = k % 2 + k / 8 * 4; // in `a` the upper and the lower eight rows by turns
        const Offer &ofA = offers.of(4 * row + owner), &ofB = offers.of(4 * column + owner);
        sum += double(std::bit_cast<float>(ofA[size_t(place + 2 * rows)])) *
               std::bit_cast<float>(ofB[size_t(8 + place / 4 * 2 + place % 4)]);
      }
      sums[i] = float(sum);
    }
  }

private:
  /// What the lanes of a warp gave to one exchange.
  struct Offers {
    const Fiber *fibers;
    size_t which;
    const Offer &of(int32_t lane) const { return fibers[lane].offers[which]; }
  };

  Offers exchange(const Offer &own, State state) {
    size_t self = size_t(current_), which = fibers_[self].exchanges++ % 2;
    fibers_[self].offers[which] = own;
    leave(state);
    return {&fibers_[self / LAMINA_CUDA_WARP * LAMINA_CUDA_WARP], which};
  }

  template <typename... Args> [[noreturn]] void fail(const char *format, Args... args) {
    fprintf(stderr, "cuda-sim: kernel %s, block %d: ", grid_->name, block_);
    fprintf(stderr, format, args...);
    fputc('\n', stderr);
    abort();
  }

  static void fiberMain();

  void makeFibers() {
    size_t usable = midway_ ? 0 : fibers_.size(); // one that was left in a kernel cannot begin another
    while (fibers_.size() < size_t(grid_->threads))
      fibers_.push_back({mapFenced(kStackBytes), nullptr, State::Ready, {}, 0});
    for (size_t i = usable; i < fibers_.size(); ++i)
      fibers_[i].context = makeFiber(fibers_[i].stack + kStackBytes, fiberMain);
  }

  void runBlock(bool backwards) {
    memset(shared(), 0xff, size_t(shared_ + kSharedSpace - shared()));
    for (int32_t i = 0; i < grid_->threads; ++i)
      fibers_[size_t(i)].state = State::Ready, fibers_[size_t(i)].exchanges = 0;
    int32_t warps = grid_->threads / LAMINA_CUDA_WARP;
    do {
      for (int32_t i = 0; i < warps; ++i)
        runWarp((backwards ? warps - 1 - i : i) * LAMINA_CUDA_WARP, backwards);
    } while (passBarrier());
  }

  /// Until every thread of the warp is at a barrier or has returned.
  void runWarp(int32_t first, bool backwards) {
    while (true) {
      for (int32_t i = 0; i < LAMINA_CUDA_WARP; ++i) {
        int32_t thread = first + (backwards ? LAMINA_CUDA_WARP - 1 - i : i);
        if (fibers_[size_t(thread)].state == State::Ready) {
          current_ = thread;
          switchFiber(&main_, fibers_[size_t(thread)].context);
        }
      }
      int32_t exchanging = 0;
      for (State state : {State::InShuffle, State::InProduct}) {
        int32_t count = countIn(first, LAMINA_CUDA_WARP, state);
        if (count != 0 && count != LAMINA_CUDA_WARP)
          failDiverged(first, LAMINA_CUDA_WARP, state);
        exchanging += count;
      }
      if (exchanging == 0)
        return;
      setReady(first, LAMINA_CUDA_WARP);
    }
  }

  /// False if all threads have returned.
  bool passBarrier() {
    int32_t waiting = countIn(0, grid_->threads, State::AtBarrier);
    if (waiting == 0)
      return false;
    if (waiting != grid_->threads)
      failDiverged(0, grid_->threads, State::AtBarrier);
    setReady(0, grid_->threads);
    return true;
  }

  int32_t countIn(int32_t first, int32_t count, State state) const {
    int32_t found = 0;
    for (int32_t i = first; i < first + count; ++i)
      found += fibers_[size_t(i)].state == state;
    return found;
  }

  void setReady(int32_t first, int32_t count) {
    for (int32_t i = first; i < first + count; ++i)
      fibers_[size_t(i)].state = State::Ready;
  }

  [[noreturn]] void failDiverged(int32_t first, int32_t count, State state) {
    int32_t in = first, out = first;
    while (fibers_[size_t(in)].state != state)
      ++in;
    while (fibers_[size_t(out)].state == state)
      ++out;
    fail("thread %d %s that thread %d does not reach: it %s (%d of %d threads got there)", in,
         describe(state), out, describe(fibers_[size_t(out)].state), countIn(first, count, state), count);
  }

  void leave(State state) {
    Fiber &fiber = fibers_[size_t(current_)];
    fiber.state = state;
    switchFiber(&fiber.context, main_);
  }

  std::byte *shared_ = mapFenced(kSharedSpace);
  std::vector<Fiber> fibers_; // by thread of the block
  void *main_ = nullptr;      // of runWarp
  const Grid *grid_ = nullptr;
  int32_t block_ = 0;
  int32_t current_ = 0;
  bool midway_ = false;
};

Runner &runner() {
  thread_local std::unique_ptr<Runner> own;
  if (!own)
    own = std::make_unique<Runner>();
  return *own;
}

void Runner::fiberMain() {
  Runner &self = runner();
  while (true) {
    self.grid_->kernel(self.grid_->parameters);
    self.leave(State::Returned);
  }
}

} // namespace

void runGrid(const Grid &grid) { runner().run(grid); }

} // namespace lamina::cudasim

#define LAMINA_SIM_EXPORT extern "C" __attribute__((visibility("default")))

LAMINA_SIM_EXPORT int32_t lamina_sim_thread_id(void) { return lamina::cudasim::runner().thread(); }
LAMINA_SIM_EXPORT int32_t lamina_sim_block_id(void) { return lamina::cudasim::runner().block(); }
LAMINA_SIM_EXPORT void lamina_sim_barrier(void) { lamina::cudasim::runner().barrier(); }
LAMINA_SIM_EXPORT int32_t lamina_sim_shuffle(int32_t value, int32_t lane) {
  return lamina::cudasim::runner().shuffle(value, lane);
}
LAMINA_SIM_EXPORT void lamina_sim_mma_s8(const int32_t *a, const int32_t *b, int32_t *sums, int32_t depth) {
  lamina::cudasim::runner().multiplyTiles(a, b, sums, depth);
}
LAMINA_SIM_EXPORT void lamina_sim_mma_f32(const int32_t *a, const int32_t *b, float *sums, int32_t bfloat) {
  lamina::cudasim::runner().multiplyFloatTiles(a, b, sums, bfloat != 0);
}
LAMINA_SIM_EXPORT void *lamina_sim_shared(void) { return lamina::cudasim::runner().shared(); }
