//===- EngineInProcess.cpp - the engine's tests with workers that are threads of this process -----------===//

#include "EngineTest.h"

namespace lamina::test {

INSTANTIATE_TEST_SUITE_P(InProcess, EngineTest, ::testing::Values(Workers{true, {}}),
                         [](const auto &info) { return info.param.name(); });
INSTANTIATE_TEST_SUITE_P(InProcess, PlacedEngineTest, ::testing::ValuesIn(everyPlacement(true)),
                         [](const auto &info) { return info.param.name(); });
INSTANTIATE_TEST_SUITE_P(InProcess, GpuMemoryTest,
                         ::testing::Values(Workers{true, {false, true}}, Workers{true, {true, true}}),
                         [](const auto &info) { return info.param.name(); });

} // namespace lamina::test
