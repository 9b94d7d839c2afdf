//===- EngineProcesses.cpp - the engine's tests with workers that are processes -------------------------===//

#include "EngineTest.h"

namespace lamina::test {

INSTANTIATE_TEST_SUITE_P(Processes, EngineTest, ::testing::Values(Workers{false, {}}),
                         [](const auto &info) { return info.param.name(); });
INSTANTIATE_TEST_SUITE_P(Processes, PlacedEngineTest, ::testing::ValuesIn(everyPlacement(false)),
                         [](const auto &info) { return info.param.name(); });
INSTANTIATE_TEST_SUITE_P(Processes, GpuMemoryTest,
                         ::testing::Values(Workers{false, {false, true}}, Workers{false, {true, true}}),
                         [](const auto &info) { return info.param.name(); });

} // namespace lamina::test
