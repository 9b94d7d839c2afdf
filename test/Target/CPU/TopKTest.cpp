//===- TopKTest.cpp - the largest elements of rows ----------------------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity();

std::string topText(int64_t columns, int64_t chosen) {
  std::string input = "tensor<?x" + std::to_string(columns) + "xf32>", k = std::to_string(chosen);
  std::string results = "tensor<?x" + k + "xf32>, tensor<?x" + k + "xi32>";
  return "plan.kernel @top {\n^bb0(%x: " + input + "):\n  %v, %i = lm.top_k %x : (" + input + ") -> (" +
         results + ")\n  plan.yield %v, %i : " + results + "\n}";
}

/// Columns in the order of lm.top_k.
std::vector<int32_t> orderOf(const float *row, int64_t columns) {
  std::vector<int32_t> order(static_cast<size_t>(columns));
  std::iota(order.begin(), order.end(), 0);
  auto key = [&](int32_t column) { return row[column] < infinity ? row[column] : infinity; };
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
  return order;
}

/// Rows with all that an order could stumble over.
Rows difficultRows(int64_t columns) {
  Random random(7);
  Rows x = randomRows(random, 6, columns, 3.0f);
  std::fill_n(x.row(1), columns, 0.25f); // all equal
  for (int64_t i = 0; i < columns; ++i) {
    x.row(2)[i] = static_cast<float>(int(random() % 9) - 4) * 0.0f; // zeros of both signs
    x.row(3)[i] = random() % 3 == 0 ? -infinity : static_cast<float>(int(random() % 9) - 4);
    x.row(4)[i] = -infinity;
  }
  for (int64_t i : {columns / 3, columns / 2, columns - 1})
    x.row(5)[i] = i == columns / 2 ? infinity : nan;
  return x;
}

void expectTop(const KernelLibrary &library, Rows &x, int64_t chosen, int64_t candidates) {
  Rows values(x.rows, chosen), ids(x.rows, chosen);
  LaminaStep step{x.rows, 0, 1, 1};
  step.candidates = candidates;
  library.run("top", {x.pointer(), values.pointer(), ids.pointer()}, step);
  for (int64_t t = 0; t < x.rows; ++t) {
    std::vector<int32_t> order = orderOf(x.row(t), x.width);
    for (int64_t j = 0; j < std::min(chosen, candidates); ++j) {
      int32_t id;
      std::memcpy(&id, ids.row(t) + j, 4);
      EXPECT_EQ(id, order[size_t(j)]) << "row " << t << ", " << j;
      EXPECT_EQ(std::memcmp(values.row(t) + j, x.row(t) + order[size_t(j)], 4), 0)
          << "row " << t << ", " << j;
    }
    for (int64_t j = candidates; j < chosen; ++j)
      EXPECT_TRUE(std::isnan(values.row(t)[j])) << "written unasked: row " << t << ", " << j;
  }
  EXPECT_TRUE(values.paddingIsZero());
  EXPECT_TRUE(ids.paddingIsZero());
}

TEST(TopKTest, OrdersByElementAndThenByColumn) {
  for (const std::string &target : floatTargets())
    for (auto [columns, chosen] : {std::pair(512, 64), {75, 64}, {64, 64}, {300, 24}, {1100, 16}}) {
      auto library = KernelLibrary::compile(topText(columns, chosen), target);
      ASSERT_TRUE(library);
      Rows x = difficultRows(columns);
      for (int64_t candidates : {0, 1, 2, 40, 64})
        expectTop(*library, x, chosen, candidates);
    }
}

/// As many threads as a block has, and more than one column for each of them in a search.
TEST(TopKTest, VocabulariesAreLong) {
  auto library = KernelLibrary::compile(topText(40007, 64), floatTargets().back());
  ASSERT_TRUE(library);
  Random random(9);
  Rows x = randomRows(random, 2, 40007);
  for (int64_t i = 0; i < 40007; i += 1024) // of one thread
    x.row(1)[i] = 10.0f;
  expectTop(*library, x, 64, 45);
}

} // namespace
