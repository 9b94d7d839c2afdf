//===- FiberBlock.cpp - runs the simulated form of a CUDA kernel --------------------------------------===//

#include "FiberBlock.h"

#include "BlockRunner.h"

#include <memory>
#include <vector>

namespace lamina::cudasim {
namespace {

/// Of a thread, with fibers from grids before. A long jump out of a grid leaves its runner in `all` alone.
struct Runners {
  std::vector<std::unique_ptr<BlockRunner>> all;
  std::vector<BlockRunner *> idle;
};
thread_local Runners runners;

} // namespace

GridRun::GridRun(const Grid &grid) : grid_(grid) {
  if (runners.idle.empty())
    runners.idle.push_back(runners.all.emplace_back(std::make_unique<BlockRunner>()).get());
  runner_ = runners.idle.back();
  runners.idle.pop_back();
  runner_->take(grid_);
}

GridRun::~GridRun() { runners.idle.push_back(runner_); }

void GridRun::begin(int32_t block) {
  begun_ = block;
  runner_->enter();
  runner_->beginBlock(block);
}

void GridRun::finish() {
  runner_->enter();
  if (begun_ >= 0)
    runner_->finishBlock();
  for (int32_t block = 0; block < grid_.blocks; ++block)
    if (block != begun_)
      runner_->runBlock(block);
}

void runGrid(const Grid &grid) { GridRun(grid).finish(); }

} // namespace lamina::cudasim

#define LAMINA_SIM_EXPORT extern "C" __attribute__((visibility("default")))

LAMINA_SIM_EXPORT int32_t lamina_sim_thread_id(void) {
  return lamina::cudasim::BlockRunner::running().thread();
}
LAMINA_SIM_EXPORT int32_t lamina_sim_block_id(void) {
  return lamina::cudasim::BlockRunner::running().block();
}
LAMINA_SIM_EXPORT void lamina_sim_barrier(void) { lamina::cudasim::BlockRunner::running().barrier(); }
LAMINA_SIM_EXPORT int32_t lamina_sim_shuffle(int32_t value, int32_t lane) {
  return lamina::cudasim::BlockRunner::running().shuffle(value, lane);
}
LAMINA_SIM_EXPORT void lamina_sim_mma_s8(const int32_t *a, const int32_t *b, int32_t *sums, int32_t depth) {
  lamina::cudasim::BlockRunner::running().multiplyTiles(a, b, sums, depth);
}
LAMINA_SIM_EXPORT void lamina_sim_mma_f32(const int32_t *a, const int32_t *b, float *sums, int32_t bfloat) {
  lamina::cudasim::BlockRunner::running().multiplyFloatTiles(a, b, sums, bfloat != 0);
}
LAMINA_SIM_EXPORT int32_t lamina_sim_permute(int32_t low, int32_t high, int32_t selector) {
  uint64_t bytes = uint64_t(uint32_t(high)) << 32 | uint32_t(low);
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    int number = selector >> 4 * i;
    uint8_t byte = uint8_t(bytes >> 8 * (number & 7));
    result |= uint32_t(number & 8 ? byte >> 7 ? 0xFF : 0 : byte) << 8 * i;
  }
  return int32_t(result);
}
LAMINA_SIM_EXPORT void lamina_sim_grid_wait(void) { lamina::cudasim::BlockRunner::running().waitForGrids(); }
LAMINA_SIM_EXPORT void *lamina_sim_shared(void) { return lamina::cudasim::BlockRunner::running().shared(); }
