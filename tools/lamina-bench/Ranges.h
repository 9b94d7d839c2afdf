//===- Ranges.h - lists of numbers on the command line --------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_RANGES_H
#define LAMINA_TOOLS_LAMINA_BENCH_RANGES_H

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lamina::bench {

/// Numbers in a list, and tests that lists make together: more is a slip of the keyboard.
constexpr int64_t kMostNumbers = 10'000;

/// llama-bench's lists: "128", "128,512", "128-512+128" (128 256 384 512), "1-32*2" (1 2 4 8 16 32), "1-4".
/// Nothing if the text is no such list, a number is above 2^24, a range does not end or there are more than
/// kMostNumbers.
std::optional<std::vector<int64_t>> parseRanges(std::string_view text);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_RANGES_H
