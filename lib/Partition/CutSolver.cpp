//===- CutSolver.cpp - from a cut problem to a flow network and back ----------------------------------===//
//
// The network: one vertex for all operations fixed before the cut, one for all fixed after it, one for each
// other.
//
//   a value with one use      producer ──bytes──▶ user              user ──∞──▶ producer
//   a value with several      producer ──bytes──▶ (value) ──∞──▶ each user      each user ──∞──▶ producer
//
// The vertex of a shared value makes its bytes count once however many users lie across the cut; the infinite
// arcs back make every finite cut a closure. Values of operations on both sides are not in the network at
// all.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "lib/Partition/CutProblem.h"
#include "lib/Partition/MaxFlow.h"

#include "runtime/base/Status.h"

#include <optional>

namespace lamina::partition {
namespace {

constexpr MaxFlow::Vertex kSource = 0;
constexpr MaxFlow::Vertex kSink = 1;

class Network {
public:
  explicit Network(const CutProblem &problem);

  Cut solve();

private:
  /// The arcs of a use: forward along it and, for a shared value, back from the user to the producer.
  struct UseArcs {
    std::optional<MaxFlow::Arc> forward;
    std::optional<MaxFlow::Arc> backward;
  };

  void addNodes();
  void addSharedValues();
  void addUses();
  int64_t bytesOf(ValueId value) const { return static_cast<int64_t>(problem_.values()[value].bytes); }

  const CutProblem &problem_;
  MaxFlow flow_;
  std::vector<MaxFlow::Vertex> nodes_;
  /// Per value; empty for a free one and for one with a single use.
  std::vector<std::optional<MaxFlow::Vertex>> shared_;
  std::vector<UseArcs> uses_;
  /// More than all bytes together, so that no flow ever fills it.
  int64_t infinity_ = 1;
};

Network::Network(const CutProblem &problem) : problem_(problem), flow_(2) {
  addNodes();
  addSharedValues();
  addUses();
}

void Network::addNodes() {
  for (const CutProblem::Node &node : problem_.nodes())
    nodes_.push_back(node.side == Side::Source ? kSource
                     : node.side == Side::Sink ? kSink
                                               : flow_.addVertex());
}

void Network::addSharedValues() {
  std::vector<uint32_t> users(problem_.values().size());
  for (const CutProblem::Use &use : problem_.uses())
    ++users[use.value];
  shared_.resize(users.size());
  for (ValueId value = 0; value < users.size(); ++value) {
    if (problem_.isFree(value))
      continue;
    infinity_ += bytesOf(value);
    if (users[value] < 2)
      continue;
    shared_[value] = flow_.addVertex();
    flow_.addArc(nodes_[problem_.values()[value].producer], *shared_[value], bytesOf(value), 0);
  }
}

void Network::addUses() {
  for (const CutProblem::Use &use : problem_.uses()) {
    MaxFlow::Vertex producer = nodes_[problem_.values()[use.value].producer], user = nodes_[use.user];
    UseArcs &arcs = uses_.emplace_back();
    if (problem_.isFree(use.value) || producer == user)
      continue;
    if (shared_[use.value]) {
      arcs.forward = flow_.addArc(*shared_[use.value], user, infinity_, 0);
      arcs.backward = flow_.addArc(user, producer, infinity_, 0);
    } else {
      arcs.forward = flow_.addArc(producer, user, bytesOf(use.value), infinity_);
    }
  }
}

Cut Network::solve() {
  flow_.run(kSource, kSink);
  std::vector<bool> after = flow_.reachesSink(kSink);
  std::vector<Side> sides;
  for (NodeId node = 0; node < nodes_.size(); ++node)
    sides.push_back(problem_.nodes()[node].side == Side::Both ? Side::Both
                    : after[nodes_[node]]                     ? Side::Sink
                                                              : Side::Source);
  Cut cut = costOf(problem_, std::move(sides));
  for (const UseArcs &arcs : uses_) {
    int64_t net = arcs.forward ? flow_.flow(*arcs.forward) : 0;
    cut.flow.push_back(arcs.backward ? net - flow_.flow(*arcs.backward) : net);
  }
  return cut;
}

} // namespace

absl::StatusOr<Cut> solve(const CutProblem &problem) {
  LAMINA_RETURN_IF_ERROR(problem.check());
  return Network(problem).solve();
}

} // namespace lamina::partition
