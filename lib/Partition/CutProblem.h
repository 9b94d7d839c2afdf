//===- CutProblem.h - minimum weighted cut of a computation graph ---------------------------*- C++ -*-===//
//
// The question behind the partition at an attention operator, free of any IR: which operations run before it
// and which after, so that the fewest bytes have to be kept meanwhile?
//
//       embed ── norm ── q,k,v ──▶ (attention, removed) ──▶ out ── add ── ffn          kept: x, once
//         └──────────── x ────────────────────────────────────────┘
//
// Nodes are operations, values are what they produce. A value that is produced before the cut and used after
// it is kept: its bytes are paid once, whatever the number of its users. No value flows backward: with an
// operation, all that it depends on lies before the cut (the operations before the cut form a closure).
//
// A problem is built (addNode, addValue, addUse), checked (check), solved (solve) and the result verified
// (verify). The classes hold no global state; a const problem may be used by several threads.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_PARTITION_CUTPROBLEM_H
#define LAMINA_LIB_PARTITION_CUTPROBLEM_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lamina::partition {

/// Where an operation runs.
enum class Side : uint8_t {
  Any,    ///< in a problem: the solver chooses; never in a solution
  Source, ///< before the cut
  Sink,   ///< after the cut
  Both,   ///< recomputed wherever it is used (weights, constants, position tables): its values cost nothing
};

/// Identifies a node or a value by its order of addition, from 0.
using NodeId = uint32_t;
using ValueId = uint32_t;

/// A solution of a CutProblem.
struct Cut {
  /// Per node: Source, Sink or Both.
  std::vector<Side> sides;
  /// Bytes kept across the cut.
  uint64_t bytes = 0;
  /// The values kept across the cut, ascending.
  std::vector<ValueId> context;
  /// A maximum flow, which proves that no cut is cheaper: bytes that flow from producer to user through each
  /// use, in the order of addUse; negative where a use carries flow backward.
  std::vector<int64_t> flow;
};

class CutProblem {
public:
  struct Node {
    std::string name; ///< for messages
    Side side;
  };
  struct Value {
    NodeId producer;
    uint64_t bytes; ///< what keeping it costs; not read where the producer is on both sides
  };
  struct Use {
    ValueId value;
    NodeId user;
  };

  NodeId addNode(std::string name, Side side = Side::Any);
  ValueId addValue(NodeId producer, uint64_t bytes);
  /// Naming a use twice changes nothing but the length of Cut::flow.
  void addUse(ValueId value, NodeId user);

  std::span<const Node> nodes() const { return nodes_; }
  std::span<const Value> values() const { return values_; }
  std::span<const Use> uses() const { return uses_; }

  /// Whether the value costs nothing because its producer is on both sides.
  bool isFree(ValueId value) const { return nodes_[values_[value].producer].side == Side::Both; }

  /// The sum of all bytes that could be paid; what check() bounds.
  static constexpr uint64_t kMaxTotalBytes = uint64_t{1} << 62;

  /// Says whether a cut exists:
  ///   * every value has a known producer, every use a known value and user;
  ///   * no operation depends on itself;
  ///   * an operation on both sides reads values of such operations only;
  ///   * no operation fixed before the cut depends on one fixed after it;
  ///   * all bytes together stay below kMaxTotalBytes.
  absl::Status check() const;

  /// Says whether `cut` is a minimum cut of this problem, without solving it again:
  ///   * every operation is on one side, fixed ones on theirs;
  ///   * no value flows backward;
  ///   * bytes and context are those of the sides;
  ///   * the flow is one (within capacities, conserved in every free operation) and its amount equals the
  ///   bytes.
  /// The problem must satisfy check().
  absl::Status verify(const Cut &cut) const;

private:
  absl::Status checkReferences() const;
  absl::Status checkAcyclic() const;
  absl::Status checkSides() const;
  absl::Status checkBytes() const;
  absl::Status verifySides(const Cut &cut) const;
  absl::Status verifyFlow(const Cut &cut) const;

  std::vector<Node> nodes_;
  std::vector<Value> values_;
  std::vector<Use> uses_;
};

/// Checks the problem and finds its minimum cut by maximum flow. Among equal cuts the result is the one
/// nearest the sink: the union of all minimal solutions' source sides, which is again minimal and therefore
/// unique. So an operation that need not wait for the cut (the feed-forward part of a parallel-residual
/// block) lies before it, where it can run while attention is away, unless that costs bytes. Time: that of
/// Dinic's algorithm; on the graphs of models a few passes over the nodes.
absl::StatusOr<Cut> solve(const CutProblem &problem);

/// Bytes and context values of an assignment of sides, one for each node (the definition of a cut's cost).
Cut costOf(const CutProblem &problem, std::vector<Side> sides);

} // namespace lamina::partition

#endif // LAMINA_LIB_PARTITION_CUTPROBLEM_H
