//===- CompileCacheTest.cpp - which artifacts share a place in the cache -------------------------------===//

#include "tools/common/CompileCache.h"

#include <gtest/gtest.h>

#include <set>

namespace lamina {
namespace {

TEST(CompileCacheKey, DiffersByEverythingThatTheArtifactDependsOn) {
  auto key = [](const char *model, const char *compiler, const char *target,
                const std::vector<std::string> &flags) {
    return compileCacheKey({}, model, compiler, target, flags);
  };
  std::string one = key("m", "/proc/self/exe", "x86-64-v3", {"-a", "-b"});
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(one, key("m", "/proc/self/exe", "x86-64-v3", {"-a", "-b"}));
  std::set<std::string> keys = {one,
                                key("n", "/proc/self/exe", "x86-64-v3", {"-a", "-b"}),
                                key("m", "/missing", "x86-64-v3", {"-a", "-b"}),
                                key("m", "/proc/self/exe", "x86-64-v4-vnni", {"-a", "-b"}),
                                key("m", "/proc/self/exe", "", {"-a", "-b"}),
                                key("m", "/proc/self/exe", "x86-64-v3", {"-a"}),
                                key("m", "/proc/self/exe", "x86-64-v3", {"-a-b"}),
                                key("m", "/proc/self/exe", "x86-64-v3", {"-a\n2 -b"}),
                                key("m", "/proc/self/exe", "x86-64-v3", {"-b", "-a"})};
  EXPECT_EQ(keys.size(), 9u);
}

} // namespace
} // namespace lamina
