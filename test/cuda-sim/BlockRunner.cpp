//===- BlockRunner.cpp - the threads of a simulated block, as fibers ----------------------------------===//

#include "BlockRunner.h"

#include "FiberSwitch.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

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

/// Of the calling thread.
thread_local BlockRunner *runningBlock = nullptr;

} // namespace

BlockRunner::BlockRunner() : shared_(mapFenced(kSharedSpace)) {}

BlockRunner::~BlockRunner() {
  for (Fiber &fiber : fibers_)
    unmapFenced(fiber.stack, kStackBytes);
  unmapFenced(shared_, kSharedSpace);
}

BlockRunner &BlockRunner::running() { return *runningBlock; }
void BlockRunner::enter() { runningBlock = this; }

const char *BlockRunner::describe(State state) {
  switch (state) {
  case State::AtBarrier:
    return "waits at a barrier";
  case State::InShuffle:
    return "waits in a shuffle";
  case State::InProduct:
    return "waits in a product of tiles";
  case State::AtGridWait:
    return "waits for the grids before";
  case State::Returned:
    return "has returned";
  default:
    return "runs";
  }
}

template <typename... Args> void BlockRunner::fail(const char *format, Args... args) {
  fprintf(stderr, "cuda-sim: kernel %s, block %d: ", grid_->name, block_);
  fprintf(stderr, format, args...);
  fputc('\n', stderr);
  abort();
}

void BlockRunner::take(const Grid &grid) {
  grid_ = &grid;
  early_ = false;
  if (grid.threads < 1 || grid.threads > LAMINA_CUDA_MAX_BLOCK || grid.threads % LAMINA_CUDA_WARP != 0)
    fail("%d threads in a block, expected a multiple of 32 up to %d", grid.threads,
         int(LAMINA_CUDA_MAX_BLOCK));
  if (grid.sharedBytes > uint32_t(LAMINA_CUDA_MAX_SHARED))
    fail("%u bytes of shared memory, there are %u", grid.sharedBytes, uint32_t(LAMINA_CUDA_MAX_SHARED));
  static std::atomic<uint32_t> grids{0};
  turn_ = grids.fetch_add(1, std::memory_order_relaxed);
  makeFibers();
}

/// Until every thread waits for the grids before, or for one that does.
void BlockRunner::beginBlock(int32_t block) {
  startBlock(block);
  early_ = true;
  runThreads();
  early_ = false;
}

void BlockRunner::finishBlock() {
  for (int32_t i = 0; i < grid_->threads; ++i)
    if (fibers_[size_t(i)].state == State::AtGridWait)
      fibers_[size_t(i)].state = State::Ready;
  runThreads();
  midway_ = false;
}

void BlockRunner::runBlock(int32_t block) {
  startBlock(block);
  finishBlock();
}

std::byte *BlockRunner::shared() const {
  size_t bytes = (grid_->sharedBytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
  return shared_ + kSharedSpace - bytes;
}

void BlockRunner::barrier() { leave(State::AtBarrier); }

int32_t BlockRunner::shuffle(int32_t value, int32_t lane) {
  if (lane < 0 || lane >= LAMINA_CUDA_WARP)
    fail("thread %d shuffles with lane %d", current_, lane);
  return exchange({value}, State::InShuffle)[lane][0];
}

void BlockRunner::multiplyTiles(const int32_t *a, const int32_t *b, int32_t *sums, int32_t depth) {
  if (depth != 16 && depth != 32)
    fail("thread %d multiplies tiles of depth %d", current_, depth);
  int32_t lane = current_ % LAMINA_CUDA_WARP;
  addByteProducts(exchange(offerBytes(a, b, depth), State::InProduct), lane, sums, depth);
}

void BlockRunner::multiplyFloatTiles(const int32_t *a, const int32_t *b, float *sums, bool bfloat) {
  int32_t lane = current_ % LAMINA_CUDA_WARP;
  addFloatProducts(exchange(offerFloats(a, b, bfloat), State::InProduct), lane, sums);
}

void BlockRunner::waitForGrids() {
  fibers_[size_t(current_)].waited = true;
  if (early_)
    leave(State::AtGridWait);
}

/// What all lanes of the thread's warp gave, by lane.
const Offer *BlockRunner::exchange(const Offer &own, State state) {
  size_t self = size_t(current_), first = self / LAMINA_CUDA_WARP * LAMINA_CUDA_WARP;
  std::vector<Offer> &offers = offers_[fibers_[self].exchanges++ % 2];
  offers[self] = own;
  leave(state);
  return &offers[first];
}

void BlockRunner::makeFibers() {
  size_t usable = midway_ ? 0 : fibers_.size(); // one that was left in a kernel cannot begin another
  while (fibers_.size() < size_t(grid_->threads))
    fibers_.push_back({mapFenced(kStackBytes), nullptr, State::Ready, 0, false});
  for (size_t i = usable; i < fibers_.size(); ++i)
    fibers_[i].context = makeFiber(fibers_[i].stack + kStackBytes, fiberMain);
  for (std::vector<Offer> &offers : offers_)
    offers.resize(fibers_.size());
  midway_ = false;
}

void BlockRunner::startBlock(int32_t block) {
  midway_ = true;
  block_ = block;
  backwards_ = (uint32_t(block) + turn_) % 2 != 0;
  memset(shared(), 0xff, size_t(shared_ + kSharedSpace - shared()));
  for (int32_t i = 0; i < grid_->threads; ++i) {
    Fiber &fiber = fibers_[size_t(i)];
    fiber.state = State::Ready;
    fiber.exchanges = 0;
    fiber.waited = false;
  }
}

/// Until every thread has returned or, where the block began early, some wait for the grids before.
void BlockRunner::runThreads() {
  int32_t warps = grid_->threads / LAMINA_CUDA_WARP;
  do {
    for (int32_t i = 0; i < warps; ++i)
      runWarp((backwards_ ? warps - 1 - i : i) * LAMINA_CUDA_WARP);
  } while (countIn(0, grid_->threads, State::AtGridWait) == 0 && passBarrier());
}

/// Until every thread of the warp is at a barrier, waits for grids or has returned.
void BlockRunner::runWarp(int32_t first) {
  while (true) {
    for (int32_t i = 0; i < LAMINA_CUDA_WARP; ++i) {
      int32_t thread = first + (backwards_ ? LAMINA_CUDA_WARP - 1 - i : i);
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
bool BlockRunner::passBarrier() {
  int32_t waiting = countIn(0, grid_->threads, State::AtBarrier);
  if (waiting == 0)
    return false;
  if (waiting != grid_->threads)
    failDiverged(0, grid_->threads, State::AtBarrier);
  setReady(0, grid_->threads);
  return true;
}

int32_t BlockRunner::countIn(int32_t first, int32_t count, State state) const {
  int32_t found = 0;
  for (int32_t i = first; i < first + count; ++i)
    found += fibers_[size_t(i)].state == state;
  return found;
}

void BlockRunner::setReady(int32_t first, int32_t count) {
  for (int32_t i = first; i < first + count; ++i)
    fibers_[size_t(i)].state = State::Ready;
}

void BlockRunner::failDiverged(int32_t first, int32_t count, State state) {
  int32_t in = first, out = first;
  while (fibers_[size_t(in)].state != state)
    ++in;
  while (fibers_[size_t(out)].state == state)
    ++out;
  fail("thread %d %s that thread %d does not reach: it %s (%d of %d threads got there)", in, describe(state),
       out, describe(fibers_[size_t(out)].state), countIn(first, count, state), count);
}

void BlockRunner::leave(State state) {
  Fiber &fiber = fibers_[size_t(current_)];
  fiber.state = state;
  switchFiber(&fiber.context, main_);
}

void BlockRunner::fiberMain() {
  BlockRunner &self = running();
  while (true) {
    self.grid_->kernel(self.grid_->parameters);
    if (self.grid_->waits && !self.fibers_[size_t(self.current_)].waited)
      self.fail("thread %d returns without having waited for the grids before", self.current_);
    self.leave(State::Returned);
  }
}

} // namespace lamina::cudasim
