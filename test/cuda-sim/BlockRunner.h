//===- BlockRunner.h - the threads of a simulated block, as fibers --------------------------*- C++ -*-===//
//
// Private to FiberBlock.cpp: runs the blocks of a grid one after another in the calling thread.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_CUDASIM_BLOCKRUNNER_H
#define LAMINA_TEST_CUDASIM_BLOCKRUNNER_H

#include "FiberBlock.h"
#include "TileProducts.h"

#include <cstddef>
#include <vector>

namespace lamina::cudasim {

class BlockRunner {
public:
  BlockRunner();
  ~BlockRunner();

  /// That the calling thread runs, or ran last.
  static BlockRunner &running();
  void enter();

  /// What blocks are of from now on. A block that was left in a kernel is forgotten.
  void take(const Grid &grid);
  /// Until its threads wait for the grids before.
  void beginBlock(int32_t block);
  /// To the end, of what was begun.
  void finishBlock();
  void runBlock(int32_t block);

  // Of the thread that runs: what kernels call.
  int32_t thread() const { return current_; }
  int32_t block() const { return block_; }
  std::byte *shared() const;
  void barrier();
  void waitForGrids();
  int32_t shuffle(int32_t value, int32_t lane);
  void multiplyTiles(const int32_t *a, const int32_t *b, int32_t *sums, int32_t depth);
  void multiplyFloatTiles(const int32_t *a, const int32_t *b, float *sums, bool bfloat);

private:
  enum class State : uint8_t { Ready, AtBarrier, InShuffle, InProduct, AtGridWait, Returned };
  struct Fiber {
    std::byte *stack;
    void *context;
    State state;
    uint8_t exchanges; // parity of how many it has called
    bool waited;       // for the grids before
  };

  static void fiberMain();
  static const char *describe(State state);
  template <typename... Args> [[noreturn]] void fail(const char *format, Args... args);
  [[noreturn]] void failDiverged(int32_t first, int32_t count, State state);
  const Offer *exchange(const Offer &own, State state);
  void makeFibers();
  void startBlock(int32_t block);
  void runThreads();
  void runWarp(int32_t first);
  bool passBarrier();
  int32_t countIn(int32_t first, int32_t count, State state) const;
  void setReady(int32_t first, int32_t count);
  void leave(State state);

  std::byte *shared_;
  std::vector<Fiber> fibers_; // by thread of the block
  /// Of the last two exchanges, by thread: a lane may be one exchange ahead of another, never two.
  std::vector<Offer> offers_[2];
  void *main_ = nullptr; // of runWarp
  const Grid *grid_ = nullptr;
  uint32_t turn_ = 0;
  int32_t block_ = 0;
  int32_t current_ = 0;
  bool backwards_ = false;
  bool early_ = false;  // before the grids in front are done
  bool midway_ = false; // in a block
};

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_BLOCKRUNNER_H
