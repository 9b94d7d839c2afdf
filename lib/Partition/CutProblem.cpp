//===- CutProblem.cpp - building, checking and verifying ----------------------------------------------===//

#include "lib/Partition/CutProblem.h"

#include "runtime/base/Status.h"

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"

#include <limits>

namespace lamina::partition {

NodeId CutProblem::addNode(std::string name, Side side) {
  nodes_.push_back({std::move(name), side});
  return nodes_.size() - 1;
}

ValueId CutProblem::addValue(NodeId producer, uint64_t bytes) {
  values_.push_back({producer, bytes});
  return values_.size() - 1;
}

void CutProblem::addUse(ValueId value, NodeId user) { uses_.push_back({value, user}); }

absl::Status CutProblem::check() const {
  LAMINA_RETURN_IF_ERROR(checkReferences());
  LAMINA_RETURN_IF_ERROR(checkAcyclic());
  LAMINA_RETURN_IF_ERROR(checkSides());
  return checkBytes();
}

absl::Status CutProblem::checkReferences() const {
  for (size_t i = 0; i < values_.size(); ++i)
    if (values_[i].producer >= nodes_.size())
      return absl::InvalidArgumentError(absl::StrCat(
          "value ", i, " is produced by node ", values_[i].producer, ", expected one of ", nodes_.size()));
  for (const Use &use : uses_) {
    if (use.value >= values_.size())
      return absl::InvalidArgumentError(
          absl::StrCat("a use names value ", use.value, ", expected one of ", values_.size()));
    if (use.user >= nodes_.size())
      return absl::InvalidArgumentError(
          absl::StrCat("value ", use.value, " of '", nodes_[values_[use.value].producer].name,
                       "' is used by node ", use.user, ", expected one of ", nodes_.size()));
  }
  return absl::OkStatus();
}

namespace {
/// The uses of each node's values (Forward) or of its operands (Backward) as compressed rows.
class Adjacency {
public:
  enum Direction { Forward, Backward };

  Adjacency(const CutProblem &problem, Direction direction) : begin_(problem.nodes().size() + 1) {
    auto key = [&](const CutProblem::Use &use) {
      return direction == Forward ? problem.values()[use.value].producer : use.user;
    };
    for (const CutProblem::Use &use : problem.uses())
      ++begin_[key(use) + 1];
    for (size_t i = 1; i < begin_.size(); ++i)
      begin_[i] += begin_[i - 1];
    uses_.resize(problem.uses().size());
    std::vector<size_t> next(begin_.begin(), begin_.end() - 1);
    for (const CutProblem::Use &use : problem.uses())
      uses_[next[key(use)]++] = use;
  }

  std::span<const CutProblem::Use> operator[](NodeId node) const {
    return std::span(uses_).subspan(begin_[node], begin_[node + 1] - begin_[node]);
  }

private:
  std::vector<size_t> begin_;
  std::vector<CutProblem::Use> uses_;
};
} // namespace

absl::Status CutProblem::checkAcyclic() const {
  std::vector<uint32_t> waitsFor(nodes_.size());
  for (const Use &use : uses_)
    ++waitsFor[use.user];
  std::vector<NodeId> ready;
  for (NodeId node = 0; node < nodes_.size(); ++node)
    if (waitsFor[node] == 0)
      ready.push_back(node);
  Adjacency users(*this, Adjacency::Forward);
  size_t done = 0;
  for (; !ready.empty(); ++done) {
    NodeId node = ready.back();
    ready.pop_back();
    for (const Use &use : users[node])
      if (--waitsFor[use.user] == 0)
        ready.push_back(use.user);
  }
  if (done == nodes_.size())
    return absl::OkStatus();

  // A node left over may only hang behind the cycle. Walking along operands that are left over must meet one
  // twice.
  Adjacency operands(*this, Adjacency::Backward);
  NodeId node = 0;
  while (waitsFor[node] == 0)
    ++node;
  std::vector<bool> seen(nodes_.size());
  while (!seen[node]) {
    seen[node] = true;
    for (const Use &use : operands[node])
      if (NodeId producer = values_[use.value].producer; waitsFor[producer] != 0) {
        node = producer;
        break;
      }
  }
  return absl::InvalidArgumentError(absl::StrCat("node '", nodes_[node].name, "' depends on itself"));
}

absl::Status CutProblem::checkSides() const {
  for (const Use &use : uses_)
    if (nodes_[use.user].side == Side::Both && !isFree(use.value))
      return absl::InvalidArgumentError(
          absl::StrCat("node '", nodes_[use.user].name, "' is on both sides of the cut but reads node '",
                       nodes_[values_[use.value].producer].name, "', which is not"));

  // Everything that an operation before the cut depends on is before it too; `because` remembers which
  // operation.
  constexpr NodeId kNone = std::numeric_limits<NodeId>::max();
  std::vector<NodeId> because(nodes_.size(), kNone);
  std::vector<NodeId> pending;
  for (NodeId node = 0; node < nodes_.size(); ++node)
    if (nodes_[node].side == Side::Source) {
      because[node] = node;
      pending.push_back(node);
    }
  Adjacency operands(*this, Adjacency::Backward);
  while (!pending.empty()) {
    NodeId node = pending.back();
    pending.pop_back();
    for (const Use &use : operands[node]) {
      NodeId producer = values_[use.value].producer;
      if (nodes_[producer].side == Side::Sink)
        return absl::FailedPreconditionError(absl::StrCat("no cut exists: node '", nodes_[because[node]].name,
                                                          "', fixed before it, depends on node '",
                                                          nodes_[producer].name, "', fixed after it"));
      if (isFree(use.value) || because[producer] != kNone)
        continue;
      because[producer] = because[node];
      pending.push_back(producer);
    }
  }
  return absl::OkStatus();
}

absl::Status CutProblem::checkBytes() const {
  uint64_t total = 0;
  for (ValueId value = 0; value < values_.size(); ++value) {
    if (isFree(value))
      continue;
    uint64_t bytes = values_[value].bytes;
    if (bytes >= kMaxTotalBytes - total)
      return absl::OutOfRangeError(absl::StrCat("the values up to that of node '",
                                                nodes_[values_[value].producer].name, "' (", bytes,
                                                " bytes) weigh 2^62 bytes or more together"));
    total += bytes;
  }
  return absl::OkStatus();
}

Cut costOf(const CutProblem &problem, std::vector<Side> sides) {
  Cut cut;
  cut.sides = std::move(sides);
  std::vector<bool> kept(problem.values().size());
  for (const CutProblem::Use &use : problem.uses())
    if (cut.sides[problem.values()[use.value].producer] == Side::Source && cut.sides[use.user] == Side::Sink)
      kept[use.value] = true;
  for (ValueId value = 0; value < kept.size(); ++value)
    if (kept[value]) {
      cut.context.push_back(value);
      cut.bytes += problem.values()[value].bytes;
    }
  return cut;
}

absl::Status CutProblem::verify(const Cut &cut) const {
  LAMINA_RETURN_IF_ERROR(verifySides(cut));
  Cut expected = costOf(*this, cut.sides);
  if (cut.bytes != expected.bytes)
    return absl::InternalError(
        absl::StrCat("the cut says ", cut.bytes, " bytes, its sides cost ", expected.bytes));
  if (cut.context != expected.context)
    return absl::InternalError(absl::StrCat("the cut lists ", cut.context.size(), " context values, not the ",
                                            expected.context.size(), " that cross it"));
  return verifyFlow(cut);
}

absl::Status CutProblem::verifySides(const Cut &cut) const {
  if (cut.sides.size() != nodes_.size())
    return absl::InternalError(
        absl::StrCat("the cut has ", cut.sides.size(), " sides, expected ", nodes_.size()));
  for (NodeId node = 0; node < nodes_.size(); ++node) {
    Side side = cut.sides[node], fixed = nodes_[node].side;
    if (fixed == Side::Any ? side != Side::Source && side != Side::Sink : side != fixed)
      return absl::InternalError(
          absl::StrCat("node '", nodes_[node].name, "' is not on a side where it may be"));
  }
  for (const Use &use : uses_) {
    NodeId producer = values_[use.value].producer;
    if (cut.sides[producer] == Side::Sink && cut.sides[use.user] == Side::Source)
      return absl::InternalError(absl::StrCat("a value of node '", nodes_[producer].name,
                                              "' flows backward over the cut to node '",
                                              nodes_[use.user].name, "'"));
  }
  return absl::OkStatus();
}

// Weak duality: no flow exceeds any cut, so a flow as large as the cut proves both to be optimal.
absl::Status CutProblem::verifyFlow(const Cut &cut) const {
  if (cut.flow.size() != uses_.size())
    return absl::InternalError(
        absl::StrCat("the cut has the flow of ", cut.flow.size(), " uses, expected ", uses_.size()));
  std::vector<absl::int128> through(values_.size()), surplus(nodes_.size());
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (isFree(uses_[i].value) && cut.flow[i] != 0)
      return absl::InternalError(
          absl::StrCat("bytes flow through a free value to node '", nodes_[uses_[i].user].name, "'"));
    if (cut.flow[i] > 0)
      through[uses_[i].value] += cut.flow[i];
    surplus[values_[uses_[i].value].producer] -= cut.flow[i];
    surplus[uses_[i].user] += cut.flow[i];
  }
  for (ValueId value = 0; value < values_.size(); ++value)
    if (through[value] > absl::int128(values_[value].bytes))
      return absl::InternalError(absl::StrCat("more bytes flow through a value of node '",
                                              nodes_[values_[value].producer].name, "' than it has"));
  absl::int128 amount = 0;
  for (NodeId node = 0; node < nodes_.size(); ++node) {
    if (nodes_[node].side == Side::Any && surplus[node] != 0)
      return absl::InternalError(absl::StrCat("the flow is not conserved in node '", nodes_[node].name, "'"));
    if (nodes_[node].side == Side::Sink)
      amount += surplus[node];
  }
  if (amount != absl::int128(cut.bytes))
    return absl::InternalError(absl::StrCat("the cut costs ", cut.bytes, " bytes but the flow carries ",
                                            static_cast<int64_t>(amount)));
  return absl::OkStatus();
}

} // namespace lamina::partition
