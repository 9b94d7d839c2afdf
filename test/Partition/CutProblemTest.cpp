//===- CutProblemTest.cpp - the cut solver against brute force, and its errors ------------------------===//

#include "lib/Partition/CutProblem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

using namespace lamina::partition;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// Adds a value of `producer` with its users.
ValueId connect(CutProblem &problem, NodeId producer, uint64_t bytes, std::initializer_list<NodeId> users) {
  ValueId value = problem.addValue(producer, bytes);
  for (NodeId user : users)
    problem.addUse(value, user);
  return value;
}

Cut solveAndVerify(const CutProblem &problem) {
  absl::StatusOr<Cut> cut = solve(problem);
  EXPECT_TRUE(cut.ok()) << cut.status();
  if (!cut.ok())
    return {};
  EXPECT_TRUE(problem.verify(*cut).ok()) << problem.verify(*cut);
  return *cut;
}

/// x ─▶ norm ─▶ qkv (before), out (after) ─▶ add, which also reads x: the residual of one layer.
struct Layer {
  CutProblem problem;
  NodeId embed = problem.addNode("embed", Side::Source);
  NodeId norm = problem.addNode("norm", Side::Source);
  NodeId qkv = problem.addNode("qkv", Side::Source);
  NodeId out = problem.addNode("out", Side::Sink);
  NodeId add = problem.addNode("add", Side::Sink);
  ValueId x = connect(problem, embed, 10240, {norm, add});
  ValueId normed = connect(problem, norm, 10240, {qkv});
  ValueId projected = connect(problem, out, 10240, {add});
};

TEST(CutProblem, KeepsTheResidualOfALayer) {
  Layer layer;
  Cut cut = solveAndVerify(layer.problem);
  EXPECT_EQ(cut.bytes, 10240u);
  EXPECT_THAT(cut.context, ElementsAre(layer.x));
}

TEST(CutProblem, CountsASharedValueOnce) {
  Layer layer;
  for (int i = 0; i < 5; ++i)
    layer.problem.addUse(layer.x, layer.problem.addNode("later", Side::Sink));
  Cut cut = solveAndVerify(layer.problem);
  EXPECT_EQ(cut.bytes, 10240u);
  EXPECT_THAT(cut.context, ElementsAre(layer.x));
}

TEST(CutProblem, FreeValuesCrossForNothing) {
  Layer layer;
  NodeId positions = layer.problem.addNode("positions", Side::Both);
  NodeId table = layer.problem.addNode("rope table", Side::Both);
  connect(layer.problem, positions, 4, {table});
  connect(layer.problem, table, 512, {layer.qkv, layer.out});
  Cut cut = solveAndVerify(layer.problem);
  EXPECT_EQ(cut.bytes, 10240u);
  EXPECT_EQ(cut.sides[table], Side::Both);
}

// In a parallel-residual block (phi-2) the feed-forward part neither feeds attention nor needs it. It lies
// before the cut together with the first addition: one residual is kept instead of x and norm, and it runs
// meanwhile.
TEST(CutProblem, PutsAParallelFeedForwardBeforeTheCut) {
  CutProblem problem;
  NodeId embed = problem.addNode("embed", Side::Source), norm = problem.addNode("norm", Side::Source);
  NodeId up = problem.addNode("up"), down = problem.addNode("down"), first = problem.addNode("x + ffn");
  NodeId out = problem.addNode("out", Side::Sink), second = problem.addNode("+ attention", Side::Sink);
  connect(problem, embed, 100, {norm, first});
  connect(problem, norm, 100, {up});
  connect(problem, up, 400, {down});
  connect(problem, down, 100, {first});
  ValueId kept = connect(problem, first, 100, {second});
  connect(problem, out, 100, {second});
  Cut cut = solveAndVerify(problem);
  EXPECT_EQ(cut.bytes, 100u);
  EXPECT_THAT(cut.context, ElementsAre(kept));
  EXPECT_EQ(cut.sides[up], Side::Source);
  EXPECT_EQ(cut.sides[down], Side::Source);
}

TEST(CutProblem, PutsAWideningOperationAfterTheCut) {
  CutProblem problem;
  NodeId embed = problem.addNode("embed", Side::Source), widen = problem.addNode("widen");
  NodeId out = problem.addNode("out", Side::Sink);
  ValueId narrow = connect(problem, embed, 10, {widen});
  connect(problem, widen, 40, {out});
  Cut cut = solveAndVerify(problem);
  EXPECT_THAT(cut.context, ElementsAre(narrow));
  EXPECT_EQ(cut.sides[widen], Side::Sink);
}

TEST(CutProblem, PrefersTheSinkAmongEqualCuts) {
  CutProblem problem;
  NodeId first = problem.addNode("first", Side::Source), a = problem.addNode("a"), b = problem.addNode("b");
  NodeId last = problem.addNode("last", Side::Sink);
  connect(problem, first, 7, {a});
  connect(problem, a, 7, {b});
  ValueId kept = connect(problem, b, 7, {last});
  EXPECT_THAT(solveAndVerify(problem).context, ElementsAre(kept));
}

// Without the infinite arcs back, the cheap cut {first, b} | {a, last} would let a value flow backward.
TEST(CutProblem, LetsNothingFlowBackward) {
  CutProblem problem;
  NodeId first = problem.addNode("first", Side::Source), a = problem.addNode("a"), b = problem.addNode("b");
  NodeId last = problem.addNode("last", Side::Sink);
  connect(problem, first, 1, {a});
  connect(problem, a, 100, {b, last});
  connect(problem, first, 100, {b});
  connect(problem, b, 1, {last});
  EXPECT_EQ(solveAndVerify(problem).bytes, 101u);
}

TEST(CutProblem, AcceptsDisconnectedAndEmptyGraphs) {
  EXPECT_EQ(solveAndVerify(CutProblem()).bytes, 0u);
  Layer layer;
  NodeId lone = layer.problem.addNode("lone"), pair = layer.problem.addNode("pair");
  connect(layer.problem, lone, 1, {pair});
  Cut cut = solveAndVerify(layer.problem);
  EXPECT_EQ(cut.bytes, 10240u);
  EXPECT_EQ(cut.sides[lone], Side::Source);
  EXPECT_EQ(cut.sides[pair], Side::Source);
}

/// A random problem of few nodes: shared values, free nodes, fixed sides, edges from lower to higher nodes.
CutProblem randomProblem(std::mt19937 &random) {
  auto upTo = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  CutProblem problem;
  uint32_t count = 2 + upTo(8);
  uint32_t fixed = upTo(5), free = upTo(3);
  for (NodeId node = 0; node < count; ++node)
    problem.addNode("n" + std::to_string(node), upTo(10) < fixed
                                                    ? (upTo(count) < node ? Side::Sink : Side::Source)
                                                : upTo(10) < free ? Side::Both
                                                                  : Side::Any);
  for (NodeId node = 0; node + 1 < count; ++node)
    for (uint32_t values = upTo(3); values > 0; --values) {
      ValueId value = problem.addValue(node, upTo(8));
      for (uint32_t users = 1 + upTo(3); users > 0; --users) {
        NodeId user = node + 1 + upTo(count - node - 1);
        if (problem.nodes()[user].side != Side::Both || problem.isFree(value))
          problem.addUse(value, user);
      }
    }
  return problem;
}

/// By trying all assignments: the minimum and the union of the source sides that reach it; nothing if none
/// exists.
std::optional<Cut> bruteForce(const CutProblem &problem) {
  std::vector<NodeId> open;
  std::vector<Side> sides;
  for (NodeId node = 0; node < problem.nodes().size(); ++node) {
    sides.push_back(problem.nodes()[node].side);
    if (sides.back() == Side::Any)
      open.push_back(node);
  }
  std::optional<Cut> best;
  for (uint32_t choice = 0; choice < (1u << open.size()); ++choice) {
    for (size_t i = 0; i < open.size(); ++i)
      sides[open[i]] = choice >> i & 1 ? Side::Source : Side::Sink;
    bool closed = true;
    for (const CutProblem::Use &use : problem.uses())
      closed &= sides[problem.values()[use.value].producer] != Side::Sink || sides[use.user] != Side::Source;
    if (!closed)
      continue;
    Cut cut = costOf(problem, sides);
    if (!best || cut.bytes < best->bytes) {
      best = cut;
    } else if (cut.bytes == best->bytes) {
      for (NodeId node : open)
        if (sides[node] == Side::Source)
          best->sides[node] = Side::Source;
    }
  }
  return best;
}

TEST(CutProblem, AgreesWithBruteForce) {
  std::mt19937 random(20240503);
  int solved = 0, refused = 0, tied = 0;
  for (int round = 0; round < 20000; ++round) {
    CutProblem problem = randomProblem(random);
    std::optional<Cut> expected = bruteForce(problem);
    absl::StatusOr<Cut> cut = solve(problem);
    ASSERT_EQ(cut.ok(), expected.has_value()) << "round " << round << ": " << cut.status();
    if (!expected) {
      EXPECT_THAT(cut.status().message(), HasSubstr("no cut exists"));
      ++refused;
      continue;
    }
    ++solved;
    ASSERT_EQ(cut->bytes, expected->bytes) << "round " << round;
    ASSERT_EQ(cut->sides, expected->sides) << "round " << round;
    ASSERT_TRUE(problem.verify(*cut).ok()) << "round " << round << ": " << problem.verify(*cut);
    tied += cut->context.size() > 1;
  }
  // The generator must keep reaching all three kinds.
  EXPECT_GT(solved, 10000);
  EXPECT_GT(refused, 100);
  EXPECT_GT(tied, 1000);
}

TEST(CutProblem, SolvesALongChain) {
  CutProblem problem;
  constexpr uint32_t kLength = 100000;
  NodeId previous = problem.addNode("first", Side::Source);
  for (uint32_t i = 1; i < kLength; ++i) {
    NodeId node = problem.addNode("n", i + 1 == kLength ? Side::Sink : Side::Any);
    connect(problem, previous, i == kLength / 2 ? 1 : 2 + i % 7, {node});
    previous = node;
  }
  Cut cut = solveAndVerify(problem);
  EXPECT_EQ(cut.bytes, 1u);
}

TEST(CutProblem, RefusesUnknownNodesAndValues) {
  CutProblem problem;
  problem.addNode("embed");
  problem.addValue(0, 4);
  CutProblem badProducer = problem, badUser = problem, badValue = problem;
  badProducer.addValue(3, 4);
  EXPECT_EQ(badProducer.check().message(), "value 1 is produced by node 3, expected one of 1");
  badUser.addUse(0, 7);
  EXPECT_EQ(badUser.check().message(), "value 0 of 'embed' is used by node 7, expected one of 1");
  badValue.addUse(9, 0);
  EXPECT_EQ(badValue.check().message(), "a use names value 9, expected one of 1");
}

TEST(CutProblem, RefusesACycle) {
  CutProblem problem;
  NodeId behind = problem.addNode("behind"), a = problem.addNode("a"), b = problem.addNode("b");
  connect(problem, a, 1, {b});
  connect(problem, b, 1, {a, behind});
  EXPECT_THAT(problem.check().message(), HasSubstr("' depends on itself"));
  EXPECT_THAT(problem.check().message(), testing::Not(HasSubstr("behind")));
}

TEST(CutProblem, RefusesAFreeNodeThatReadsAnActivation) {
  Layer layer;
  layer.problem.addUse(layer.normed, layer.problem.addNode("cast", Side::Both));
  EXPECT_EQ(layer.problem.check().message(),
            "node 'cast' is on both sides of the cut but reads node 'norm', which is not");
}

TEST(CutProblem, RefusesASourceThatDependsOnASink) {
  Layer layer;
  NodeId between = layer.problem.addNode("between"), late = layer.problem.addNode("late q", Side::Source);
  connect(layer.problem, layer.add, 1, {between});
  connect(layer.problem, between, 1, {late});
  absl::StatusOr<Cut> cut = solve(layer.problem);
  EXPECT_EQ(cut.status().message(),
            "no cut exists: node 'late q', fixed before it, depends on node 'add', fixed after it");
}

TEST(CutProblem, RefusesWeightsThatOverflow) {
  Layer layer;
  connect(layer.problem, layer.embed, uint64_t{1} << 63, {layer.add});
  EXPECT_THAT(layer.problem.check().message(), HasSubstr("that of node 'embed' (9223372036854775808 bytes)"));
  Layer sum;
  connect(sum.problem, sum.embed, CutProblem::kMaxTotalBytes - 10, {sum.add});
  EXPECT_EQ(sum.problem.check().code(), absl::StatusCode::kOutOfRange);
}

// Each figure of a solution, made wrong, is noticed.
TEST(CutProblem, VerifyNoticesEveryLie) {
  Layer layer;
  NodeId free = layer.problem.addNode("free");
  connect(layer.problem, layer.embed, 5, {free});
  connect(layer.problem, free, 3, {layer.out});
  const Cut cut = solveAndVerify(layer.problem);
  auto expectLie = [&](auto change, const char *message) {
    Cut changed = cut;
    change(changed);
    EXPECT_THAT(layer.problem.verify(changed).message(), HasSubstr(message));
  };
  expectLie([](Cut &c) { c.sides.pop_back(); }, "5 sides, expected 6");
  expectLie([&](Cut &c) { c.sides[layer.out] = Side::Source; }, "'out' is not on a side where it may be");
  expectLie([&](Cut &c) { c.sides[free] = Side::Any; }, "'free' is not on a side where it may be");
  expectLie([](Cut &c) { --c.bytes; }, "the cut says 10242 bytes, its sides cost 10243");
  expectLie([](Cut &c) { c.context.clear(); }, "lists 0 context values, not the 2");
  expectLie([](Cut &c) { c.flow.clear(); }, "the flow of 0 uses");
  expectLie([](Cut &c) { c.flow[1] += 1; }, "more bytes flow through a value of node 'embed' than it has");
  expectLie([](Cut &c) { c.flow[4] += 1; }, "the flow is not conserved in node 'free'");
  expectLie([](Cut &c) { c.flow[1] -= 1; }, "costs 10243 bytes but the flow carries 10242");
  // A valid assignment that is not the cheapest: sides, bytes and context agree, the flow does not reach
  // them.
  expectLie(
      [&](Cut &c) {
        std::vector<int64_t> flow = c.flow;
        c.sides[free] = Side::Sink;
        c = costOf(layer.problem, c.sides);
        c.flow = flow;
      },
      "costs 10245 bytes but the flow carries 10243");
}

TEST(CutProblem, VerifyNoticesABackwardValue) {
  CutProblem problem;
  NodeId a = problem.addNode("a"), b = problem.addNode("b");
  connect(problem, a, 1, {b});
  Cut cut = solveAndVerify(problem);
  cut.sides = {Side::Sink, Side::Source};
  EXPECT_THAT(problem.verify(cut).message(),
              HasSubstr("a value of node 'a' flows backward over the cut to node 'b'"));
}

} // namespace
