//===- TestPlan.h - a hand-written plan of two workers --------------------------------------*- C++ -*-===//
//
// compute0 projects the tokens to q, k, v, sends them to memory0, which appends k and v to its cache, attends
// and sends the result back for the head. Kernels: TestKernels.c.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_RUNTIME_EXECUTOR_TESTPLAN_H
#define LAMINA_TEST_RUNTIME_EXECUTOR_TESTPLAN_H

#include "runtime/executor/Engine.h"
#include "runtime/io/plan.pb.h"

#include <string>
#include <vector>

namespace lamina::test {

inline constexpr int kRow = 16;
inline constexpr int kVocab = 32;
inline constexpr int kCandidates = 16;
inline constexpr int kSlowToken = 29;  ///< memory0 sleeps for 50 ms; ids below do nothing special
inline constexpr int kCrashToken = 30; ///< memory0 raises SIGSEGV
inline constexpr int kHangToken = 31;  ///< memory0 sleeps for half a minute
inline constexpr int kMaxTokens = 40;
inline constexpr int kMaxContext = 100;

/// Indices of compute0's buffers and of the transfers, for tests that break them.
enum ComputeBuffer { TokenIds, Weights, Q, K, V, Out, OutputRows, Logits, CandidateLogits, CandidateIds };
enum TransferIndex { SendQ, SendKV, SendOut };

/// Which workers have a GPU instead of CPUs. The simulator's driver must be named to the workers: useSimulator.
struct Placement {
  bool computeOnCuda = false;
  bool memoryOnCuda = false;
};

plan::Plan makePlan(const Placement &placement = {});

/// Has compute0 offer the kCandidates largest of each row.
plan::Plan withCandidates(plan::Plan plan);

/// Makes workers of this process and of those it starts open the simulated CUDA driver.
void useSimulator();

/// A directory with what makePlan() names: the code objects and a weights file. Removed with the object.
class TestArtifact {
public:
  TestArtifact();
  ~TestArtifact();
  const std::string &path() const { return path_; }

private:
  std::string path_;
};

/// One token of a batch.
struct Token {
  int id;
  int position;
  int sequence;
};

/// Writes a batch with logits wanted for every token and gives each sequence `kMaxContext` positions of
/// pages.
LaminaStep fillBatch(Engine &engine, const std::vector<Token> &tokens);

/// What row `row` of the logits must be, column 0, when the sequence's ids so far are `ids` and the last is
/// asked for.
float expectedLogit(const std::vector<int> &ids);

} // namespace lamina::test

#endif // LAMINA_TEST_RUNTIME_EXECUTOR_TESTPLAN_H
