//===- AttentionCutsTest.cpp - small problems in sequence against the whole graph at once -------------===//
//
// cutAtAttentions() solves one small problem after another. Here each attention of random steps is cut in the
// whole graph instead, by the definition, and must come out the same, operation by operation.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "dialects/MPMD/Analysis/AttentionCuts.h"

#include "lib/Partition/CutProblem.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <random>

using namespace mlir;
using namespace lamina;
using namespace lamina::mpmd;

namespace {

/// The text of a random step: scalings, widenings and additions over a growing pool of values, attentions in
/// between.
std::string randomStep(std::mt19937 &random) {
  auto upTo = [&](uint32_t bound) { return random() % bound; };
  const char *prologue =
      R"(lm.weight @w : tensor<8x8x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
lm.weight @u : tensor<16x8x!lm.block<f32>> from [#lm.source<"u" : f32, 0 at 0>]
lm.weight @d : tensor<8x16x!lm.block<f32>> from [#lm.source<"d" : f32, 0 at 0>]
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<1 x 8 x 8, f16>, %n0: tensor<?x8xf32>, %w0: tensor<?x16xf32>) -> tensor<?x8xf32> {
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
  %u = lm.get_weight @u : tensor<16x8x!lm.block<f32>>
  %d = lm.get_weight @d : tensor<8x16x!lm.block<f32>>
)";
  std::string text = prologue;
  unsigned narrow = 1, wide = 1; // values %n0 … and %w0 … that exist
  auto pick = [&](char kind, unsigned count) {
    // Mostly recent values, sometimes any: chains with residuals.
    unsigned back = upTo(3) == 0 ? upTo(count) : upTo(std::min(count, 3u));
    return std::string("%") + kind + std::to_string(count - 1 - back);
  };
  for (unsigned i = 4 + upTo(20); i > 0; --i) {
    std::string n = pick('n', narrow), w = pick('w', wide);
    std::string newNarrow = "  %n" + std::to_string(narrow) + " = ",
                newWide = "  %w" + std::to_string(wide) + " = ";
    switch (upTo(6)) {
    case 0:
      text += newNarrow + "arith.addf " + n + ", " + pick('n', narrow) + " : tensor<?x8xf32>\n";
      ++narrow;
      break;
    case 1:
      text += newWide + "arith.addf " + w + ", " + pick('w', wide) + " : tensor<?x16xf32>\n";
      ++wide;
      break;
    case 2:
      text += newWide + "lm.linear " + n +
              ", %u : (tensor<?x8xf32>, tensor<16x8x!lm.block<f32>>) -> tensor<?x16xf32>\n";
      ++wide;
      break;
    case 3:
      text += newNarrow + "lm.linear " + w +
              ", %d : (tensor<?x16xf32>, tensor<8x16x!lm.block<f32>>) -> tensor<?x8xf32>\n";
      ++narrow;
      break;
    default:
      std::string c = "%c" + std::to_string(narrow);
      text +=
          "  " + c + " = lm.cache_append %cache, " + n + ", " + pick('n', narrow) +
          " at %p, %p, %t : !lm.kv_cache<1 x 8 x 8, f16>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, "
          "tensor<?xi32>, tensor<?x?xi32>\n";
      text += newNarrow + "lm.attention " + pick('n', narrow) + ", " + c +
              " at %p, %p, %t {scale = 1.0 : f32} : tensor<?x8xf32>, !lm.kv_cache<1 x 8 x 8, f16>, "
              "tensor<?xi32>, "
              "tensor<?xi32>, tensor<?x?xi32> -> tensor<?x8xf32>\n";
      ++narrow;
    }
  }
  return text + "  return %n" + std::to_string(narrow - 1) + " : tensor<?x8xf32>\n}\n";
}

/// Everything that `op` depends on, or that depends on it, within its block; `op` included.
void collect(Operation *op, bool forward, llvm::DenseSet<Operation *> &set) {
  if (!op || !set.insert(op).second)
    return;
  if (forward)
    for (Operation *user : op->getUsers())
      collect(user, forward, set);
  else
    for (Value operand : op->getOperands())
      collect(operand.getDefiningOp(), forward, set);
}

/// The cut at attention `at` by its definition, on all operations of the step.
void expectSameAsWholeGraph(const StepGraph &graph, const AttentionCuts &cuts, unsigned at) {
  llvm::DenseSet<Operation *> before, after;
  for (unsigned i = 0; i < graph.attentions().size(); ++i) {
    if (i <= at)
      for (Operation *op : graph.attentions()[i].group)
        collect(op, /*forward=*/false, before);
    if (i >= at)
      collect(graph.attentions()[i].op, /*forward=*/true, after);
  }
  partition::CutProblem problem;
  partition::NodeId arguments = problem.addNode("arguments", partition::Side::Source);
  llvm::DenseMap<Operation *, partition::NodeId> nodes;
  for (Operation &op : *graph.block()) {
    using partition::Side;
    Side side = before.contains(&op) ? Side::Source : after.contains(&op) ? Side::Sink : Side::Any;
    if (std::optional<unsigned> group = graph.groupOf(&op))
      side = *group < at ? Side::Source : Side::Sink;
    if (&op == graph.block()->getTerminator())
      side = Side::Sink;
    if (!graph.recomputable().contains(&op))
      nodes[&op] = problem.addNode(op.getName().getStringRef().str(), side);
  }
  auto addValue = [&](Value value, partition::NodeId producer) {
    std::optional<uint64_t> bytes = bytesPerToken(value.getType());
    if (!bytes || graph.recomputable().isFree(value))
      return;
    partition::ValueId id = problem.addValue(producer, *bytes);
    for (Operation *user : value.getUsers())
      if (!graph.groupOf(user))
        problem.addUse(id, nodes.at(user));
  };
  for (Value argument : graph.block()->getArguments())
    addValue(argument, arguments);
  for (auto [op, node] : nodes)
    for (Value result : op->getResults())
      addValue(result, node);

  absl::StatusOr<partition::Cut> whole = partition::solve(problem);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(int64_t(whole->bytes), cuts.bytes[at]);
  for (Operation *op : graph.operations())
    EXPECT_EQ(whole->sides[nodes.at(op)] == partition::Side::Source, cuts.slices.at(op) <= at);
}

TEST(AttentionCuts, AgreesWithTheWholeGraph) {
  DialectRegistry registry;
  registry.insert<arith::ArithDialect, func::FuncDialect, lm::LMDialect>();
  MLIRContext context(registry);
  std::mt19937 random(20250410);
  int cutCount = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string text = randomStep(random);
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    FailureOr<StepGraph> graph = StepGraph::build(*module->getOps<func::FuncOp>().begin());
    ASSERT_TRUE(succeeded(graph)) << text;
    FailureOr<AttentionCuts> cuts = cutAtAttentions(*graph);
    ASSERT_TRUE(succeeded(cuts)) << text;
    for (unsigned at = 0; at < graph->attentions().size(); ++at, ++cutCount)
      expectSameAsWholeGraph(*graph, *cuts, at);
    ASSERT_FALSE(HasFailure()) << "round " << round << "\n" << text;
  }
  EXPECT_GT(cutCount, 2000);
}

} // namespace
